// SPDX-License-Identifier: Apache-2.0
// Bytes that the kernel has not taken yet, of one connection whose peer reads slowly.

import { Buffer } from "node:buffer";

export class SendQueue {
  bytes = 0;
  readonly #chunks: Buffer[] = [];
  /** Offset in the first chunk. */
  #from = 0;

  /** Copies `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    const chunk = Buffer.allocUnsafeSlow(to - from);
    bytes.copy(chunk, 0, from, to);
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Takes over everything of `behind`, which must not be used any more and has lost nothing of its start. */
  append(behind: SendQueue): void {
    for (const chunk of behind.#chunks) this.#chunks.push(chunk);
    this.bytes += behind.bytes;
  }

  /** Copies the first bytes to the start of `into`, as many as are there and fit in `limit`; returns how many. */
  copyTo(into: Buffer, limit: number): number {
    let length = 0;
    let from = this.#from;
    for (const chunk of this.#chunks) {
      const part = Math.min(chunk.length - from, limit - length);
      chunk.copy(into, length, from, from + part);
      length += part;
      from = 0;
      if (length === limit) break;
    }
    return length;
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.bytes -= count;
    this.#from += count;
    while (this.#chunks.length > 0 && this.#from >= this.#chunks[0]!.length) {
      this.#from -= this.#chunks[0]!.length;
      this.#chunks.shift();
    }
  }
}
