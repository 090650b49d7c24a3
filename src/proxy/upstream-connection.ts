// SPDX-License-Identifier: Apache-2.0
// One connection to an endpoint: connecting, busy with one exchange, idle in the pool, or closed. It knows no HTTP; the
// pipeline does.

import { Deadline, formatHostPort, type Deadlines, type ErrorCode } from "../core/index.ts";
import type { ByteRange } from "../telemetry/port.ts";
import { asciiRange } from "./access-log-view.ts";
import type { Cluster } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Exchange } from "./exchange.ts";
import type { Connection, ConnectionHandler, ForwardEvents, Transport } from "./transport/transport.ts";
import { limited } from "./usage.ts";

/** What becomes of a connection; implemented by the pipeline. */
export interface UpstreamEvents {
  onUpstreamReady(exchange: Exchange): void;
  onUpstreamData(exchange: Exchange, connection: UpstreamConnection, bytes: Buffer, from: number, to: number): void;
  /** So many bytes of the answer went on unseen. */
  onUpstreamForwarded(exchange: Exchange, bytes: number): void;
  onUpstreamDrain(exchange: Exchange): void;
  onUpstreamEnd(exchange: Exchange): void;
  onUpstreamClosed(exchange: Exchange, connection: UpstreamConnection, error: Error | null): void;
  /** It is of no use to the exchange, for a reason of the connection's own. */
  onUpstreamUnusable(exchange: Exchange, code: ErrorCode, reason: string): void;
  /** The connection no longer counts against its cluster. */
  onUpstreamReleased(connection: UpstreamConnection): void;
  onBug(exchange: Exchange | null, error: unknown): void;
}

export class UpstreamConnection implements ConnectionHandler, ForwardEvents {
  readonly cluster: Cluster;
  readonly endpoint: Endpoint;
  /** INVARIANT: not null exactly while an exchange uses the connection or waits for it to be established. */
  exchange: Exchange | null = null;
  connected = false;
  /** `send` returned false and onDrain is still to come. */
  blocked = false;
  /** Exchanges it has completed; more than zero means it was kept alive. */
  exchanges = 0;
  idleSinceMs = 0;
  /** Since when it is kept although other threads wait for its place, or -1. */
  contendedSinceMs = -1;
  /** The endpoint's own `Keep-Alive: timeout`, or -1. */
  idleLimitMs = -1;
  readonly #events: UpstreamEvents;
  readonly #deadlines: Deadlines;
  readonly #connectDeadline: Deadline;
  #transport: Transport | null = null;
  #connection: Connection | null = null;
  /** The batch of events in which it was taken out of the pool, until something is received; else -1. */
  #takenInBatch = -1;
  /** Inside onData. */
  #receiving = false;
  #paused = false;
  #released = false;
  #localText: ByteRange | null = null;

  constructor(cluster: Cluster, endpoint: Endpoint, events: UpstreamEvents, deadlines: Deadlines) {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.#events = events;
    this.#deadlines = deadlines;
    this.#connectDeadline = new Deadline(() => {
      if (this.exchange === null) return;
      this.#events.onUpstreamUnusable(this.exchange, "CONNECT_TIMEOUT", "connect timeout");
    });
  }

  get connection(): Connection {
    return this.#connection!;
  }

  /** `address:port` of our end; made once, for the access log. null: our end of a Unix socket has no name. */
  get localText(): ByteRange | null {
    if (this.endpoint.port === 0) return null;
    return (this.#localText ??= asciiRange(formatHostPort(this.connection.localAddress, this.connection.localPort)));
  }

  get closed(): boolean {
    return this.#released;
  }

  /** Begins to connect. Its place among the cluster's connections is taken already. */
  open(transport: Transport): void {
    this.endpoint.connectionsActive++;
    this.endpoint.connectionsTotal++;
    if (this.cluster.spec.connectTimeoutMs > 0) {
      this.#deadlines.schedule(this.#connectDeadline, this.cluster.spec.connectTimeoutMs);
    }
    this.#transport = transport;
    this.#connection = transport.connect({ host: this.endpoint.address, port: this.endpoint.port }, this);
  }

  /** An exchange takes it out of the pool. */
  take(exchange: Exchange): void {
    this.exchange = exchange;
    exchange.upstream = this;
    // Its own answer ended just now: what is read next may have been sent later than the next request.
    this.#takenInBatch = this.#receiving ? -1 : this.#transport!.batch();
  }

  /** Stops reading while the client cannot take more. */
  pause(): void {
    this.#paused = true;
    this.#connection!.pause();
  }

  /** The next `bytes` bytes are for `to`, and need not be seen. */
  forward(to: Connection, bytes: number): void {
    this.#connection!.forward(to, bytes, this);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection!.resume();
  }

  /** Orderly close of a connection nobody uses. */
  close(): void {
    this.exchange = null;
    this.#release();
    this.#connection?.close();
  }

  /** Drops the connection at once; its state is in doubt or nobody waits for it any more. */
  discard(): void {
    this.exchange = null;
    this.#release();
    this.#connection?.destroy(this.connected);
  }

  onConnect(): void {
    this.#deadlines.cancel(this.#connectDeadline);
    if (this.#released) return;
    this.connected = true;
    if (this.exchange === null) return;
    this.#guarded(() => this.#events.onUpstreamReady(this.exchange!));
  }

  onData(bytes: Buffer, from: number, to: number): void {
    const exchange = this.exchange;
    if (exchange === null) {
      // Bytes nobody asked for: a late or poisoned response. Never to be mistaken for the next one's.
      this.discard();
      return;
    }
    this.#receiving = true;
    try {
      if (this.#takenInBatch >= 0 && this.#isStale()) this.#onStale(exchange);
      else this.#events.onUpstreamData(exchange, this, bytes, from, to);
    } catch (error) {
      this.#events.onBug(this.exchange, error);
    }
    this.#receiving = false;
  }

  onForwarded(bytes: number): void {
    this.#receiving = true;
    this.#guarded(() => this.#events.onUpstreamForwarded(this.exchange!, bytes));
    this.#receiving = false;
  }

  onDrain(): void {
    this.blocked = false;
    if (this.exchange !== null) this.#guarded(() => this.#events.onUpstreamDrain(this.exchange!));
  }

  onEnd(): void {
    if (this.exchange === null) this.close();
    else this.#guarded(() => this.#events.onUpstreamEnd(this.exchange!));
  }

  onClose(error: Error | null): void {
    const exchange = this.exchange;
    this.exchange = null;
    this.#release();
    if (exchange !== null) this.#guarded(() => this.#events.onUpstreamClosed(exchange, this, error));
  }

  /** Received before the request was sent, although it is read only now (response queue poisoning). */
  #isStale(): boolean {
    const isStale = this.#takenInBatch === this.#transport!.batch();
    this.#takenInBatch = -1;
    return isStale;
  }

  #onStale(exchange: Exchange): void {
    this.#events.onUpstreamUnusable(exchange, "UPSTREAM_PROTOCOL_ERROR", "bytes on an idle connection");
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#deadlines.cancel(this.#connectDeadline);
    this.endpoint.connectionsActive--;
    this.cluster.usage.giveBack(limited.connections);
    const index = this.endpoint.idle.indexOf(this);
    if (index >= 0) this.endpoint.idle.splice(index, 1);
    this.#events.onUpstreamReleased(this);
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#events.onBug(this.exchange, error);
    }
  }
}
