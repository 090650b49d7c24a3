// SPDX-License-Identifier: Apache-2.0
// The memory in which data-plane threads count what they use of limited clusters, of listeners and of file descriptors.
// The main thread owns the table and says where the numbers of each are: one group for all threads, then one for each:
//
//   all: connections, pending, requests, retries | thread 0: the same four | thread 1: … | next cluster or listener
//
// The first ones are the descriptors', so that nobody need be told where.

import type { Random } from "../core/index.ts";
import type { ClusterSpec, ListenerSpec } from "../model/index.ts";
import { allocateSources, releaseSources, SharedSourceCounts, type SourceCounts } from "./source-counts.ts";
import {
  descriptorSides,
  isLimited,
  limitedCount,
  type DescriptorSide,
  type SharedCounts,
  type SharedLimits,
} from "./usage.ts";

const initialSlots = 64;
/** Names a process may ever see; memory is committed as they come. */
const maxSlots = 65_536;

/** Key of a cluster or listener → position of its numbers. */
export type LimitSlots = ReadonlyMap<string, number>;

const descriptorSlots: LimitSlots = new Map(descriptorSides.map((side, slot) => [descriptorKey(side), slot]));

/** Shared by all threads. */
export interface LimitMemory {
  readonly counts: SharedArrayBuffer;
  /** Connections by source address. */
  readonly sources: SharedArrayBuffer;
}

/** The main thread's side. */
export class LimitTable {
  readonly memory: LimitMemory;
  readonly #threads: number;
  readonly #slots = new Map(descriptorSlots);

  constructor(threads: number, random: Random) {
    this.#threads = threads;
    const bytes = bytesPerSlot(threads);
    this.memory = {
      counts: new SharedArrayBuffer(initialSlots * bytes, { maxByteLength: maxSlots * bytes }),
      sources: allocateSources(threads, random),
    };
  }

  /**
   * Where these listeners and the limited ones of these clusters count. A name keeps its place for ever: what is gone
   * from the configuration may still have something in flight. Throws RangeError beyond 65,536 names.
   */
  slotsOf(clusters: Iterable<ClusterSpec>, listeners: Iterable<ListenerSpec>): LimitSlots {
    const wanted = new Map<string, number>();
    for (const spec of clusters) if (isLimited(spec)) this.#addSlot(clusterKey(spec.name), wanted);
    for (const { name } of listeners) this.#addSlot(listenerKey(name), wanted);
    const { counts } = this.memory;
    const needed = this.#slots.size * bytesPerSlot(this.#threads);
    if (needed > counts.byteLength) {
      counts.grow(Math.max(needed, Math.min(counts.byteLength * 2, counts.maxByteLength)));
    }
    return wanted;
  }

  #addSlot(key: string, wanted: Map<string, number>): void {
    const slot = this.#slots.get(key) ?? this.#slots.size;
    this.#slots.set(key, slot);
    wanted.set(key, slot);
  }

  /** The thread is gone: what it used is free. */
  release(thread: number): void {
    for (const slot of this.#slots.values()) {
      const { all, own } = countsAt(this.memory.counts, this.#threads, slot, thread);
      for (let kind = 0; kind < limitedCount; kind++) Atomics.sub(all, kind, Atomics.exchange(own, kind, 0));
    }
    releaseSources(this.memory.sources, thread);
  }
}

/** A data-plane thread's side. */
export class LimitView implements SharedLimits {
  readonly #memory: LimitMemory;
  readonly #threads: number;
  readonly #thread: number;
  readonly #counts = new Map<string, SharedCounts>();

  constructor(memory: LimitMemory, threads: number, thread: number) {
    this.#memory = memory;
    this.#threads = threads;
    this.#thread = thread;
    this.addSlots(descriptorSlots);
  }

  /** To be told before a snapshot with these clusters and listeners is applied. */
  addSlots(slots: LimitSlots): void {
    for (const [key, slot] of slots) {
      if (this.#counts.has(key)) continue;
      this.#counts.set(key, countsAt(this.#memory.counts, this.#threads, slot, this.#thread));
    }
  }

  countsOf(cluster: string): SharedCounts {
    return this.#at(clusterKey(cluster));
  }

  countsOfListener(listener: string): SharedCounts {
    return this.#at(listenerKey(listener));
  }

  countsOfDescriptors(side: DescriptorSide): SharedCounts {
    return this.#at(descriptorKey(side));
  }

  sourcesOf(listener: string): SourceCounts {
    return new SharedSourceCounts(this.#memory.sources, this.#thread, listener);
  }

  #at(key: string): SharedCounts {
    const counts = this.#counts.get(key);
    if (counts === undefined) throw new Error(`no shared limits for ${key}`);
    return counts;
  }
}

function clusterKey(name: string): string {
  return `cluster ${name}`;
}

function listenerKey(name: string): string {
  return `listener ${name}`;
}

function descriptorKey(side: DescriptorSide): string {
  return `descriptors ${side}`;
}

function countsAt(memory: SharedArrayBuffer, threads: number, slot: number, thread: number): SharedCounts {
  const start = slot * bytesPerSlot(threads);
  return {
    all: new Int32Array(memory, start, limitedCount),
    own: new Int32Array(memory, start + (1 + thread) * bytesPerGroup, limitedCount),
  };
}

const bytesPerGroup = limitedCount * Int32Array.BYTES_PER_ELEMENT;

function bytesPerSlot(threads: number): number {
  return (1 + threads) * bytesPerGroup;
}
