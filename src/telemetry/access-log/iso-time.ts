// SPDX-License-Identifier: Apache-2.0
// Start times as text: many lines share their second and, under load, their millisecond.

import { Buffer } from "node:buffer";

/** `2026-01-02T03:04:05.` */
const secondChars = 20;
const time = "2026-01-02T03:04:05.678Z";

export class IsoTime {
  readonly #bytes: Buffer;
  /** Of the time, behind what stands before it. */
  readonly #from: number;
  #second = Number.NaN;
  #wholeMs = Number.NaN;

  /** `before` and `behind` stand around each time, ASCII. */
  constructor(before: string, behind: string) {
    this.#bytes = Buffer.from(before + time + behind, "latin1");
    this.#from = before.length;
  }

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
      bytes.write(new Date(second * 1000).toISOString(), this.#from, secondChars, "latin1");
      this.#second = second;
    }
    this.#wholeMs = wholeMs;
    const ms = wholeMs - second * 1000;
    const at = this.#from + secondChars;
    bytes[at] = 0x30 + Math.trunc(ms / 100);
    bytes[at + 1] = 0x30 + (Math.trunc(ms / 10) % 10);
    bytes[at + 2] = 0x30 + (ms % 10);
  }
}
