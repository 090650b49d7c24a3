// SPDX-License-Identifier: Apache-2.0
// How much is in use of a cluster's limits (Envoy's circuit breakers) or of a listener's: plain numbers where one thread
// has it to itself or nothing is limited, else numbers in memory that all data-plane threads share, so that a limit of
// 10 is 10 for the process.

import { unlimited, type ClusterSpec } from "../model/index.ts";
import type { SourceCounts } from "./source-counts.ts";

/** What is limited; positions of the numbers. Of a listener only connections are. */
export const limited = { connections: 0, pending: 1, requests: 2, retries: 3 } as const;
export type Limited = (typeof limited)[keyof typeof limited];

export const limitedCount = 4;

/** What file descriptors are used for, where they are counted (descriptors.ts). */
export const descriptorSides = ["clients", "upstreams"] as const;
export type DescriptorSide = (typeof descriptorSides)[number];

/** The numbers of one cluster or listener in shared memory, by `limited`. */
export interface SharedCounts {
  /** In use by all threads. */
  readonly all: Int32Array;
  /** The part of this thread: what has to be given back for it when it dies. */
  readonly own: Int32Array;
}

/** Where a limited cluster, and every listener, counts together with the other threads of the process. */
export interface SharedLimits {
  /** Equal names give equal memory. */
  countsOf(cluster: string): SharedCounts;
  countsOfListener(listener: string): SharedCounts;
  countsOfDescriptors(side: DescriptorSide): SharedCounts;
  /** Connections to that listener by the client's address. */
  sourcesOf(listener: string): SourceCounts;
}

/** Whether any limit of a cluster is finite. */
export function isLimited({ maxConnections, maxPendingRequests, maxRequests, maxRetries }: ClusterSpec): boolean {
  return Math.min(maxConnections, maxPendingRequests, maxRequests, maxRetries) < unlimited;
}

export class Usage {
  readonly #own = new Int32Array(limitedCount);
  #shared: SharedCounts | null = null;

  get shared(): boolean {
    return this.#shared !== null;
  }

  /** Of this thread. */
  inUse(kind: Limited): number {
    return this.#own[kind]!;
  }

  /** Takes one, unless `limit` are taken. What was taken must be given back exactly once. */
  take(kind: Limited, limit: number): boolean {
    if (this.#shared === null) {
      if (this.#own[kind]! >= limit) return false;
    } else if (!takeShared(this.#shared, kind, limit)) {
      return false;
    }
    this.#own[kind]!++;
    return true;
  }

  giveBack(kind: Limited): void {
    this.#own[kind]!--;
    if (this.#shared === null) return;
    this.#shared.own[kind]!--;
    Atomics.sub(this.#shared.all, kind, 1);
  }

  /** Whether an exchange of any thread waits for a connection; only where threads share. */
  get contended(): boolean {
    return this.#shared !== null && Atomics.load(this.#shared.all, limited.pending) > 0;
  }

  /** Exchanges of other threads that wait for a connection. */
  get waitingElsewhere(): number {
    if (this.#shared === null) return 0;
    return Math.max(0, Atomics.load(this.#shared.all, limited.pending) - this.#own[limited.pending]!);
  }

  /** Counts with the other threads from now on, or alone again (null). What is in use moves along. */
  share(counts: SharedCounts | null): void {
    if (counts === this.#shared) return;
    if (this.#shared !== null) addTo(this.#shared, this.#own, -1);
    if (counts !== null) addTo(counts, this.#own, 1);
    this.#shared = counts;
  }
}

function takeShared({ all, own }: SharedCounts, kind: Limited, limit: number): boolean {
  for (;;) {
    const inUse = Atomics.load(all, kind);
    if (inUse >= limit) return false;
    if (Atomics.compareExchange(all, kind, inUse, inUse + 1) === inUse) break;
  }
  own[kind]!++;
  return true;
}

function addTo({ all, own }: SharedCounts, numbers: Int32Array, sign: 1 | -1): void {
  for (const [kind, number] of numbers.entries()) {
    Atomics.add(all, kind, sign * number);
    own[kind]! += sign * number;
  }
}
