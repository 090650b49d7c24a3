// SPDX-License-Identifier: Apache-2.0
// The process's file descriptors, divided in advance: clients' connections may take half of them, because the request of
// each may need an upstream connection. Without that the kernel would refuse whoever comes first; and a connection that
// cannot be accepted is dropped by Node without a word or a number.

import { limited, Usage, type SharedLimits } from "./usage.ts";

/** Counts for all threads together. */
export class Descriptors {
  readonly #perSide: number;
  readonly #clients = new Usage();
  readonly #upstreams = new Usage();

  /** `perSide`: for clients' connections to all listeners, and as many for upstream connections. */
  constructor(perSide: number, sharedLimits: SharedLimits | null) {
    this.#perSide = perSide;
    this.#clients.share(sharedLimits?.countsOfDescriptors("clients") ?? null);
    this.#upstreams.share(sharedLimits?.countsOfDescriptors("upstreams") ?? null);
  }

  /** False: no more clients. What was taken must be given back once. */
  takeClient(): boolean {
    return this.#clients.take(limited.connections, this.#perSide);
  }

  giveBackClient(): void {
    this.#clients.giveBack(limited.connections);
  }

  /** Takes one in any case: whoever is in flight is not refused for want of it. False: another should be given back. */
  takeUpstream(): boolean {
    const isWithin = this.#upstreams.take(limited.connections, this.#perSide);
    if (!isWithin) this.#upstreams.take(limited.connections, Infinity);
    return isWithin;
  }

  giveBackUpstream(): void {
    this.#upstreams.giveBack(limited.connections);
  }
}
