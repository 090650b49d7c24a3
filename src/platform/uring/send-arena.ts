// SPDX-License-Identifier: Apache-2.0
// Memory to send from, lent in pieces and stable until each piece is released. Pieces are cut off blocks one after the
// other; a block is used anew when all of its pieces are back. Usually one block does, and stays in the cache.

import { Buffer } from "node:buffer";

import type { Libc } from "../libc.ts";
import { mapMemory, type MappedMemory } from "../mapped-memory.ts";

const blockShift = 18;
/** The largest piece. */
const blockBytes = 1 << blockShift;
/** Pieces begin at multiples of this. */
const grainShift = 10;
const grainsPerBlock = 1 << (blockShift - grainShift);

export class SendArena {
  /** Halves of the address of offset 0. */
  readonly low: number;
  readonly high: number;
  /** How much it may lend, and how much of that was ever touched. */
  readonly limitBytes: number;
  touchedBytes = blockBytes;
  /** Times that nothing was left to lend. */
  shortages = 0;
  readonly #memory: MappedMemory;
  /** By grain: the memory from there to the end of its block; made when first lent. */
  readonly #views: (Buffer<ArrayBuffer> | undefined)[] = [];
  /** By block: pieces that are not back. */
  readonly #pieces: Int32Array;
  /** Blocks without pieces, other than the current one. The last used is used next. */
  readonly #free: number[] = [];
  #block = 0;
  #grain = 0;

  constructor(libc: Libc, blocks: number) {
    this.limitBytes = blocks * blockBytes;
    this.#memory = mapMemory(libc, this.limitBytes);
    this.low = this.#memory.low;
    this.high = this.#memory.high;
    this.#pieces = new Int32Array(blocks);
    for (let block = blocks - 1; block > 0; block--) this.#free.push(block);
  }

  /** At least `bytes` bytes to write to, lent until the next call; null when there are none left, or for too many. */
  lend(bytes: number): Buffer<ArrayBuffer> | null {
    if (bytes > blockBytes - (this.#grain << grainShift) && !this.#nextBlock(bytes)) return null;
    const grain = this.#block * grainsPerBlock + this.#grain;
    return this.#views[grain] ?? this.#makeView(grain);
  }

  /** Keeps the first `length` bytes of what was lent last; returns their offset. `release` must follow. */
  keep(length: number): number {
    const at = (this.#block << blockShift) + (this.#grain << grainShift);
    this.#pieces[this.#block]!++;
    this.#grain += (length + (1 << grainShift) - 1) >> grainShift;
    return at;
  }

  /** The bytes of a kept piece. */
  view(at: number): Buffer<ArrayBuffer> {
    return this.#views[at >> grainShift]!;
  }

  /** The piece at offset `at` is no longer needed. */
  release(at: number): void {
    const block = at >> blockShift;
    const left = --this.#pieces[block]!;
    if (left > 0) return;
    if (block === this.#block) this.#grain = 0;
    else this.#free.push(block);
  }

  /** Blocks that have pieces out. */
  get usedBytes(): number {
    return this.#pieces.filter((pieces) => pieces > 0).length * blockBytes;
  }

  /** Pieces that are not back. */
  get kept(): number {
    return this.#pieces.reduce((sum, pieces) => sum + pieces, 0);
  }

  dispose(): void {
    this.#memory.release();
  }

  #nextBlock(bytes: number): boolean {
    if (bytes > blockBytes) return false;
    const next = this.#free.pop();
    if (next === undefined) {
      this.shortages++;
      return false;
    }
    this.touchedBytes = Math.max(this.touchedBytes, (next + 1) * blockBytes);
    // A current block whose pieces are all back has been begun anew, and then there was room.
    if (this.#pieces[this.#block] === 0) this.#free.push(this.#block);
    this.#block = next;
    this.#grain = 0;
    return true;
  }

  #makeView(grain: number): Buffer<ArrayBuffer> {
    const { buffer, byteOffset } = this.#memory.bytes;
    const inBlock = grain & (grainsPerBlock - 1);
    const length = (grainsPerBlock - inBlock) << grainShift;
    const view = Buffer.from(buffer, byteOffset + (grain << grainShift), length);
    this.#views[grain] = view;
    return view;
  }
}
