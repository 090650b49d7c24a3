// SPDX-License-Identifier: Apache-2.0
// Configuration from files and directories, kept up to date: file system events for speed, polling as a safety net for
// file systems that send none (NFS, some container mounts).

import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { messageOf, type Cancel, type Clock } from "../../core/index.ts";
import type { Problem } from "../../model/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import { DirectoryWatches } from "./directory-watches.ts";
import { hasConfigName, listPaths, readText, type SourceFile } from "./read-paths.ts";

/**
 * Everything there is, not what changed. Files whose content cannot be read are among the problems, and without text among
 * the files: the order of files counts, and they keep their place in it. The next call comes when the promise has settled.
 */
export type OnFiles = (files: readonly SourceFile[], problems: readonly Problem[]) => Promise<void>;

export interface FileSource {
  /** Reads, waits for `onChange` once, whatever there is, and watches from then on. Call it once. */
  start(): Promise<void>;
  /** Ends all watching; `onChange` is not called any more. */
  stop(): void;
}

export interface FileSourceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const pollPeriodMs = 5_000;

/** A source over `paths`, files or directories; directories are read with everything below them. */
export function createFileSource(paths: readonly string[], deps: FileSourceDeps, onChange: OnFiles): FileSource {
  return new WatchedFiles(paths, deps, onChange);
}

interface KnownFile {
  readonly stamp: string;
  readonly content: PackedText | Problem;
}

/** Texts are needed again when another file changes, and rest compressed until then: to a twentieth of their size. */
interface PackedText {
  readonly bytes: Uint8Array;
}

class WatchedFiles implements FileSource {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: OnFiles;
  readonly #watches: DirectoryWatches;
  #known: ReadonlyMap<string, KnownFile> = new Map();
  #problems: readonly Problem[] = [];
  /** Directories with events since the last look. Times of files are too coarse to tell two quick writes apart. */
  #touched = new Set<string>();
  #isLooking = false;
  #lookAgain = false;
  #isStopped = false;
  #cancelPoll: Cancel = () => undefined;

  constructor(paths: readonly string[], { clock, logger }: FileSourceDeps, onChange: OnFiles) {
    this.#paths = paths;
    this.#clock = clock;
    this.#logger = logger;
    this.#onChange = onChange;
    const named = new Set(paths.map((path) => resolve(path)));
    const isRead = (path: string) => named.has(path) || hasConfigName(path);
    this.#watches = new DirectoryWatches(logger, isRead, (directory) => {
      this.#touched.add(directory);
      this.#trigger();
    });
  }

  async start(): Promise<void> {
    this.#isLooking = true;
    await this.#look();
    if (this.#isStopped) return;
    await this.#publish();
    if (this.#isStopped) return;
    this.#cancelPoll = this.#clock.every(pollPeriodMs, () => this.#trigger());
    this.#isLooking = false;
    if (this.#lookAgain) this.#trigger();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelPoll();
    this.#watches.close();
  }

  /** Looks now, or once more when a look is under way: events during it may be about what it has already passed. */
  #trigger(): void {
    if (this.#isStopped) return;
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#lookWhileTriggered();
  }

  async #lookWhileTriggered(): Promise<void> {
    try {
      while (this.#lookAgain && !this.#isStopped) {
        this.#lookAgain = false;
        const isChanged = await this.#look();
        if (isChanged && !this.#isStopped) await this.#publish();
      }
    } catch (error) {
      this.#logger.error("looking for changed files failed", { error: messageOf(error) });
    } finally {
      this.#isLooking = false;
    }
  }

  /** Reads what may have changed; true when anything did. */
  async #look(): Promise<boolean> {
    const touched = this.#touched;
    this.#touched = new Set();
    await this.#watchParents();
    const listing = await listPaths(this.#paths, (directory) => this.#watch(directory.path, directory.stamp));
    this.#watches.dropUnwanted();
    const known = new Map<string, KnownFile>();
    let isChanged = false;
    for (const { path, stamp } of listing.files) {
      const before = this.#known.get(path);
      const isSame = before?.stamp === stamp && !touched.has(dirname(resolve(path)));
      const content = isSame ? before.content : pack(await readText(path));
      known.set(path, { stamp, content });
      isChanged ||= !isEqualContent(before?.content, content);
    }
    isChanged ||= known.size !== this.#known.size || !isEqualProblems(this.#problems, listing.problems);
    this.#known = known;
    this.#problems = listing.problems;
    return isChanged;
  }

  /** A file that was named itself is watched through its directory. */
  async #watchParents(): Promise<void> {
    for (const parent of new Set(this.#paths.map((path) => dirname(resolve(path))))) {
      try {
        const { dev, ino } = await stat(parent, { bigint: true });
        this.#watch(parent, `${dev}:${ino}`);
      } catch (error) {
        this.#logger.debug("cannot watch a parent directory", { path: parent, error: messageOf(error) });
      }
    }
  }

  #watch(path: string, stamp: string): void {
    if (!this.#isStopped) this.#watches.want({ path: resolve(path), stamp });
  }

  async #publish(): Promise<void> {
    const files: SourceFile[] = [];
    const problems = [...this.#problems];
    for (const [path, { content }] of this.#known) {
      const isRead = "bytes" in content;
      files.push({ path, text: isRead ? zstdDecompressSync(content.bytes).toString() : "" });
      if (!isRead) problems.push(content);
    }
    await this.#onChange(files, problems);
  }
}

function pack(content: string | Problem): PackedText | Problem {
  if (typeof content !== "string") return content;
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return { bytes: zstdCompressSync(content, { params }) };
}

function isEqualContent(before: PackedText | Problem | undefined, now: PackedText | Problem): boolean {
  if (before === undefined) return false;
  // The same text is always compressed to the same bytes.
  if ("bytes" in before && "bytes" in now) return Buffer.compare(before.bytes, now.bytes) === 0;
  return "message" in before && "message" in now && before.message === now.message;
}

function isEqualProblems(before: readonly Problem[], now: readonly Problem[]): boolean {
  return (
    before.length === now.length &&
    before.every(({ message, position }, index) => {
      const other = now[index];
      return message === other?.message && position.file === other.position.file;
    })
  );
}
