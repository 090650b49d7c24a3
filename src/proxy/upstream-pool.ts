// SPDX-License-Identifier: Apache-2.0
// Finds each attempt a connection: the most recently used idle one, a new one, or a place in the queue when the
// cluster is at its limit.

import type { Deadlines } from "../core/index.ts";
import type { Cluster } from "./cluster.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Exchange } from "./exchange.ts";
import type { Transport } from "./transport/transport.ts";
import { UpstreamConnection, type UpstreamEvents } from "./upstream-connection.ts";
import { limited } from "./usage.ts";

/** `ready`: send now. `waiting`: onUpstreamReady will come. `overflow`: the queue is full. */
export type Acquisition = "ready" | "waiting" | "overflow";

/** Subtracted from an endpoint's announced keep-alive time, so that we close first (AWS, nginx and Node all race here). */
const idleGuardMs = 1_000;

/** How long a thread may go on using a connection while other threads wait for its place. */
const turnMs = 50;

export interface UpstreamPoolParts {
  readonly deadlines: Deadlines;
  readonly descriptors: Descriptors;
  /** Whose idle connections make room when descriptors are scarce. */
  readonly clusters: ReadonlyMap<string, Cluster>;
}

export class UpstreamPool {
  readonly #transport: Transport;
  readonly #events: UpstreamEvents;
  readonly #parts: UpstreamPoolParts;
  readonly #maxIdle: number;

  constructor(transport: Transport, events: UpstreamEvents, parts: UpstreamPoolParts, maxIdlePerEndpoint: number) {
    this.#transport = transport;
    this.#events = events;
    this.#parts = parts;
    this.#maxIdle = maxIdlePerEndpoint;
  }

  /** Gives `exchange` a connection to its endpoint, or queues it. */
  acquire(exchange: Exchange, cluster: Cluster, endpoint: Endpoint): Acquisition {
    if (!exchange.wantsFreshConnection) {
      const idle = this.#takeIdle(endpoint, exchange.upstreamStartedMs);
      if (idle !== undefined) {
        idle.take(exchange);
        return "ready";
      }
    }
    // Where threads share the limit, whoever waits longer comes first.
    if (cluster.usage.contended || !this.#takeConnection(cluster)) {
      if (!cluster.usage.take(limited.pending, cluster.spec.maxPendingRequests)) return "overflow";
      exchange.waitsForConnection = true;
      cluster.pending.push(exchange);
      return "waiting";
    }
    this.#connect(exchange, cluster, endpoint);
    return "waiting";
  }

  /** Takes back a connection whose exchange ended cleanly. */
  release(connection: UpstreamConnection, nowMs: number): void {
    const { cluster, endpoint } = connection;
    connection.exchange = null;
    connection.exchanges++;
    const limit = cluster.spec.maxRequestsPerConnection;
    const spent = limit > 0 && connection.exchanges >= limit;
    const unwanted = spent || endpoint.retired || connection.closed || endpoint.idle.length >= this.#maxIdle;
    if (unwanted || mustYield(connection, nowMs)) {
      connection.close();
      return;
    }
    // The client may have been found slow within the very bytes that ended its response.
    connection.resume();
    connection.idleSinceMs = nowMs;
    endpoint.idle.push(connection);
    if (cluster.pending.length > 0) this.#servePending(cluster);
  }

  /** A slot of the cluster became free. */
  onReleased(cluster: Cluster): void {
    this.#parts.descriptors.giveBackUpstream();
    // While other threads wait too, a free place is for whoever looks first (shareConnections).
    if (cluster.pending.length > 0 && cluster.usage.waitingElsewhere === 0) this.#servePending(cluster);
  }

  /**
   * Called every few milliseconds. Where threads share a cluster's limit: closes idle connections that others wait
   * for, and serves what waits here when a place has become free.
   */
  shareConnections(cluster: Cluster): void {
    if (!cluster.usage.shared) return;
    let wanted = cluster.usage.waitingElsewhere;
    for (const endpoint of cluster.endpoints) {
      for (; wanted > 0 && endpoint.idle.length > 0; wanted--) endpoint.idle.shift()!.close();
    }
    if (cluster.pending.length > 0) this.#servePending(cluster);
  }

  /** Forgets an exchange that no longer wants a connection. */
  cancel(exchange: Exchange): void {
    if (!exchange.waitsForConnection) return;
    exchange.waitsForConnection = false;
    const pending = exchange.cluster!.pending;
    const index = pending.indexOf(exchange);
    if (index < 0) return;
    pending.splice(index, 1);
    exchange.cluster!.usage.giveBack(limited.pending);
  }

  /** Closes connections that have been idle too long. Oldest first, so one look per endpoint is enough. */
  sweep(cluster: Cluster, nowMs: number): void {
    const limitMs = cluster.spec.idleTimeoutMs;
    for (const endpoint of cluster.endpoints) {
      for (const connection of [...endpoint.idle]) {
        const overLimit = limitMs > 0 && nowMs - connection.idleSinceMs >= limitMs;
        if (overLimit || isOverHint(connection, nowMs)) connection.close();
      }
    }
  }

  /** The most recently used idle connection, unless its endpoint is about to close it: the sweep looks only now and then. */
  #takeIdle(endpoint: Endpoint, nowMs: number): UpstreamConnection | undefined {
    for (;;) {
      const idle = endpoint.idle.pop();
      if (idle === undefined || idle.idleLimitMs < 0 || !isOverHint(idle, nowMs)) return idle;
      idle.close();
    }
  }

  #connect(exchange: Exchange, cluster: Cluster, endpoint: Endpoint): void {
    const { descriptors, deadlines } = this.#parts;
    if (!descriptors.takeUpstream()) this.#closeOldestIdle();
    const connection = new UpstreamConnection(cluster, endpoint, this.#events, deadlines);
    connection.exchange = exchange;
    exchange.upstream = connection;
    connection.open(this.#transport);
  }

  #servePending(cluster: Cluster): void {
    while (cluster.pending.length > 0) {
      const exchange = cluster.pending[0]!;
      const endpoint = exchange.endpoint!;
      const idle = endpoint.idle.pop();
      if (idle === undefined && !this.#takeConnection(cluster)) return;
      cluster.pending.shift();
      cluster.usage.giveBack(limited.pending);
      exchange.waitsForConnection = false;
      if (idle === undefined) {
        this.#connect(exchange, cluster, endpoint);
        continue;
      }
      idle.take(exchange);
      this.#events.onUpstreamReady(exchange);
    }
  }

  /** A place for one more connection. */
  #takeConnection(cluster: Cluster): boolean {
    return takeFree(cluster) || this.#evictIdle(cluster);
  }

  /** Of any cluster. Without one the connect is tried all the same: the kernel has the last word. */
  #closeOldestIdle(): void {
    let oldest: UpstreamConnection | undefined;
    for (const cluster of this.#parts.clusters.values()) {
      for (const { idle } of cluster.endpoints) {
        const [first] = idle;
        if (first !== undefined && (oldest === undefined || first.idleSinceMs < oldest.idleSinceMs)) oldest = first;
      }
    }
    oldest?.close();
  }

  /** At the limit an idle connection to another endpoint makes room for a wanted one. */
  #evictIdle(cluster: Cluster): boolean {
    for (const endpoint of cluster.endpoints) {
      const oldest = endpoint.idle[0];
      if (oldest === undefined) continue;
      endpoint.idle.shift();
      oldest.close();
      return takeFree(cluster);
    }
    return false;
  }
}

function isOverHint(connection: UpstreamConnection, nowMs: number): boolean {
  const limitMs = connection.idleLimitMs;
  return limitMs >= 0 && nowMs - connection.idleSinceMs >= Math.max(0, limitMs - idleGuardMs);
}

function takeFree({ usage, spec }: Cluster): boolean {
  return usage.take(limited.connections, spec.maxConnections);
}

/** Whether a connection has to make room for other threads: at once when nobody waits here, else after a while. */
function mustYield(connection: UpstreamConnection, nowMs: number): boolean {
  const { cluster } = connection;
  if (cluster.usage.waitingElsewhere === 0) {
    connection.contendedSinceMs = -1;
    return false;
  }
  if (connection.contendedSinceMs < 0) connection.contendedSinceMs = nowMs;
  return cluster.pending.length === 0 || nowMs - connection.contendedSinceMs >= turnMs;
}
