// SPDX-License-Identifier: Apache-2.0
// Where log bytes end up: standard output or a file that can be reopened after rotation. Writes go through the thread
// pool: a reader that stops reading our pipe must not stop the event loop, which process.stdout would.

import { close, constants, openSync, write } from "node:fs";

import { systemCodeOf, type Clock } from "../../core/index.ts";

export interface ByteSink {
  /**
   * Writes all of the bytes, one call at a time. They belong to the sink until `done`, which is called once with the
   * error or null.
   */
  write(bytes: Buffer, done: (error: Error | null) => void): void;
  /** Opens the file again under its name, for log rotation (SIGHUP). Keeps the old one when that fails. */
  reopen(): void;
  /** After the write in flight; nothing may be written any more. */
  close(): void;
}

export interface ByteSinkOptions {
  readonly target: { readonly kind: "stdout" } | { readonly kind: "file"; readonly path: string };
  readonly clock: Clock;
  /** Told of the first failed write after a good one, and of every failed reopen. */
  readonly onError: (message: string, error: Error) => void;
}

const stdout = 1;
/** Wait before asking a full non-blocking pipe again. */
const busyRetryMs = 5;

/** Throws the system's error when the file cannot be opened. New files are not readable by others. */
export function createByteSink(options: ByteSinkOptions): ByteSink {
  const { target } = options;
  return new FileSink(options, target.kind === "file" ? openLog(target.path) : stdout);
}

class FileSink implements ByteSink {
  readonly #options: ByteSinkOptions;
  #fd: number;
  /** The descriptor a write in flight uses; it may have been replaced meanwhile. */
  #busyFd: number | null = null;
  #closed = false;
  #failing = false;

  constructor(options: ByteSinkOptions, fd: number) {
    this.#options = options;
    this.#fd = fd;
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    const fd = this.#fd;
    this.#busyFd = fd;
    this.#writeFrom(fd, bytes, 0, (error) => {
      this.#busyFd = null;
      if (fd !== this.#fd || this.#closed) this.#release(fd);
      if (error !== null && !this.#failing) this.#options.onError("cannot write the access log", error);
      this.#failing = error !== null;
      done(error);
    });
  }

  reopen(): void {
    const { target, onError } = this.#options;
    if (target.kind !== "file" || this.#closed) return;
    const old = this.#fd;
    try {
      this.#fd = openLog(target.path);
    } catch (error) {
      onError("cannot reopen the access log; going on with the old file", error as Error);
      return;
    }
    if (old !== this.#busyFd) this.#release(old);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busyFd !== this.#fd) this.#release(this.#fd);
  }

  #writeFrom(fd: number, bytes: Buffer, from: number, done: (error: Error | null) => void): void {
    write(fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error !== null) {
        // Somebody made our standard output non-blocking and its reader is slow.
        if (systemCodeOf(error) !== "EAGAIN") done(error);
        else this.#options.clock.after(busyRetryMs, () => this.#writeFrom(fd, bytes, from, done));
        return;
      }
      if (from + written >= bytes.length) done(null);
      else this.#writeFrom(fd, bytes, from + written, done);
    });
  }

  #release(fd: number): void {
    if (fd === stdout) return;
    close(fd, (error) => {
      if (error !== null) this.#options.onError("cannot close the access log", error);
    });
  }
}

function openLog(path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o640);
}
