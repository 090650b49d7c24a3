// SPDX-License-Identifier: Apache-2.0
// The running proxy of one thread: takes snapshots, reconciles listeners and clusters with them, drains. Requests
// themselves are the pipeline's.

import { Deadlines, formatHostPort, messageOf, type Cancel } from "../core/index.ts";
import type { EndpointSnapshot, ListenerSpec, RetryPolicy, RoutingSnapshot } from "../model/index.ts";
import { compileRouteTable, type RouteTable } from "../router/index.ts";
import type { ClusterStatus, ListenerStatus, Sample } from "../telemetry/port.ts";
import { Cluster } from "./cluster.ts";
import { CoarseTime } from "./coarse-time.ts";
import { Descriptors } from "./descriptors.ts";
import { DnsResolution } from "./dns.ts";
import type { DownstreamConnection } from "./downstream-connection.ts";
import { messageState, type Exchange } from "./exchange.ts";
import { Listener } from "./listener.ts";
import type { DataPlaneDeps, DataPlaneOptions } from "./options.ts";
import { Overload } from "./overload.ts";
import { Pipeline } from "./pipeline.ts";
import type { RetryRules } from "./retry.ts";
import { bindAction, type BoundAction } from "./route-binding.ts";
import { clusterStatus } from "./status.ts";
import { DataPlaneStats, dataPlaneSamples } from "./stats.ts";
import { isLimited } from "./usage.ts";

const sweepMs = 1_000;
/**
 * A connection that was in use in the last second may carry its next request already: that one is answered as the last.
 * The other second is what coarse time may be behind.
 */
const lastRequestGraceMs = 1_000 + sweepMs;
/** How often a thread looks whether others wait for connections of a cluster whose limits they share. */
const contentionCheckMs = 20;

export interface DrainResult {
  /** Exchanges that were still in flight at the deadline and were cut off. */
  readonly abandoned: number;
}

export interface DataPlane {
  /** Routes by `snapshot` from now on. Listeners that cannot bind are reported by `listeners()`; the others serve. */
  applyRouting(snapshot: RoutingSnapshot): Promise<void>;
  applyEndpoints(snapshot: EndpointSnapshot): void;
  listeners(): readonly ListenerStatus[];
  clusters(): readonly ClusterStatus[];
  samples(): readonly Sample[];
  /** Whether requests are in flight on the thread that asks. */
  isBusy(): boolean;
  /** Stops accepting, lets exchanges finish, closes idle connections; cuts off what is left after `deadlineMs`. */
  drain(deadlineMs: number): Promise<DrainResult>;
  /** Ends everything at once. */
  stop(): Promise<void>;
}

export function createDataPlane(deps: DataPlaneDeps, options: DataPlaneOptions): DataPlane {
  return new NodeDataPlane(deps, options);
}

class NodeDataPlane implements DataPlane {
  readonly #deps: DataPlaneDeps;
  readonly #options: DataPlaneOptions;
  readonly #stats = new DataPlaneStats();
  readonly #overload: Overload;
  readonly #descriptors: Descriptors;
  readonly #deadlines: Deadlines;
  readonly #coarse: CoarseTime;
  readonly #pipeline: Pipeline;
  readonly #listeners = new Map<string, Listener>();
  /** Gone from the configuration, connections still open. */
  readonly #closing = new Set<Listener>();
  readonly #clusters = new Map<string, Cluster>();
  readonly #dns = new Map<string, DnsResolution>();
  /** Of the newest snapshot. */
  #tables: ReadonlyMap<string, RouteTable<BoundAction>> = new Map();
  #endpoints: EndpointSnapshot = { version: "", endpoints: new Map() };
  #cancelSweep: Cancel | null = null;
  /** Runs only while there are clusters whose limits are shared. */
  #cancelContentionCheck: Cancel | null = null;
  /** Bindings happen one snapshot after the other. */
  #applying: Promise<void> = Promise.resolve();

  constructor(deps: DataPlaneDeps, options: DataPlaneOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#deadlines = new Deadlines(deps.clock);
    this.#coarse = new CoarseTime(deps.clock);
    this.#overload = new Overload(deps, options.memoryBytes, deps.logger);
    this.#descriptors = new Descriptors(options.descriptorsPerSide, deps.sharedLimits);
    this.#pipeline = new Pipeline(deps, options, {
      deadlines: this.#deadlines,
      coarse: this.#coarse,
      stats: this.#stats,
      overload: this.#overload,
      descriptors: this.#descriptors,
      clusters: this.#clusters,
    });
  }

  applyRouting(snapshot: RoutingSnapshot): Promise<void> {
    this.#cancelSweep ??= this.#deps.clock.every(sweepMs, () => this.#sweep());
    if (snapshot.leaving === true) this.#pipeline.drain();
    this.#reconcileClusters(snapshot);
    const tables = new Map<string, RouteTable<BoundAction>>();
    this.#tables = tables;
    const retryRules = new Map<RetryPolicy, RetryRules>();
    for (const [name, spec] of snapshot.routeTables) {
      tables.set(
        name,
        compileRouteTable(spec, (route) => bindAction(route.action, this.#clusters, retryRules)),
      );
    }
    for (const spec of snapshot.listeners) this.#listeners.get(spec.name)?.setTables(tablesOf(spec, tables));
    this.#applying = this.#applying.then(() => this.#reconcileListeners(snapshot));
    return this.#applying;
  }

  applyEndpoints(snapshot: EndpointSnapshot): void {
    this.#endpoints = snapshot;
    for (const cluster of this.#clusters.values()) this.#updateEndpoints(cluster);
  }

  listeners(): readonly ListenerStatus[] {
    return [...this.#listeners.values()].map((listener) => ({
      name: listener.name,
      address: listener.address,
      port: listener.port,
      configuredPort: listener.configuredPort,
      role: listener.role,
      connectionsActive: listener.connections.size,
      error: listener.error,
    }));
  }

  clusters(): readonly ClusterStatus[] {
    return [...this.#clusters.values()].map(clusterStatus);
  }

  samples(): readonly Sample[] {
    return [
      ...dataPlaneSamples(
        this.#stats,
        this.#overload,
        this.#deadlines.size,
        this.#listeners.values(),
        this.#clusters.values(),
      ),
      ...this.#deps.transport.samples(),
    ];
  }

  isBusy(): boolean {
    return this.#stats.exchangesActive > 0;
  }

  async drain(deadlineMs: number): Promise<DrainResult> {
    this.#pipeline.drain();
    await this.#applying;
    const { promise: deadline, resolve: onDeadline } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(deadlineMs, onDeadline);
    const listeners = [...this.#closing, ...this.#listeners.values()];
    // The one that was opened first, and is relied on most, goes last.
    for (const listener of listeners.toReversed()) await listener.close();
    this.#sweep();
    await Promise.race([deadline, Promise.all(listeners.map(({ ended }) => ended))]);
    cancel();
    const abandoned = this.#stats.exchangesActive;
    for (const { exchange } of this.#allConnections()) if (exchange !== null) this.#pipeline.onDrainDeadline(exchange);
    await this.stop();
    return { abandoned };
  }

  async stop(): Promise<void> {
    this.#pipeline.drain();
    await this.#applying;
    this.#cancelSweep?.();
    this.#cancelSweep = null;
    this.#cancelContentionCheck?.();
    this.#cancelContentionCheck = null;
    const listeners = [...this.#listeners.values(), ...this.#closing];
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const connection of this.#allConnections()) connection.destroy(false);
    for (const resolution of this.#dns.values()) resolution.stop();
    for (const cluster of this.#clusters.values()) cluster.retire();
    await Promise.all(listeners.map(({ ended }) => ended));
  }

  #reconcileClusters(snapshot: RoutingSnapshot): void {
    for (const [name, cluster] of this.#clusters) {
      const spec = snapshot.clusters.get(name);
      // A cluster that turns from addresses to names, or back, starts anew.
      if (spec !== undefined && spec.discovery === cluster.spec.discovery) continue;
      this.#dns.get(name)?.stop();
      this.#dns.delete(name);
      cluster.retire();
      this.#clusters.delete(name);
    }
    for (const [name, spec] of snapshot.clusters) {
      const known = this.#clusters.get(name);
      if (known !== undefined) {
        known.updateSpec(spec);
        continue;
      }
      const cluster = new Cluster(spec, this.#deps.random);
      this.#clusters.set(name, cluster);
      this.#updateEndpoints(cluster);
    }
    this.#shareLimits();
  }

  #shareLimits(): void {
    const { clock, sharedLimits } = this.#deps;
    if (sharedLimits === null) return;
    let sharing = false;
    for (const [name, cluster] of this.#clusters) {
      cluster.usage.share(isLimited(cluster.spec) ? sharedLimits.countsOf(name) : null);
      sharing ||= cluster.usage.shared;
    }
    if (sharing) {
      this.#cancelContentionCheck ??= clock.every(contentionCheckMs, () => {
        for (const cluster of this.#clusters.values()) this.#pipeline.shareConnections(cluster);
      });
    } else {
      this.#cancelContentionCheck?.();
      this.#cancelContentionCheck = null;
    }
  }

  #updateEndpoints(cluster: Cluster): void {
    const { name, discovery } = cluster.spec;
    const specs = this.#endpoints.endpoints.get(name) ?? [];
    if (discovery === "static") {
      cluster.updateEndpoints(specs);
      return;
    }
    let resolution = this.#dns.get(name);
    if (resolution === undefined) {
      resolution = new DnsResolution(this.#deps, cluster, this.#options.dnsRefreshMs);
      this.#dns.set(name, resolution);
    }
    resolution.update(specs);
  }

  async #reconcileListeners(snapshot: RoutingSnapshot): Promise<void> {
    const wanted = new Map(snapshot.listeners.map((spec) => [spec.name, spec]));
    for (const [name, listener] of this.#listeners) {
      if (wanted.has(name)) continue;
      this.#listeners.delete(name);
      this.#closing.add(listener);
      // Whoever comes next may want the same port on other addresses.
      await listener.close();
      void listener.ended.then(() => this.#closing.delete(listener));
      this.#deps.logger.info("listener removed", { listener: name });
    }
    for (const spec of wanted.values()) {
      let listener = this.#listeners.get(spec.name);
      if (listener?.listening === true) continue;
      listener ??= this.#listenerOf(spec);
      // Newer ones may have come while another listener was being bound.
      listener.setTables(tablesOf(spec, this.#tables));
      this.#listeners.set(spec.name, listener);
      await this.#open(listener, spec);
    }
  }

  #listenerOf(spec: ListenerSpec): Listener {
    const { sharedLimits } = this.#deps;
    return new Listener(spec, this.#options, sharedLimits, this.#descriptors, this.#coarse, this.#pipeline);
  }

  async #open(listener: Listener, spec: ListenerSpec): Promise<void> {
    if (this.#pipeline.draining) return;
    const mapped = this.#options.portMap.get(spec.port);
    const host = mapped?.host || spec.bind || this.#options.defaultBind;
    const wanted = mapped?.port ?? spec.port;
    const port = wanted === 0 ? (this.#options.boundPorts.get(spec.name) ?? 0) : wanted;
    try {
      await listener.open(this.#deps.transport, host, port);
      listener.error = null;
      this.#deps.logger.info("listening", {
        listener: spec.name,
        address: formatHostPort(listener.address, listener.port),
      });
    } catch (error) {
      listener.error = `cannot listen on ${formatHostPort(host === "" ? "*" : host, port)}: ${messageOf(error)}`;
      this.#deps.logger.error("cannot listen", { listener: spec.name, host, port, reason: messageOf(error) });
    }
  }

  #sweep(): void {
    this.#coarse.tick();
    this.#overload.look();
    const nowMs = this.#coarse.nowMs;
    for (const cluster of this.#clusters.values()) this.#pipeline.sweepUpstreams(cluster, nowMs);
    for (const connection of this.#allConnections()) this.#sweepDownstream(connection, nowMs);
  }

  #sweepDownstream(connection: DownstreamConnection, nowMs: number): void {
    const exchange = connection.exchange;
    const quietMs = nowMs - connection.activeAtMs;
    if (exchange === null && connection.connection.queuedBytes > 0) {
      // Answers that nobody reads: an orderly close would wait for ever to flush them.
      if (quietMs < this.#options.streamIdleTimeoutMs) return;
      this.#pipeline.onLimit("stream-idle-timeout");
      connection.destroy(true);
    } else if (connection.lingering) {
      // Coarse time may be a sweep behind, and the client must have all of the time it was promised.
      if (connection.closed || quietMs < this.#options.lingerMs + sweepMs) return;
      this.#pipeline.onLimit("linger-timeout");
      connection.destroy(false);
    } else if (exchange === null) {
      const isLeaving = this.#pipeline.draining || !connection.listener.listening;
      const limitMs = isLeaving ? lastRequestGraceMs : this.#options.downstreamIdleTimeoutMs;
      if (connection.closed || quietMs < limitMs) return;
      if (!isLeaving) this.#pipeline.onLimit("idle-timeout");
      connection.close();
    } else {
      this.#sweepExchange(exchange, nowMs - exchange.startedMs, quietMs);
    }
  }

  #sweepExchange(exchange: Exchange, ageMs: number, quietMs: number): void {
    const { requestHeaderTimeoutMs, requestTimeoutMs, streamIdleTimeoutMs } = this.#options;
    const inHead = exchange.requestState === messageState.head;
    if (inHead && ageMs >= requestHeaderTimeoutMs) {
      this.#pipeline.onHeadTimeout(exchange);
    } else if (exchange.requestState !== messageState.done && !exchange.responseStarted && ageMs >= requestTimeoutMs) {
      this.#pipeline.onRequestTimeout(exchange);
    } else if (!inHead && quietMs >= streamIdleTimeoutMs) {
      this.#pipeline.onStreamIdle(exchange);
    }
  }

  *#allConnections(): Generator<DownstreamConnection> {
    for (const listener of this.#listeners.values()) yield* listener.connections;
    for (const listener of this.#closing) yield* listener.connections;
  }
}

function tablesOf(
  spec: ListenerSpec,
  tables: ReadonlyMap<string, RouteTable<BoundAction>>,
): ReadonlyMap<number, RouteTable<BoundAction>> {
  const result = new Map<number, RouteTable<BoundAction>>();
  for (const [port, name] of spec.tables) {
    const table = tables.get(name);
    if (table !== undefined) result.set(port, table);
  }
  return result;
}
