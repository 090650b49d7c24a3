// SPDX-License-Identifier: Apache-2.0
// How exchanges end: rescue turns any failure into a reply, or breaks the connection once a response has begun; every
// end is recorded exactly once and gives the exchange back.

import { Buffer } from "node:buffer";

import { errorTable, type Clock, type Deadlines, type ErrorCode } from "../core/index.ts";
import type { CoarseTime } from "./coarse-time.ts";
import type { DownstreamConnection } from "./downstream-connection.ts";
import { Exchange, messageState, type ExchangeOptions, type ExchangeTimers } from "./exchange.ts";
import type { ExchangeRecorder } from "./recorder.ts";
import { encodeReply, replySlack } from "./reply.ts";
import type { DataPlaneStats } from "./stats.ts";

const maxFreeExchanges = 1_024;

export class Endings {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #coarse: CoarseTime;
  readonly #stats: DataPlaneStats;
  readonly #recorder: ExchangeRecorder;
  readonly #free: Exchange[] = [];

  constructor(
    clock: Clock,
    deadlines: Deadlines,
    coarse: CoarseTime,
    stats: DataPlaneStats,
    recorder: ExchangeRecorder,
  ) {
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#coarse = coarse;
    this.#stats = stats;
    this.#recorder = recorder;
  }

  /** An exchange to begin with: a used one when there is one. */
  take(options: ExchangeOptions, timers: ExchangeTimers, downstream: DownstreamConnection): Exchange {
    const exchange = this.#free.pop() ?? new Exchange(options, timers);
    exchange.downstream = downstream;
    exchange.startedMs = this.#clock.nowMs();
    exchange.startedWallMs = exchange.startedMs + this.#coarse.wallOffsetMs;
    this.#stats.exchangesActive++;
    return exchange;
  }

  /** Ends an exchange that has no upstream any more with what the error table says. Returns `used`, for callers in the receive path. */
  rescue(exchange: Exchange, code: ErrorCode, used = 0): number {
    const spec = errorTable[code];
    exchange.flags = exchange.flags === "-" ? spec.flag : `${spec.flag},${exchange.flags}`;
    exchange.details = spec.details;
    if (exchange.responseStarted) {
      this.#breakDownstream(exchange);
      return used;
    }
    if (spec.close) exchange.closeDownstream = true;
    return this.reply(exchange, spec.status, spec.text, spec.details, used, code === "UPSTREAM_OVERFLOW");
  }

  reply(exchange: Exchange, status: number, body: string, details: string, used: number, overloaded = false): number {
    const downstream = exchange.downstream!;
    const head = exchange.requestParser.head;
    if (exchange.requestState !== messageState.done) exchange.closeDownstream = true;
    exchange.responseCode = status;
    exchange.details = details;
    const headOnly = exchange.requestState !== messageState.head && head.method === "HEAD";
    const length = encodeReply(downstream.connection.reserve(body.length * 3 + replySlack), {
      status,
      body,
      headOnly,
      close: exchange.closeDownstream,
      announceKeepAlive: head.minorVersion === 0,
      httpDate: this.#coarse.httpDate,
      extraHeader: overloaded ? "x-envoy-overloaded: true\r\n" : "",
    });
    exchange.replyBytes = length;
    exchange.replyBodyBytes = headOnly ? 0 : Buffer.byteLength(body);
    downstream.send(length);
    this.#stats.replies++;
    this.finish(exchange, this.#clock.nowMs());
    return used;
  }

  /** A response has begun and cannot be completed: a clean end would be a lie, so the client sees a reset. */
  #breakDownstream(exchange: Exchange): void {
    const downstream = exchange.downstream!;
    downstream.exchange = null;
    this.#record(exchange);
    this.#recycle(exchange);
    downstream.destroy(true);
  }

  /** The client is gone; nobody is left to answer. */
  abandon(exchange: Exchange): void {
    const spec = errorTable.DOWNSTREAM_DISCONNECT;
    exchange.flags = spec.flag;
    exchange.details = spec.details;
    // A connection that closes in the middle of a head, or says nothing more after one byte, asked for nothing.
    if (exchange.requestState !== messageState.head) this.#record(exchange);
    this.#recycle(exchange);
  }

  /** The response is complete and sent. */
  finish(exchange: Exchange, nowMs: number): void {
    const downstream = exchange.downstream!;
    const close = exchange.closeDownstream;
    const requestRead = exchange.requestState === messageState.done;
    this.#recorder.record(exchange, nowMs);
    this.#recycle(exchange);
    downstream.exchangeDone(close, requestRead);
  }

  #record(exchange: Exchange): void {
    this.#recorder.record(exchange, this.#clock.nowMs());
  }

  #recycle(exchange: Exchange): void {
    this.#deadlines.cancel(exchange.routeDeadline);
    this.#deadlines.cancel(exchange.tryDeadline);
    this.#deadlines.cancel(exchange.backoffDeadline);
    exchange.reset();
    this.#stats.exchangesActive--;
    if (this.#free.length < maxFreeExchanges) this.#free.push(exchange);
  }
}
