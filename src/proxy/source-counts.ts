// SPDX-License-Identifier: Apache-2.0
// Connections by the client's address. One thread counts exactly, in a map. Several threads count in shared memory that
// never grows, whoever connects: each address has one number in each of two rows, and the smaller of the two is never
// below what is true (a count-min sketch). It is above only when both numbers are shared with other addresses.

import type { Random } from "../core/index.ts";

export interface SourceCounts {
  /** Takes one place of `source`, unless `limit` are taken. What was taken must be given back exactly once. */
  take(source: string, limit: number): boolean;
  giveBack(source: string): void;
}

/** For a thread that has its listeners to itself. */
export class OwnSourceCounts implements SourceCounts {
  readonly #counts = new Map<string, number>();

  take(source: string, limit: number): boolean {
    const count = this.#counts.get(source) ?? 0;
    if (count >= limit) return false;
    this.#counts.set(source, count + 1);
    return true;
  }

  giveBack(source: string): void {
    const left = this.#counts.get(source)! - 1;
    if (left === 0) this.#counts.delete(source);
    else this.#counts.set(source, left);
  }
}

/** Half of a 32-bit hash chooses a number of the one row, the other half one of the other. */
const rowLength = 65_536;
const groupLength = 2 * rowLength;
const seedBytes = Int32Array.BYTES_PER_ELEMENT;
const groupBytes = groupLength * Int32Array.BYTES_PER_ELEMENT;

/** Seed, numbers of all threads, numbers of thread 0, of thread 1, …; pages that nobody touches take no memory. */
export function allocateSources(threads: number, random: Random): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(seedBytes + (1 + threads) * groupBytes);
  // Nobody outside can choose addresses that share numbers with somebody else's.
  new Int32Array(memory, 0, 1)[0] = random() * 2 ** 32;
  return memory;
}

/** The thread is gone: its connections no longer count. */
export function releaseSources(memory: SharedArrayBuffer, thread: number): void {
  const all = groupAt(memory, 0);
  const own = groupAt(memory, 1 + thread);
  for (let index = 0; index < groupLength; index++) {
    const count = Atomics.exchange(own, index, 0);
    if (count !== 0) Atomics.sub(all, index, count);
  }
}

/** One thread's view of one listener's numbers. */
export class SharedSourceCounts implements SourceCounts {
  readonly #all: Int32Array;
  readonly #own: Int32Array;
  readonly #seed: number;

  constructor(memory: SharedArrayBuffer, thread: number, listener: string) {
    this.#all = groupAt(memory, 0);
    this.#own = groupAt(memory, 1 + thread);
    this.#seed = hash(listener, new Int32Array(memory, 0, 1)[0]!);
  }

  take(source: string, limit: number): boolean {
    const mixed = hash(source, this.#seed);
    const first = mixed & 0xffff;
    const second = rowLength + (mixed >>> 16);
    // Added before it is looked at: of two threads that want the last place one must see the other.
    const before = Math.min(Atomics.add(this.#all, first, 1), Atomics.add(this.#all, second, 1));
    if (before >= limit) {
      Atomics.sub(this.#all, first, 1);
      Atomics.sub(this.#all, second, 1);
      return false;
    }
    this.#own[first]!++;
    this.#own[second]!++;
    return true;
  }

  giveBack(source: string): void {
    const mixed = hash(source, this.#seed);
    this.#remove(mixed & 0xffff);
    this.#remove(rowLength + (mixed >>> 16));
  }

  #remove(index: number): void {
    this.#own[index]!--;
    Atomics.sub(this.#all, index, 1);
  }
}

function groupAt(memory: SharedArrayBuffer, group: number): Int32Array {
  return new Int32Array(memory, seedBytes + group * groupBytes, groupLength);
}

/** 32 bits: FNV-1a from `seed`, then MurmurHash3's finalizer, so that both halves are good. */
function hash(text: string, seed: number): number {
  let mixed = seed ^ 0x811c9dc5;
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
