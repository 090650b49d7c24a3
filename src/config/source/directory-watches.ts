// SPDX-License-Identifier: Apache-2.0
// One fs.watch per directory. Directories and not files are watched, because editors and Kubernetes replace files by
// renaming, after which a watch on the old file hears nothing more.

import { watch, type FSWatcher, type WatchEventType } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../core/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { FoundDirectory } from "./read-paths.ts";

interface Watch {
  readonly stamp: string;
  /** null when the system refuses; polling has to do then. */
  readonly watcher: FSWatcher | null;
}

export class DirectoryWatches {
  readonly #watches = new Map<string, Watch>();
  readonly #wanted = new Set<string>();
  readonly #logger: Logger;
  readonly #isRead: (path: string) => boolean;
  readonly #onEvent: (directory: string) => void;

  /** `isRead` tells whether writes to a file matter; something else in the same directory may be a busy log. */
  constructor(logger: Logger, isRead: (path: string) => boolean, onEvent: (directory: string) => void) {
    this.#logger = logger;
    this.#isRead = isRead;
    this.#onEvent = onEvent;
  }

  /** Watches a directory until a `dropUnwanted` comes without it; anew when another one has taken its place. */
  want({ path, stamp }: FoundDirectory): void {
    this.#wanted.add(path);
    const current = this.#watches.get(path);
    if (current?.stamp === stamp) return;
    current?.watcher?.close();
    this.#watches.set(path, { stamp, watcher: this.#start(path) });
  }

  /** Ends the watches that were not wanted since the last call. */
  dropUnwanted(): void {
    for (const [path, { watcher }] of this.#watches) {
      if (this.#wanted.has(path)) continue;
      watcher?.close();
      this.#watches.delete(path);
    }
    this.#wanted.clear();
  }

  close(): void {
    this.#wanted.clear();
    this.dropUnwanted();
  }

  #start(path: string): FSWatcher | null {
    try {
      const watcher = watch(path, (event, name) => {
        if (this.#matters(event, path, name)) this.#onEvent(path);
      });
      watcher.on("error", (error) => this.#logFailure(path, error));
      return watcher;
    } catch (error) {
      this.#logFailure(path, error);
      return null;
    }
  }

  /** What comes, goes or is renamed may be a directory or a link, whatever its name. */
  #matters(event: WatchEventType, directory: string, name: string | null): boolean {
    return event === "rename" || name === null || this.#isRead(join(directory, name));
  }

  #logFailure(path: string, error: unknown): void {
    this.#logger.warning("cannot watch a directory; changes are found by polling", { path, error: messageOf(error) });
  }
}
