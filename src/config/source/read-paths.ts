// SPDX-License-Identifier: Apache-2.0
// Reads configuration files once: single files and directories with everything below them. What cannot be read is a
// problem, never an exception.

import { isUtf8 } from "node:buffer";
import type { BigIntStats } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf, systemCodeOf } from "../../core/index.ts";
import type { Problem } from "../../model/index.ts";

export interface SourceFile {
  /** As the user gave it; for files in a directory that path and the way from there. */
  readonly path: string;
  readonly text: string;
}

export interface ReadResult {
  /** In the order of `paths`, those of a directory by name. */
  readonly files: readonly SourceFile[];
  /** FILE_UNREADABLE and FILE_EMPTY; `position.file` is the path of the file or directory. */
  readonly problems: readonly Problem[];
}

/** A file on disk and what its content is recognised by. */
export interface FoundFile {
  readonly path: string;
  /** Changes whenever the file is written or replaced, up to the resolution of the file system's times. */
  readonly stamp: string;
}

export interface FoundDirectory {
  readonly path: string;
  /** Changes when another directory takes its place. */
  readonly stamp: string;
}

export interface Listing {
  readonly files: readonly FoundFile[];
  readonly problems: readonly Problem[];
}

/** Larger files are refused: their syntax tree would take gigabytes. */
export const maxFileBytes = 16 * 1024 * 1024;
/** How often a file is read that changes meanwhile. */
const readRounds = 3;
/** Deeper directories are a mistake, `/` for example. */
const maxDepth = 32;
const extensions: readonly string[] = [".yaml", ".yml", ".json"];

/** Reads everything once, for commands that do not watch. */
export async function readPaths(paths: readonly string[]): Promise<ReadResult> {
  const listing = await listPaths(paths, () => undefined);
  const files: SourceFile[] = [];
  const problems = [...listing.problems];
  for (const { path } of listing.files) {
    const text = await readText(path);
    if (typeof text === "string") files.push({ path, text });
    else problems.push(text);
  }
  return { files, problems };
}

/**
 * Finds the files. `onDirectory` is called before a directory is read, so that a watch set up there misses nothing.
 * Links are followed, which is how Kubernetes swaps mounted ConfigMaps: `x.yaml` → `..data/x.yaml` → `..2026…/x.yaml`.
 */
export async function listPaths(
  paths: readonly string[],
  onDirectory: (directory: FoundDirectory) => void,
): Promise<Listing> {
  const walk = new Walk(onDirectory);
  for (const path of paths) await walk.visit(path, 0);
  return walk;
}

class Walk implements Listing {
  readonly files: FoundFile[] = [];
  readonly problems: Problem[] = [];
  readonly #onDirectory: (directory: FoundDirectory) => void;
  /** A file that is named twice is read once. */
  readonly #seen = new Set<string>();
  /** Links may lead to a directory twice, or in a circle. */
  readonly #directories = new Set<string>();

  constructor(onDirectory: (directory: FoundDirectory) => void) {
    this.#onDirectory = onDirectory;
  }

  async visit(path: string, depth: number): Promise<void> {
    const id = resolve(path);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    try {
      const stats = await stat(path, { bigint: true });
      if (stats.isDirectory()) {
        const identity = `${stats.dev}:${stats.ino}`;
        if (this.#directories.has(identity)) return;
        this.#directories.add(identity);
        this.#onDirectory({ path, stamp: identity });
        await this.#visitDirectory(path, depth);
      } else if (depth === 0 || hasConfigName(path)) {
        if (!stats.isFile()) this.problems.push(unreadable(path, "this is neither a file nor a directory; name one"));
        else this.files.push({ path, stamp: stampOf(stats) });
      }
    } catch (error) {
      // Below a directory: removed since it was listed, and the next look will find it gone.
      if (depth === 0 || systemCodeOf(error) !== "ENOENT") this.problems.push(readProblem(path, error));
    }
  }

  async #visitDirectory(path: string, depth: number): Promise<void> {
    if (depth >= maxDepth) {
      this.problems.push(
        unreadable(
          path,
          `directories are nested more than ${maxDepth} deep; name the one that holds the configuration`,
        ),
      );
      return;
    }
    const names = await readdir(path);
    // Hidden ones are not meant to be read: editors' lock and swap files, .git, the links of a mounted ConfigMap.
    for (const name of names.toSorted()) if (!name.startsWith(".")) await this.visit(join(path, name), depth + 1);
  }
}

/** Whether a file in a directory is read for its name; files that are named themselves may be called anything. */
export function hasConfigName(path: string): boolean {
  return extensions.some((extension) => path.endsWith(extension));
}

/**
 * The content as UTF-8 text without byte order mark, as it was at one time, or why not. Never blank: who saves a file in
 * place empties it first, and a full disk leaves it so.
 */
export async function readText(path: string, openFile: typeof open = open): Promise<string | Problem> {
  try {
    for (let round = 0; round < readRounds; round++) {
      await using file = await openFile(path);
      const before = await file.stat({ bigint: true });
      if (before.size > maxFileBytes) return unreadable(path, tooLarge);
      const bytes = await file.readFile();
      if (bytes.length > maxFileBytes) return unreadable(path, tooLarge);
      // As many bytes are read as the file has at first: of a new text, written meanwhile, that is a part.
      const after = await file.stat({ bigint: true });
      if (stampOf(before) === stampOf(after) && bytes.length >= after.size) return textOf(path, bytes);
    }
    return unreadable(path, "somebody writes to it whenever it is read; write another file and rename it to this name");
  } catch (error) {
    return readProblem(path, error);
  }
}

function stampOf({ mtimeNs, ctimeNs, size, dev, ino }: BigIntStats): string {
  return `${mtimeNs}:${ctimeNs}:${size}:${dev}:${ino}`;
}

function textOf(path: string, bytes: Buffer): string | Problem {
  if (!isUtf8(bytes)) return unreadable(path, "the file is not UTF-8 text; save it as UTF-8");
  const text = new TextDecoder().decode(bytes);
  return text.trim() === "" ? emptyProblem(path) : text;
}

const tooLarge = `the file is larger than ${maxFileBytes / 1024 / 1024} MiB; split it`;

function readProblem(path: string, error: unknown): Problem {
  const code = systemCodeOf(error);
  if (code === "ENOENT") return unreadable(path, "there is no such file or directory; check the path");
  if (code === "EACCES" || code === "EPERM") return unreadable(path, "permission to read it is missing; grant it");
  return unreadable(path, `it cannot be read (${code === "" ? messageOf(error) : code}); check the path`);
}

function emptyProblem(file: string): Problem {
  const message =
    "the file is empty, and what it may have held before stays in force; save it again, or remove it (or leave a comment in it) to drop that";
  return { ...unreadable(file, message), code: "FILE_EMPTY", severity: "warning" };
}

function unreadable(file: string, message: string): Problem {
  const position = { file, line: 1, column: 1 };
  return { code: "FILE_UNREADABLE", severity: "error", position, resource: null, path: "", message };
}
