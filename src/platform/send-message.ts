// SPDX-License-Identifier: Apache-2.0
// Sends from two places of memory by one call, as one piece of the stream.

import type { Libc } from "./libc.ts";
import { mapMemory, type Sendable } from "./mapped-memory.ts";

const messageBytes = 56;
const vectorBytes = 16;
const dontWait = 0x40;
const noSignal = 0x4000;

export class SendMessage {
  readonly #libc: Libc;
  readonly #address: bigint;
  readonly #words: Int32Array;

  constructor(libc: Libc) {
    this.#libc = libc;
    const { address, low, high, bytes } = mapMemory(libc, messageBytes + 2 * vectorBytes);
    this.#address = address;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, (messageBytes + 2 * vectorBytes) / 4);
    // msghdr: no name, two vectors right behind it.
    words[4] = low + messageBytes;
    words[5] = high;
    words[6] = 2;
    this.#words = words;
  }

  /** What the kernel takes at once of both, in bytes, or a negative error number. The memory is free again then. */
  send(
    fd: number,
    first: Sendable,
    at: number,
    length: number,
    second: Sendable,
    at2: number,
    length2: number,
  ): number {
    const words = this.#words;
    words[14] = first.low + at;
    words[15] = first.high;
    words[16] = length;
    words[18] = second.low + at2;
    words[19] = second.high;
    words[20] = length2;
    return this.#libc.resultOf(this.#libc.sendMessage(fd, this.#address, dontWait | noSignal));
  }
}
