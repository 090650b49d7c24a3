// SPDX-License-Identifier: Apache-2.0
// x-request-id: UUIDs of version 4, written as bytes.

import { highDigit, lowDigit, type RandomPool } from "./random-pool.ts";

export const requestIdBytes = 36;

const hyphen = 0x2d;

export class RequestIds {
  readonly #pool: RandomPool;

  constructor(pool: RandomPool) {
    this.#pool = pool;
  }

  /** HOT: writes 36 characters at `out[at]`. */
  write(out: Uint8Array, at: number): void {
    const from = this.#pool.take(16);
    const { bytes } = this.#pool;
    for (let index = 0; index < 16; index++) {
      let byte = bytes[from + index]!;
      // RFC 9562 §5.4: version 4, variant 10.
      if (index === 6) byte = (byte & 0x0f) | 0x40;
      else if (index === 8) byte = (byte & 0x3f) | 0x80;
      if (index === 4 || index === 6 || index === 8 || index === 10) out[at++] = hyphen;
      out[at++] = highDigit[byte]!;
      out[at++] = lowDigit[byte]!;
    }
  }
}
