// SPDX-License-Identifier: Apache-2.0
// Bytes from one stream socket to another without a copy in between: a pipe that holds pages of the kernel's for as long as
// a call takes.

import type { Libc } from "./libc.ts";
import type { MappedMemory } from "./mapped-memory.ts";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setFileFlags = 4;
const setPipeSize = 1031;
/** Of pages, many of which hold less: a piece of a packet takes one. The kernel may leave it smaller. */
const capacityBytes = 512 * 1024;
const move = 1;
const doNotWait = 2;

export class SplicePipe {
  readonly readEnd: number;
  readonly writeEnd: number;
  /** Bytes that `move` took and could not hand on; `read` them before the next. */
  rest = 0;
  readonly #libc: Libc;

  constructor(libc: Libc, readEnd: number, writeEnd: number) {
    this.#libc = libc;
    this.readEnd = readEnd;
    this.writeEnd = writeEnd;
    libc.fcntl(writeEnd, setPipeSize, capacityBytes);
  }

  /**
   * Takes up to `most` bytes out of the socket `from` and hands to the socket `to` as many of them as it has room for.
   * Returns how many it took: 0 at the end, or a negative error number of `from`. Waits for neither.
   */
  move(from: number, to: number, most: number): number {
    if (this.rest > 0) throw new Error(`${this.rest} bytes in a pipe were never read`);
    const taken = this.#splice(from, this.writeEnd, from, most);
    if (taken <= 0) return taken;
    // What is in the way of `to` its next send will say.
    this.rest = taken - Math.max(0, this.#splice(this.readEnd, to, to, taken));
    return taken;
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

  /** A socket waits or not as its file says, whatever the call says; those of a ring have to be of the kind that waits. */
  #splice(from: number, to: number, socket: number, most: number): number {
    const libc = this.#libc;
    libc.fcntl(socket, setFileFlags, nonBlocking);
    const result = libc.resultOf(libc.splice(from, 0, to, 0, most, move | doNotWait));
    libc.fcntl(socket, setFileFlags, 0);
    return result;
  }
}

/** null: there are no files left. */
export function openSplicePipe(libc: Libc): SplicePipe | null {
  const ends = new Int32Array(2);
  const result = libc.pipe2(ends, closeOnExec | nonBlocking);
  return result < 0 ? null : new SplicePipe(libc, ends[0]!, ends[1]!);
}
