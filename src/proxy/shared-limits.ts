// SPDX-License-Identifier: Apache-2.0
// The memory in which data-plane threads count what they use of limited clusters, of listeners and of file descriptors.
// The main thread owns the table and says where the numbers of each are: one group for all threads, then one for each:
//
//   all: connections, pending, requests, retries | thread 0: the same four | thread 1: … | next cluster or listener
//
// The first ones are the descriptors', so that nobody need be told where. The memory is in pieces of a thousand clusters
// and listeners, which are added as names come.

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

const slotsPerPiece = 1_024;

/** Where clusters and listeners count. */
export interface LimitSlots {
  /** Key of a cluster or listener → position of its numbers. */
  readonly places: ReadonlyMap<string, number>;
  /** All pieces there are, in order. */
  readonly counts: readonly SharedArrayBuffer[];
}

const descriptorPlaces: ReadonlyMap<string, number> = new Map(
  descriptorSides.map((side, slot) => [descriptorKey(side), slot]),
);

/** Shared by all threads. */
export interface LimitMemory {
  /** The pieces so far. */
  readonly counts: readonly SharedArrayBuffer[];
  /** Connections by source address. */
  readonly sources: SharedArrayBuffer;
}

/** The main thread's side. */
export class LimitTable {
  readonly #threads: number;
  readonly #places = new Map(descriptorPlaces);
  readonly #counts: SharedArrayBuffer[] = [];
  readonly #sources: SharedArrayBuffer;

  constructor(threads: number, random: Random) {
    this.#threads = threads;
    this.#sources = allocateSources(threads, random);
    this.#makeRoom();
  }

  get memory(): LimitMemory {
    return { counts: [...this.#counts], sources: this.#sources };
  }

  /**
   * Where these listeners and the limited ones of these clusters count. A name keeps its place for ever: what is gone
   * from the configuration may still have something in flight.
   */
  slotsOf(clusters: Iterable<ClusterSpec>, listeners: Iterable<ListenerSpec>): LimitSlots {
    const places = new Map<string, number>();
    for (const spec of clusters) if (isLimited(spec)) this.#addSlot(clusterKey(spec.name), places);
    for (const { name } of listeners) this.#addSlot(listenerKey(name), places);
    this.#makeRoom();
    return { places, counts: [...this.#counts] };
  }

  #makeRoom(): void {
    while (this.#counts.length * slotsPerPiece < this.#places.size) {
      this.#counts.push(new SharedArrayBuffer(slotsPerPiece * bytesPerSlot(this.#threads)));
    }
  }

  #addSlot(key: string, wanted: Map<string, number>): void {
    const slot = this.#places.get(key) ?? this.#places.size;
    this.#places.set(key, slot);
    wanted.set(key, slot);
  }

  /** The thread is gone: what it used is free. */
  release(thread: number): void {
    for (const slot of this.#places.values()) {
      const { all, own } = countsAt(this.#counts, this.#threads, slot, thread);
      for (let kind = 0; kind < limitedCount; kind++) Atomics.sub(all, kind, Atomics.exchange(own, kind, 0));
    }
    releaseSources(this.#sources, thread);
  }
}

/** A data-plane thread's side. */
export class LimitView implements SharedLimits {
  readonly #sources: SharedArrayBuffer;
  readonly #threads: number;
  readonly #thread: number;
  readonly #counts = new Map<string, SharedCounts>();

  constructor({ counts, sources }: LimitMemory, threads: number, thread: number) {
    this.#sources = sources;
    this.#threads = threads;
    this.#thread = thread;
    this.addSlots({ places: descriptorPlaces, counts });
  }

  /** To be told before a snapshot with these clusters and listeners is applied. */
  addSlots({ places, counts }: LimitSlots): void {
    for (const [key, slot] of places) {
      if (this.#counts.has(key)) continue;
      this.#counts.set(key, countsAt(counts, this.#threads, slot, this.#thread));
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
    return new SharedSourceCounts(this.#sources, this.#thread, listener);
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

function countsAt(counts: readonly SharedArrayBuffer[], threads: number, slot: number, thread: number): SharedCounts {
  const piece = counts[Math.floor(slot / slotsPerPiece)]!;
  const start = (slot % slotsPerPiece) * bytesPerSlot(threads);
  return {
    all: new Int32Array(piece, start, limitedCount),
    own: new Int32Array(piece, start + (1 + thread) * bytesPerGroup, limitedCount),
  };
}

const bytesPerGroup = limitedCount * Int32Array.BYTES_PER_ELEMENT;

function bytesPerSlot(threads: number): number {
  return (1 + threads) * bytesPerGroup;
}
