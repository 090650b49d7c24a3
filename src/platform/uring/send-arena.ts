// SPDX-License-Identifier: Apache-2.0
// Memory to send from, lent in pieces one behind the other. Sends are over when the call that handed them in returns;
// then all of it is free again, and the same few pages stay in the cache.

import { Buffer } from "node:buffer";

import type { Libc } from "../libc.ts";
import { mapMemory, type MappedMemory } from "../mapped-memory.ts";

/** Pieces begin at multiples of this. */
const grainShift = 10;

export class SendArena {
  /** Halves of the address of offset 0. */
  readonly low: number;
  readonly high: number;
  /** All of it; also the largest piece. */
  readonly limitBytes: number;
  /** How much of that was ever touched. */
  touchedBytes = 0;
  /** Times that less was left than was wanted. */
  shortages = 0;
  readonly #memory: MappedMemory;
  /** By grain: the memory from there to the end; made when first lent. */
  readonly #views: (Buffer<ArrayBuffer> | undefined)[] = [];
  /** First grain behind what is kept, and the one lent last. */
  #grain = 0;
  #lent = 0;

  constructor(libc: Libc, bytes: number) {
    this.limitBytes = bytes;
    this.#memory = mapMemory(libc, bytes);
    this.low = this.#memory.low;
    this.high = this.#memory.high;
  }

  /** At least `bytes` bytes to write to, lent until the next call; null when there are not so many left. */
  lend(bytes: number): Buffer<ArrayBuffer> | null {
    const grain = this.#grain;
    if (bytes > this.limitBytes - (grain << grainShift)) {
      this.shortages++;
      return null;
    }
    this.#lent = grain;
    return this.#views[grain] ?? this.#makeView(grain);
  }

  /** Offset of what was lent last. */
  get lentAt(): number {
    return this.#lent << grainShift;
  }

  /** Keeps the first `length` bytes of what was lent last until `reset`; returns their offset. */
  keep(length: number): number {
    this.#grain = this.#lent + ((length + (1 << grainShift) - 1) >> grainShift);
    if (this.usedBytes > this.touchedBytes) this.touchedBytes = this.usedBytes;
    return this.#lent << grainShift;
  }

  /** The bytes of a kept piece, and all behind it. */
  view(at: number): Buffer<ArrayBuffer> {
    return this.#views[at >> grainShift]!;
  }

  /** Nothing that was kept is needed any more. What is lent stays so, and may be kept. */
  reset(): void {
    this.#grain = 0;
  }

  /** What is kept, up to the last piece. */
  get usedBytes(): number {
    return this.#grain << grainShift;
  }

  get used(): Buffer<ArrayBuffer> {
    return this.#memory.bytes.subarray(0, this.usedBytes);
  }

  dispose(): void {
    this.#memory.release();
  }

  #makeView(grain: number): Buffer<ArrayBuffer> {
    const { buffer, byteOffset, length } = this.#memory.bytes;
    const at = grain << grainShift;
    const view = Buffer.from(buffer, byteOffset + at, length - at);
    this.#views[grain] = view;
    return view;
  }
}
