// SPDX-License-Identifier: Apache-2.0
// One listening socket of the ring.

import { rmSync } from "node:fs";
import { lookup } from "node:dns/promises";

import type { Cancel, Clock } from "../../../core/index.ts";
import { familyOf, systemError, type SocketAddress } from "../../../platform/index.ts";
import type { Connection, ConnectionHandler, ListenOptions, TransportListener } from "../transport.ts";
import { UringConnection } from "./uring-connection.ts";
import { operation, type SlotOwner, type UringThread } from "./uring-thread.ts";

type Accept = (connection: Connection) => ConnectionHandler | null;

const eagain = -11;
/** Errors of the one connection that was to be accepted; the next may fare better at once. */
const passing: ReadonlySet<number> = new Set([-4, eagain, -71, -103]);
/** How long nothing is accepted after an error that is likely to come again, such as having no files left. */
const retryAfterMs = 100;

/** Rejects with the system's error. */
export async function listenUring(
  thread: UringThread,
  clock: Clock,
  options: ListenOptions,
  accept: Accept,
): Promise<UringListener> {
  const isAddress = options.host === "" || familyOf(options.host) !== 0;
  const address = isAddress ? options.host : (await lookup(options.host)).address;
  const fd = thread.sockets.openListener({ ...options, address });
  return new UringListener(thread, clock, fd, options, accept);
}

export class UringListener implements TransportListener, SlotOwner {
  readonly ended: Promise<void>;
  readonly #thread: UringThread;
  readonly #clock: Clock;
  readonly #options: ListenOptions;
  readonly #accept: Accept;
  readonly #fd: number;
  readonly #bound: SocketAddress;
  readonly #slot: number;
  readonly #end = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #accepting = false;
  #cancelling = false;
  #closing = false;
  #released = false;
  #connections = 0;
  #cancelRetry: Cancel | null = null;

  constructor(thread: UringThread, clock: Clock, fd: number, options: ListenOptions, accept: Accept) {
    this.#thread = thread;
    this.#clock = clock;
    this.#fd = fd;
    this.#options = options;
    this.#accept = accept;
    this.#bound = thread.sockets.localAddress(fd);
    this.#slot = thread.claim(this);
    thread.ledger?.add(fd);
    this.ended = this.#end.promise;
    this.#arm();
  }

  get address(): string {
    return this.#bound.address;
  }

  get port(): number {
    return this.#bound.port;
  }

  close(): Promise<void> {
    if (this.#closing) return this.#closed.promise;
    this.#closing = true;
    this.#cancelRetry?.();
    if (this.#accepting) {
      this.#cancelling = true;
      this.#thread.ring.cancel(
        this.#id(operation.accept),
        this.#generation,
        this.#id(operation.cancel),
        this.#generation,
      );
    } else {
      this.#thread.later(this);
    }
    return this.#closed.promise;
  }

  onCompletion(kind: number, result: number, hasMore: boolean): void {
    if (kind === operation.cancel) this.#cancelling = false;
    else this.#onAccepted(result, hasMore);
    if (this.#closing && !this.#accepting && !this.#cancelling) this.#thread.later(this);
  }

  afterBatch(): void {
    if (this.#closing) this.#finish();
    else if (!this.#accepting) this.#arm();
  }

  /** One of its connections is gone. */
  onConnectionGone(): void {
    this.#connections--;
    // There is a file again.
    if (this.#cancelRetry !== null && !this.#closing) this.#thread.later(this);
    this.#settle();
  }

  #id(kind: number): number {
    return this.#thread.idOf(this.#slot, kind);
  }

  get #generation(): number {
    return this.#thread.generationOf(this.#slot);
  }

  #arm(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#accepting = true;
    this.#thread.ring.accept(this.#fd, this.#id(operation.accept), this.#generation);
  }

  #onAccepted(result: number, hasMore: boolean): void {
    this.#accepting = hasMore;
    if (result >= 0) {
      this.#take(result);
      if (!hasMore && !this.#closing) this.#arm();
      return;
    }
    if (this.#closing) return;
    this.#options.onAcceptError(systemError("accept", result));
    if (hasMore) return;
    if (passing.has(result)) this.#arm();
    else this.#cancelRetry ??= this.#clock.after(retryAfterMs, () => this.#thread.later(this));
  }

  #take(fd: number): void {
    const connection = new UringConnection(this.#thread, fd, this);
    this.#connections++;
    const handler = this.#accept(connection);
    if (handler === null) {
      this.#connections--;
      connection.refuse();
    } else {
      connection.begin(handler);
    }
  }

  /** Clients that are connected as far as they know are taken in, then the port is free. */
  #finish(): void {
    if (this.#released) return;
    this.#released = true;
    const { sockets } = this.#thread;
    sockets.stopWaiting(this.#fd);
    for (;;) {
      const fd = sockets.acceptNow(this.#fd);
      if (fd >= 0) this.#take(fd);
      else if (fd === eagain) break;
      else {
        this.#options.onAcceptError(systemError("accept", fd));
        if (!passing.has(fd)) break;
      }
    }
    this.#thread.ledger?.remove(this.#fd);
    sockets.close(this.#fd);
    if (this.#options.host.startsWith("/")) rmSync(this.#options.host, { force: true });
    this.#thread.release(this.#slot);
    this.#closed.resolve();
    this.#settle();
  }

  #settle(): void {
    if (this.#released && this.#connections === 0) this.#end.resolve();
  }
}
