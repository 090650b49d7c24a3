// SPDX-License-Identifier: Apache-2.0
// A string that is made only when it is not the one made last time: connections repeat their authority on every
// request and often their path. Comparing bytes costs a quarter of making a string (bench/micro/head.bench.ts).

import { textOf } from "./bytes.ts";

/** Longer texts are made anew each time, so that an idle connection holds little. */
const maxKeptBytes = 64;

export class KeptText {
  #text = "";
  readonly #bytes = new Uint8Array(maxKeptBytes);

  /** `bytes[start, end)` as latin1. */
  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    const kept = this.#bytes;
    if (length !== this.#text.length) return this.#make(bytes, start, end);
    for (let index = 0; index < length; index++) {
      if (bytes[start + index] !== kept[index]) return this.#make(bytes, start, end);
    }
    return this.#text;
  }

  #make(bytes: Buffer, start: number, end: number): string {
    const text = textOf(bytes, start, end);
    if (text.length > maxKeptBytes) return text;
    for (let index = 0; index < text.length; index++) this.#bytes[index] = bytes[start + index]!;
    this.#text = text;
    return text;
  }
}
