// SPDX-License-Identifier: Apache-2.0
// x-request-id: UUIDs of version 4, written as bytes. Randomness is drawn for many ids at once.

import { Buffer } from "node:buffer";

export const requestIdBytes = 36;

const idsPerDraw = 256;
const hex = Buffer.from("0123456789abcdef", "latin1");
const hyphen = 0x2d;

export class RequestIds {
  readonly #fillRandom: (bytes: Uint8Array) => void;
  readonly #pool = new Uint8Array(16 * idsPerDraw);
  #used = this.#pool.length;

  constructor(fillRandom: (bytes: Uint8Array) => void) {
    this.#fillRandom = fillRandom;
  }

  /** Writes 36 characters at `out[at]`. */
  write(out: Uint8Array, at: number): void {
    if (this.#used === this.#pool.length) {
      this.#fillRandom(this.#pool);
      this.#used = 0;
    }
    const pool = this.#pool;
    const from = this.#used;
    this.#used += 16;
    for (let index = 0; index < 16; index++) {
      let byte = pool[from + index]!;
      // RFC 9562 §5.4: version 4, variant 10.
      if (index === 6) byte = (byte & 0x0f) | 0x40;
      else if (index === 8) byte = (byte & 0x3f) | 0x80;
      if (index === 4 || index === 6 || index === 8 || index === 10) out[at++] = hyphen;
      out[at++] = hex[byte >> 4]!;
      out[at++] = hex[byte & 15]!;
    }
  }
}
