// SPDX-License-Identifier: Apache-2.0
// The memory in which data-plane threads count what they use of limited clusters. The main thread owns the table and
// says where each cluster's numbers are; per cluster there is one group of numbers for all threads and one for each:
//
//   all: connections, pending, requests, retries | thread 0: the same four | thread 1: … | next cluster

import type { ClusterSpec } from "../model/index.ts";
import { isLimited, limitedCount, type SharedCounts, type SharedLimits } from "./usage.ts";

const initialClusters = 64;
/** Names a process may ever see; memory is committed as they come. */
const maxClusters = 65_536;

/** Cluster name → position of its numbers. */
export type LimitSlots = ReadonlyMap<string, number>;

/** The main thread's side. */
export class LimitTable {
  readonly memory: SharedArrayBuffer;
  readonly #threads: number;
  readonly #slots = new Map<string, number>();

  constructor(threads: number) {
    this.#threads = threads;
    const bytes = bytesPerCluster(threads);
    this.memory = new SharedArrayBuffer(initialClusters * bytes, { maxByteLength: maxClusters * bytes });
  }

  /**
   * Where the limited ones of these clusters count. A name keeps its place for ever: exchanges of a cluster that is
   * gone from the configuration may still be in flight. Throws RangeError beyond 65,536 names.
   */
  slotsOf(clusters: Iterable<ClusterSpec>): LimitSlots {
    const wanted = new Map<string, number>();
    for (const spec of clusters) {
      if (!isLimited(spec)) continue;
      const slot = this.#slots.get(spec.name) ?? this.#slots.size;
      this.#slots.set(spec.name, slot);
      wanted.set(spec.name, slot);
    }
    const needed = this.#slots.size * bytesPerCluster(this.#threads);
    if (needed > this.memory.byteLength) {
      this.memory.grow(Math.max(needed, Math.min(this.memory.byteLength * 2, this.memory.maxByteLength)));
    }
    return wanted;
  }

  /** The thread is gone: what it used is free. */
  release(thread: number): void {
    for (const slot of this.#slots.values()) {
      const { all, own } = countsAt(this.memory, this.#threads, slot, thread);
      for (let kind = 0; kind < limitedCount; kind++) Atomics.sub(all, kind, Atomics.exchange(own, kind, 0));
    }
  }
}

/** A data-plane thread's side. */
export class LimitView implements SharedLimits {
  readonly #memory: SharedArrayBuffer;
  readonly #threads: number;
  readonly #thread: number;
  readonly #counts = new Map<string, SharedCounts>();

  constructor(memory: SharedArrayBuffer, threads: number, thread: number) {
    this.#memory = memory;
    this.#threads = threads;
    this.#thread = thread;
  }

  /** To be told before a snapshot with these clusters is applied. */
  addSlots(slots: LimitSlots): void {
    for (const [name, slot] of slots) {
      if (this.#counts.has(name)) continue;
      this.#counts.set(name, countsAt(this.#memory, this.#threads, slot, this.#thread));
    }
  }

  countsOf(cluster: string): SharedCounts {
    const counts = this.#counts.get(cluster);
    if (counts === undefined) throw new Error(`no shared limits for cluster ${cluster}`);
    return counts;
  }
}

function countsAt(memory: SharedArrayBuffer, threads: number, slot: number, thread: number): SharedCounts {
  const start = slot * bytesPerCluster(threads);
  return {
    all: new Int32Array(memory, start, limitedCount),
    own: new Int32Array(memory, start + (1 + thread) * bytesPerGroup, limitedCount),
  };
}

const bytesPerGroup = limitedCount * Int32Array.BYTES_PER_ELEMENT;

function bytesPerCluster(threads: number): number {
  return (1 + threads) * bytesPerGroup;
}
