// SPDX-License-Identifier: Apache-2.0
// A named set of endpoints at run time: who is available, who is chosen, how much may be in flight. Lives as long as
// any snapshot or exchange refers to it, so that pools and counters survive configuration changes.

import type { Random } from "../core/index.ts";
import type { ClusterSpec, EndpointSpec } from "../model/index.ts";
import { createBalancer, type Balancer } from "./balancers.ts";
import { Endpoint } from "./endpoint.ts";
import type { Exchange } from "./exchange.ts";
import { limited, Usage } from "./usage.ts";

/** Endpoints tried before a retry may go to one that has already failed (Envoy hostSelectionRetryMaxAttempts). */
const selectionAttempts = 5;

export class Cluster {
  spec: ClusterSpec;
  /** A DNS cluster whose names have never resolved; tells `no healthy upstream` from `name not found`. */
  resolutionFailed = false;
  /** Names that did not resolve, each time. */
  resolutionFailures = 0;
  /** What of the spec's limits is taken. */
  readonly usage = new Usage();
  /** Exchanges waiting for a connection slot, oldest first. */
  readonly pending: Exchange[] = [];
  readonly #random: Random;
  #balancer: Balancer;
  #endpoints = new Map<string, Endpoint>();
  #available: readonly Endpoint[] = [];

  constructor(spec: ClusterSpec, random: Random) {
    this.spec = spec;
    this.#random = random;
    this.#balancer = createBalancer(spec.loadBalancer, random);
  }

  /** Of this thread. */
  get connectionsActive(): number {
    return this.usage.inUse(limited.connections);
  }

  /** Of this thread. */
  get requestsActive(): number {
    return this.usage.inUse(limited.requests);
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  updateSpec(spec: ClusterSpec): void {
    if (spec.loadBalancer !== this.spec.loadBalancer) {
      this.#balancer = createBalancer(spec.loadBalancer, this.#random);
      this.#balancer.update(this.#available);
    }
    this.spec = spec;
  }

  /** Takes over a new list; endpoints that stay keep their connections and counters. */
  updateEndpoints(specs: readonly EndpointSpec[]): void {
    const next = new Map<string, Endpoint>();
    for (const spec of specs) {
      const fresh = new Endpoint(spec);
      const known = this.#endpoints.get(fresh.key);
      if (known !== undefined) known.update(spec);
      next.set(fresh.key, known ?? fresh);
    }
    for (const [key, endpoint] of this.#endpoints) if (!next.has(key)) endpoint.retire();
    this.#endpoints = next;
    this.#available = [...next.values()].filter((endpoint) => endpoint.ready);
    this.#balancer.update(this.#available);
  }

  /** An available endpoint, avoiding those already tried while others are left; null when there is none. */
  select(tried: readonly Endpoint[]): Endpoint | null {
    if (this.#available.length === 0) return null;
    let endpoint = this.#balancer.select();
    for (let attempt = 1; attempt < selectionAttempts && tried.length > 0 && tried.includes(endpoint); attempt++) {
      endpoint = this.#balancer.select();
    }
    if (!tried.includes(endpoint)) return endpoint;
    return this.#available.find((candidate) => !tried.includes(candidate)) ?? endpoint;
  }

  /**
   * No configuration names it any more: closes what is idle and keeps no connection from now on. What is still routed to
   * it, retries and requests of connections that outlive their listener, finds its endpoints as they were.
   */
  retire(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.retire();
  }
}
