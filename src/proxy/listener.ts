// SPDX-License-Identifier: Apache-2.0
// One bound address: the route tables in force there and the connections it accepted.

import { portOf, type RouteTable, type VirtualHost } from "../router/index.ts";
import type { ListenerSpec } from "../model/index.ts";
import type { CoarseTime } from "./coarse-time.ts";
import { DownstreamConnection, type DownstreamEvents } from "./downstream-connection.ts";
import type { DataPlaneOptions } from "./options.ts";
import type { BoundAction } from "./route-binding.ts";
import type { Connection, ConnectionHandler, Transport, TransportListener } from "./transport/transport.ts";

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
  /** Connections by the client's address; empty unless they are limited. */
  readonly #perSource = new Map<string, number>();

  constructor(spec: ListenerSpec, options: DataPlaneOptions, coarse: CoarseTime, events: DownstreamEvents) {
    this.name = spec.name;
    this.role = spec.role;
    this.configuredPort = spec.port;
    this.options = options;
    this.coarse = coarse;
    this.#events = events;
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
    this.#bound = await transport.listen(
      {
        host,
        port,
        backlog: this.options.backlog,
        reusePort: this.options.reusePort,
        onAcceptError: () => {
          this.acceptErrors++;
        },
      },
      (connection) => this.#accept(connection),
    );
    this.#ended = this.#bound.ended;
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
    if (this.options.maxConnectionsPerSource === Infinity) return;
    const source = downstream.connection.remoteAddress;
    const left = this.#perSource.get(source)! - 1;
    if (left === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, left);
  }

  #accept(connection: Connection): ConnectionHandler | null {
    const { maxConnections, maxConnectionsPerSource } = this.options;
    if (this.connections.size >= maxConnections) {
      this.#events.onLimit("connections");
      return null;
    }
    if (maxConnectionsPerSource !== Infinity) {
      const source = connection.remoteAddress;
      const count = this.#perSource.get(source) ?? 0;
      if (count >= maxConnectionsPerSource) {
        this.#events.onLimit("connections-per-source");
        return null;
      }
      this.#perSource.set(source, count + 1);
    }
    const downstream = new DownstreamConnection(connection, this, this.#events, this.coarse.nowMs);
    this.connections.add(downstream);
    this.connectionsTotal++;
    return downstream;
  }
}
