// SPDX-License-Identifier: Apache-2.0
// The life of a request, top to bottom:
//
//   receive → guard → route → forward (attempts) → relay → record
//        \________\________\__________\____________/
//                          rescue: any failure becomes a reply, or breaks the connection once a response has begun
//
// Stages are straight calls on one pooled Exchange; nothing here waits, allocates a closure or makes a promise.

import { messageOf, type Deadlines, type ErrorCode } from "../core/index.ts";
import type { LimitName } from "../model/index.ts";
import type { Logger } from "../telemetry/port.ts";
import { Attempts } from "./attempts.ts";
import type { Cluster } from "./cluster.ts";
import type { DownstreamConnection, DownstreamEvents } from "./downstream-connection.ts";
import { Endings } from "./endings.ts";
import { messageState, type Exchange, type ExchangeTimers } from "./exchange.ts";
import { encodeBody, encodeReplay, encodeRequestHead, framingBytes, requestHeadSlack } from "./forwarding.ts";
import { Guard } from "./guard.ts";
import { complete, failed, writeAscii } from "./http1/index.ts";
import type { DataPlaneDeps, DataPlaneOptions, DataPlaneParts } from "./options.ts";
import { ExchangeRecorder } from "./recorder.ts";
import { continueResponse } from "./reply.ts";
import { RandomPool } from "./random-pool.ts";
import { RequestIds } from "./request-ids.ts";
import { ResponseRelay } from "./response-relay.ts";
import { isIdempotent } from "./retry.ts";
import { selectTarget } from "./route-binding.ts";
import type { DataPlaneStats } from "./stats.ts";
import { Tracing } from "./tracing.ts";
import type { UpstreamConnection, UpstreamEvents } from "./upstream-connection.ts";
import { UpstreamPool } from "./upstream-pool.ts";

export class Pipeline implements DownstreamEvents, UpstreamEvents, ExchangeTimers {
  readonly #random: () => number;
  readonly #logger: Logger;
  readonly #options: DataPlaneOptions;
  readonly #deadlines: Deadlines;
  readonly #stats: DataPlaneStats;
  readonly #guard: Guard;
  readonly #requestIds: RequestIds;
  readonly #tracing: Tracing | null;
  readonly #pool: UpstreamPool;
  readonly #endings: Endings;
  readonly #attempts: Attempts;
  readonly #responses: ResponseRelay;
  #draining = false;

  constructor(deps: DataPlaneDeps, options: DataPlaneOptions, parts: DataPlaneParts) {
    const { deadlines, coarse, stats, overload } = parts;
    const { clock, random, transport, accessLog } = deps;
    this.#random = random;
    this.#logger = deps.logger;
    this.#options = options;
    this.#deadlines = deadlines;
    this.#stats = stats;
    this.#guard = new Guard(options, overload, stats);
    const randomPool = new RandomPool(deps.fillRandom);
    this.#requestIds = new RequestIds(randomPool);
    this.#pool = new UpstreamPool(transport, this, parts, options.maxIdlePerEndpoint);
    this.#tracing = deps.tracing === null ? null : new Tracing(deps.tracing, clock, random, randomPool);
    const recorder = new ExchangeRecorder(deps.metrics, accessLog, this.#tracing, options.identity);
    this.#endings = new Endings(clock, deadlines, coarse, stats, recorder);
    this.#attempts = new Attempts(this.#pool, deadlines, clock, random, stats, this.#endings);
    this.#responses = new ResponseRelay({
      attempts: this.#attempts,
      endings: this.#endings,
      clock,
      deadlines,
      coarse,
      stats,
      limits: options,
      recordsAddresses: accessLog !== null,
    });
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** From now on every response closes its connection. */
  drain(): void {
    this.#draining = true;
    this.#responses.draining = true;
  }

  // ---- receive ----------------------------------------------------------------------------------------------------

  begin(downstream: DownstreamConnection): Exchange {
    return this.#endings.take(this.#options, this, downstream);
  }

  receiveHead(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const parser = exchange.requestParser;
    const head = parser.head;
    const before = exchange.headFill;
    if (before === 0) {
      const status = parser.parse(bytes, from, to);
      if (status === failed) return this.#rejectHead(exchange, to);
      const length = status === complete ? head.length : to - from;
      exchange.growHead(length);
      bytes.copy(exchange.headBytes, 0, from, from + length);
      exchange.headFill = length;
      head.bytes = exchange.headBytes;
      head.base = 0;
      return status === complete ? this.#route(exchange, bytes, from + length, to) : to;
    }
    // The parser gives up at its limit, so no more than one byte beyond it need be looked at.
    const length = Math.min(to - from, this.#options.maxHeadBytes + 1 - before);
    exchange.growHead(length);
    bytes.copy(exchange.headBytes, before, from, from + length);
    exchange.headFill = before + length;
    const status = parser.parse(exchange.headBytes, 0, exchange.headFill);
    if (status === failed) return this.#rejectHead(exchange, to);
    if (status !== complete) return from + length;
    head.bytes = exchange.headBytes;
    head.base = 0;
    exchange.headFill = head.length;
    return this.#route(exchange, bytes, from + head.length - before, to);
  }

  refuseEmptyLines(exchange: Exchange): void {
    exchange.failureReason = "empty lines in place of a request";
    this.onLimit("header-bytes");
    this.#endings.rescue(exchange, "REQUEST_HEADERS_TOO_LARGE");
  }

  #rejectHead(exchange: Exchange, to: number): number {
    const parser = exchange.requestParser;
    exchange.failureReason = parser.errorReason;
    if (parser.errorLimit !== null) this.onLimit(parser.errorLimit);
    this.#logger.debug("request rejected", {
      peer: exchange.downstream!.connection.remoteAddress,
      code: parser.error,
      reason: parser.errorReason,
    });
    this.#endings.rescue(exchange, parser.error);
    return to;
  }

  // ---- guard, route -----------------------------------------------------------------------------------------------

  /** `bytes[from, to)` is what follows the head. Returns the offset up to which it was used. */
  #route(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const head = exchange.requestParser.head;
    exchange.requestHeadBytes = head.length;
    if (head.chunked) exchange.requestBody.startChunked();
    else if (head.contentLength > 0) exchange.requestBody.startLength(head.contentLength);
    else exchange.requestBody.startNone();
    exchange.requestState = exchange.requestBody.done ? messageState.done : messageState.body;
    const downstream = exchange.downstream!;
    exchange.closeDownstream = !head.keepAlive || this.#draining || !downstream.listener.listening;
    if (downstream.exchanges + 1 >= this.#options.maxRequestsPerConnection) this.#onLastRequest(exchange);
    this.#requestIds.write(exchange.requestId, 0);
    if (this.#tracing !== null) this.#tracing.begin(exchange);

    const refusal = this.#guard.check(exchange);
    if (refusal !== null) return this.#endings.rescue(exchange, refusal, from);
    const host = downstream.listener.virtualHost(exchange.authority());
    const route = host === null ? null : host.match(exchange.path, exchange);
    if (route === null) return this.#endings.rescue(exchange, "NO_ROUTE", from);
    exchange.route = route;
    const action = route.action;
    if (action.kind === "reply")
      return this.#endings.reply(exchange, action.status, action.body, "direct_response", from);
    exchange.action = action;
    const target = selectTarget(action, this.#random);
    exchange.clusterName = target.name;
    exchange.cluster = target.cluster;
    if (target.cluster === null) return this.#endings.rescue(exchange, "NO_CLUSTER", from);
    exchange.keepsBody = action.retry.keepsBody || isIdempotent(head.method);
    if (exchange.requestState === messageState.done) this.#onRequestComplete(exchange);
    this.#attempts.start(exchange);
    // The attempt may already have been answered for want of an endpoint.
    if (exchange.downstream === null) return from;
    return this.relayRequest(exchange, bytes, from, exchange.requestState === messageState.done ? from : to);
  }

  #onLastRequest(exchange: Exchange): void {
    if (!exchange.closeDownstream) this.onLimit("requests-per-connection");
    exchange.closeDownstream = true;
  }

  // ---- relay: request ---------------------------------------------------------------------------------------------

  relayRequest(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const upstream = exchange.upstream;
    if (upstream === null || !upstream.connected || upstream.blocked) return from;
    const first = !exchange.requestSent;
    const body = exchange.requestBody;
    const head = exchange.requestParser.head;
    let next = from;
    let payloadBytes = 0;
    if (from < to && exchange.requestState === messageState.body) {
      const before = body.payloadBytes;
      next = body.decode(bytes, from, to);
      if (body.failed) {
        exchange.failureReason = body.errorReason;
        this.#attempts.abandon(exchange);
        return this.#endings.rescue(exchange, "BAD_REQUEST", to);
      }
      payloadBytes = body.payloadBytes - before;
    } else if (!first) {
      return from;
    }
    const replayBytes = first ? exchange.bodyCopyFill : 0;
    const room = payloadBytes + replayBytes + 2 * framingBytes(payloadBytes + replayBytes, body.trailers);
    const targetBytes = exchange.target === null ? 0 : exchange.target.length;
    const out = upstream.connection.reserve(first ? room + head.length + targetBytes + requestHeadSlack : room);
    let at = 0;
    if (first) {
      exchange.requestSent = true;
      at = encodeRequestHead(out, exchange);
      if (exchange.attempts > 1) {
        const whole = next === from && exchange.requestState === messageState.done;
        at = encodeReplay(exchange.bodyCopy, replayBytes, out, at, head.chunked, whole, body.trailers);
      }
    }
    const goesAsItIs = payloadBytes > 0 && !head.chunked;
    if (next > from) {
      if (!goesAsItIs && (payloadBytes > 0 || body.done)) at = encodeBody(body, bytes, out, at, head.chunked, true);
      if (payloadBytes > 0) this.#keepForReplay(exchange, bytes, payloadBytes);
      if (body.done) {
        exchange.requestState = messageState.done;
        this.#onRequestComplete(exchange);
      }
    }
    if (exchange.requestState === messageState.done) this.#onRequestSent(exchange);
    const { connection } = upstream;
    const goesOn = goesAsItIs ? connection.sendWith(at, bytes, from, next) : at === 0 || connection.send(at);
    if (!goesOn) {
      upstream.blocked = true;
      exchange.downstream!.pauseInput();
    }
    if (first && head.expectContinue && exchange.requestState === messageState.body && body.payloadBytes === 0) {
      this.#sendContinue(exchange);
    }
    return next;
  }

  #onRequestComplete(exchange: Exchange): void {
    const timeoutMs = exchange.action!.timeoutMs;
    if (timeoutMs > 0) this.#deadlines.schedule(exchange.routeDeadline, timeoutMs);
  }

  /** A try takes its time from here: neither the queue, nor connecting, nor a slow client counts (Envoy). */
  #onRequestSent(exchange: Exchange): void {
    const { perTryTimeoutMs } = exchange.action!.retry;
    if (perTryTimeoutMs > 0 && exchange.responseState === messageState.head) {
      this.#deadlines.schedule(exchange.tryDeadline, perTryTimeoutMs);
    }
  }

  #keepForReplay(exchange: Exchange, bytes: Buffer, payloadBytes: number): void {
    if (!exchange.replayable) return;
    if (!exchange.keepsBody || exchange.bodyCopyFill + payloadBytes > this.#options.retryBufferBytes) {
      exchange.replayable = false;
      if (exchange.keepsBody) this.onLimit("retry-buffer");
      return;
    }
    exchange.keepPayload(bytes, payloadBytes);
  }

  /** The route and an upstream are known: now the client may send its body (RFC 9110 §10.1.1). */
  #sendContinue(exchange: Exchange): void {
    if (exchange.continueSent) return;
    exchange.continueSent = true;
    const downstream = exchange.downstream!;
    downstream.send(writeAscii(downstream.connection.reserve(continueResponse.length), 0, continueResponse));
  }

  // ---- relay: response (response-relay.ts) ------------------------------------------------------------------------

  onUpstreamReady(exchange: Exchange): void {
    exchange.downstream!.offerHeld();
  }

  onUpstreamDrain(exchange: Exchange): void {
    exchange.downstream!.resumeInput();
  }

  onDownstreamDrain(exchange: Exchange): void {
    exchange.upstream?.resume();
  }

  onUpstreamData(exchange: Exchange, upstream: UpstreamConnection, bytes: Buffer, from: number, to: number): void {
    this.#responses.onData(exchange, upstream, bytes, from, to);
  }

  onUpstreamForwarded(exchange: Exchange, bytes: number): void {
    this.#responses.onForwarded(exchange, bytes);
  }

  onUpstreamEnd(exchange: Exchange): void {
    this.#responses.onEnd(exchange);
  }

  onUpstreamClosed(exchange: Exchange, upstream: UpstreamConnection, error: Error | null): void {
    this.#responses.onClosed(exchange, upstream, error);
  }

  // ---- timers -----------------------------------------------------------------------------------------------------

  onUpstreamUnusable(exchange: Exchange, code: ErrorCode, reason: string): void {
    this.#attempts.fail(exchange, code, reason);
  }

  onRouteTimeout(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    this.#attempts.abandon(exchange);
    if (exchange.endpoint !== null) exchange.endpoint.requestsTimedOut++;
    this.#endings.rescue(exchange, "UPSTREAM_TIMEOUT");
  }

  onTryTimeout(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    if (exchange.endpoint !== null) exchange.endpoint.requestsTimedOut++;
    this.#attempts.fail(exchange, "PER_TRY_TIMEOUT", "per try timeout");
  }

  /** Neither side has moved for too long. */
  onStreamIdle(exchange: Exchange): void {
    this.onLimit("stream-idle-timeout");
    this.#attempts.abandon(exchange);
    const isSent = exchange.requestState === messageState.done;
    this.#endings.rescue(exchange, isSent ? "STREAM_IDLE_UPSTREAM" : "STREAM_IDLE_TIMEOUT");
  }

  onBackoffEnd(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    this.#attempts.restart(exchange);
  }

  // ---- ends -------------------------------------------------------------------------------------------------------

  onDownstreamGone(exchange: Exchange): void {
    this.#attempts.abandon(exchange);
    this.#endings.abandon(exchange);
  }

  onDownstreamClosed(downstream: DownstreamConnection): void {
    downstream.listener.forget(downstream);
  }

  onUpstreamReleased(connection: UpstreamConnection): void {
    this.#attempts.onReleased(connection);
  }

  /** The time to drain is over. A request whose head is not complete gets no answer. */
  onDrainDeadline(exchange: Exchange): void {
    if (exchange.requestState === messageState.head) return;
    this.#attempts.abandon(exchange);
    this.#endings.rescue(exchange, "DRAIN_DEADLINE");
  }

  /** A bug in naru: this exchange pays, the process lives. */
  onBug(exchange: Exchange | null, error: unknown): void {
    this.#stats.bugs++;
    this.#logger.error("internal error in an exchange", {
      error: messageOf(error),
      stack: error instanceof Error ? (error.stack ?? "") : "",
    });
    if (exchange === null || exchange.downstream === null) return;
    this.#attempts.abandon(exchange);
    this.#endings.rescue(exchange, "BUG");
  }

  /** Closes upstream connections that have been idle too long. */
  sweepUpstreams(cluster: Cluster, nowMs: number): void {
    this.#pool.sweep(cluster, nowMs);
  }

  /** Lets other threads have connections of a cluster whose limits they share, and takes what they left. */
  shareConnections(cluster: Cluster): void {
    this.#pool.shareConnections(cluster);
  }

  /** The head of a request did not arrive in time. */
  onHeadTimeout(exchange: Exchange): void {
    this.onLimit("header-timeout");
    this.#endings.rescue(exchange, "REQUEST_HEADER_TIMEOUT");
  }

  /** The end of a request did not arrive in time. */
  onRequestTimeout(exchange: Exchange): void {
    this.onLimit("request-timeout");
    this.#attempts.abandon(exchange);
    this.#endings.rescue(exchange, "REQUEST_TIMEOUT");
  }

  onLimit(limit: LimitName): void {
    this.#stats.limitHits[limit]++;
  }
}
