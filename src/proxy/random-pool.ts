// SPDX-License-Identifier: Apache-2.0
// Random bytes for ids, drawn for many requests at once, and the digits ids are written in.

/**
 * Divisible by the size of every id, so that none is left over. A draw whose code has left the caches costs as much for 4 KiB
 * as for this; it lasts for 800 requests with all their ids.
 */
const poolBytes = 32_768;

/** One per data plane. */
export class RandomPool {
  /** Random where `take` says. */
  readonly bytes = new Uint8Array(poolBytes);
  readonly #fillRandom: (bytes: Uint8Array) => void;
  #used = poolBytes;

  constructor(fillRandom: (bytes: Uint8Array) => void) {
    this.#fillRandom = fillRandom;
  }

  /** HOT: where so many bytes stand that nobody else gets. They are there until the next call. */
  take(count: number): number {
    if (this.#used + count > poolBytes) {
      this.#fillRandom(this.bytes);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += count;
    return from;
  }
}

/** The first hexadecimal digit of each byte: two lookups cost half of what taking the byte apart does. */
export const highDigit = digitsOf((byte) => byte >> 4);
/** The second one. */
export const lowDigit = digitsOf((byte) => byte & 15);

function digitsOf(part: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => part(byte).toString(16).charCodeAt(0));
}
