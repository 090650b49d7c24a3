// SPDX-License-Identifier: Apache-2.0
// One bound address: the route tables in force there and the connections it accepted.

import { portOf, type RouteTable, type VirtualHost } from "../router/index.ts";
import type { ListenerSpec } from "../model/index.ts";
import type { CoarseTime } from "./coarse-time.ts";
import type { Descriptors } from "./descriptors.ts";
import { DownstreamConnection, type DownstreamEvents } from "./downstream-connection.ts";
import type { DataPlaneOptions } from "./options.ts";
import type { BoundAction } from "./route-binding.ts";
import { OwnSourceCounts, type SourceCounts } from "./source-counts.ts";
import type { Connection, ConnectionHandler, Transport, TransportListener } from "./transport/transport.ts";
import { limited, Usage, type SharedLimits } from "./usage.ts";

const httpPort = 80;

export class Listener {
  readonly name: string;
  readonly role: "gateway" | "mesh";
  readonly configuredPort: number;
  readonly options: DataPlaneOptions;
  readonly coarse: CoarseTime;
  readonly connections = new Set<DownstreamConnection>();
  connectionsTotal = 0;
  acceptErrors = 0;
  /** Why it is not bound, or null. */
  error: string | null = null;
  readonly #events: DownstreamEvents;
  #bound: TransportListener | null = null;
  #closing: Promise<void> | null = null;
  #ended: Promise<void> = Promise.resolve();
  #tables: ReadonlyMap<number, RouteTable<BoundAction>> = new Map();
  #onlyTable: RouteTable<BoundAction> | null = null;
  readonly #usage = new Usage();
  readonly #descriptors: Descriptors;
  /** null unless they are limited. */
  readonly #sources: SourceCounts | null;

  /** `sharedLimits`: where all threads count together what is limited; null = this thread is alone. */
  constructor(
    spec: ListenerSpec,
    options: DataPlaneOptions,
    sharedLimits: SharedLimits | null,
    descriptors: Descriptors,
    coarse: CoarseTime,
    events: DownstreamEvents,
  ) {
    this.name = spec.name;
    this.role = spec.role;
    this.configuredPort = spec.port;
    this.options = options;
    this.coarse = coarse;
    this.#events = events;
    this.#descriptors = descriptors;
    this.#usage.share(sharedLimits?.countsOfListener(spec.name) ?? null);
    const isPerSource = options.maxConnectionsPerSource !== Infinity;
    this.#sources = isPerSource ? (sharedLimits?.sourcesOf(spec.name) ?? new OwnSourceCounts()) : null;
  }

  get address(): string {
    return this.#bound?.address ?? "";
  }

  get port(): number {
    return this.#bound?.port ?? 0;
  }

  get listening(): boolean {
    return this.#bound !== null;
  }

  /** One assignment: requests that are already routed keep what they have. */
  setTables(tables: ReadonlyMap<number, RouteTable<BoundAction>>): void {
    this.#tables = tables;
    this.#onlyTable = this.role === "gateway" ? (tables.get(this.configuredPort) ?? null) : null;
  }

  /** The virtual host of an authority as received, or null. */
  virtualHost(authority: string): VirtualHost<BoundAction> | null {
    const table = this.#onlyTable ?? this.#tables.get(portOf(authority) ?? httpPort);
    return table === undefined ? null : table.host(authority);
  }

  /** Binds. Rejects with the system's error. */
  async open(transport: Transport, host: string, port: number): Promise<void> {
    const { reusePort, takeOver, siblingPorts } = this.options;
    const mayBeTaken = reusePort && !takeOver && port !== 0 && !siblingPorts.has(port);
    const early = mayBeTaken ? await this.#openAlone(transport, host, port) : null;
    this.#bound = await this.#listen(transport, host, port, reusePort);
    this.#ended = early === null ? this.#bound.ended : Promise.all([early.ended, this.#bound.ended]).then(() => {});
  }

  /** Stops accepting; connections live on, each for one more request. Resolves when the port is free. */
  close(): Promise<void> {
    const bound = this.#bound;
    this.#bound = null;
    if (bound !== null) this.#closing = bound.close();
    return this.#closing ?? Promise.resolve();
  }

  /** Resolves when, after `close`, its last connection is gone. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Its connection is closed. */
  forget(downstream: DownstreamConnection): void {
    this.connections.delete(downstream);
    this.#usage.giveBack(limited.connections);
    this.#descriptors.giveBackClient();
    this.#sources?.giveBack(downstream.connection.remoteAddress);
  }

  /**
   * Rejects when anybody listens there. Two processes that share a port by mistake each get half of the connections and no
   * error, so sharing is only for those who ask for it. Only a listener that does not share can tell, and whoever
   * connects to it is a client already. It is closed again.
   */
  async #openAlone(transport: Transport, host: string, port: number): Promise<TransportListener> {
    const alone = await this.#listen(transport, host, port, false);
    await alone.close();
    return alone;
  }

  #listen(transport: Transport, host: string, port: number, reusePort: boolean): Promise<TransportListener> {
    const onAcceptError = (): void => {
      this.acceptErrors++;
    };
    const options = { host, port, backlog: this.options.backlog, reusePort, onAcceptError };
    return transport.listen(options, (connection) => this.#accept(connection));
  }

  #accept(connection: Connection): ConnectionHandler | null {
    const { maxConnections, maxConnectionsPerSource } = this.options;
    if (!this.#usage.take(limited.connections, maxConnections)) {
      this.#events.onLimit("connections");
      return null;
    }
    if (!this.#descriptors.takeClient()) {
      this.#usage.giveBack(limited.connections);
      this.#events.onLimit("connections");
      return null;
    }
    if (this.#sources?.take(connection.remoteAddress, maxConnectionsPerSource) === false) {
      this.#usage.giveBack(limited.connections);
      this.#descriptors.giveBackClient();
      this.#events.onLimit("connections-per-source");
      return null;
    }
    const downstream = new DownstreamConnection(connection, this, this.#events, this.coarse.nowMs);
    this.connections.add(downstream);
    this.connectionsTotal++;
    return downstream;
  }
}
