// SPDX-License-Identifier: Apache-2.0
// Bytes from one stream socket to another without a copy in between: a pipe that holds pages of the kernel's from one call
// to the next.

import type { Libc } from "./libc.ts";
import type { MappedMemory } from "./mapped-memory.ts";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setPipeSize = 1031;
/** Of pages, many of which hold less: a piece of a packet takes one. The kernel may leave it smaller. */
const capacityBytes = 512 * 1024;
const move = 1;
const doNotWait = 2;

export class SplicePipe {
  readonly readEnd: number;
  readonly writeEnd: number;
  /** Bytes that were taken and not handed on. */
  rest = 0;
  readonly #libc: Libc;

  constructor(libc: Libc, readEnd: number, writeEnd: number) {
    this.#libc = libc;
    this.readEnd = readEnd;
    this.writeEnd = writeEnd;
    libc.fcntl(writeEnd, setPipeSize, capacityBytes);
  }

  /**
   * Takes up to `most` bytes out of the socket `from`, which has to be of the kind that does not wait: a socket waits or
   * not as its file says, whatever the call says. Returns how many: 0 at the end, or a negative error number.
   */
  take(from: number, most: number): number {
    if (this.rest > 0) throw new Error(`${this.rest} bytes in a pipe were never read`);
    const taken = this.#splice(from, this.writeEnd, most);
    this.rest = Math.max(0, taken);
    return taken;
  }

  /** Hands to the socket `to`, of that kind too, as much of what was taken as it has room for; returns how much. */
  give(to: number): number {
    // What is in the way its next send will say.
    const given = Math.max(0, this.#splice(this.readEnd, to, this.rest));
    this.rest -= given;
    return given;
  }

  /** Reads of the rest what fits into `memory`; how much. */
  read(memory: MappedMemory): number {
    const length = this.#libc.resultOf(this.#libc.readAt(this.readEnd, memory.address, memory.bytes.length));
    if (length <= 0) throw new Error(`a pipe with ${this.rest} bytes in it gives none: ${length}`);
    this.rest -= length;
    return length;
  }

  close(): void {
    this.#libc.close(this.readEnd);
    this.#libc.close(this.writeEnd);
  }

  #splice(from: number, to: number, most: number): number {
    return this.#libc.resultOf(this.#libc.splice(from, 0, to, 0, most, move | doNotWait, 0));
  }
}

/** null: there are no files left. */
export function openSplicePipe(libc: Libc): SplicePipe | null {
  const ends = new Int32Array(2);
  const result = libc.pipe2(ends, closeOnExec | nonBlocking);
  return result < 0 ? null : new SplicePipe(libc, ends[0]!, ends[1]!);
}
