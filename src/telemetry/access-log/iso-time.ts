// SPDX-License-Identifier: Apache-2.0
// Start times as text: many lines share their second and, under load, their millisecond.

import { Buffer } from "node:buffer";

/** `2026-01-02T03:04:05.` */
const secondChars = 20;

export class IsoTime {
  readonly #bytes: Buffer = Buffer.alloc(secondChars + 4, "Z");
  #second = Number.NaN;
  #wholeMs = Number.NaN;

  /** ISO 8601 in UTC with milliseconds. The bytes are valid until the next call. */
  at(wallMs: number): Buffer {
    const wholeMs = Math.trunc(wallMs);
    if (wholeMs !== this.#wholeMs) this.#set(wholeMs);
    return this.#bytes;
  }

  #set(wholeMs: number): void {
    const bytes = this.#bytes;
    const second = Math.floor(wholeMs / 1000);
    if (second !== this.#second) {
      bytes.write(new Date(second * 1000).toISOString(), 0, secondChars, "latin1");
      this.#second = second;
    }
    this.#wholeMs = wholeMs;
    const ms = wholeMs - second * 1000;
    bytes[secondChars] = 0x30 + Math.trunc(ms / 100);
    bytes[secondChars + 1] = 0x30 + (Math.trunc(ms / 10) % 10);
    bytes[secondChars + 2] = 0x30 + (ms % 10);
  }
}
