// SPDX-License-Identifier: Apache-2.0
// The life of a request, top to bottom:
//
//   receive → guard → route → forward (attempts) → relay → record
//        \________\________\__________\____________/
//                          rescue: any failure becomes a reply, or breaks the connection once a response has begun
//
// Stages are straight calls on one pooled Exchange; nothing here waits, allocates a closure or makes a promise.

import { Buffer } from "node:buffer";

import { errorTable, formatHostPort, messageOf, type Clock, type Deadlines, type ErrorCode } from "../core/index.ts";
import type { AccessLog, Logger } from "../telemetry/port.ts";
import type { Attempts } from "./attempts.ts";
import type { CoarseTime } from "./coarse-time.ts";
import type { DownstreamConnection, DownstreamEvents } from "./downstream-connection.ts";
import { Exchange, messageState, type ExchangeTimers } from "./exchange.ts";
import {
  encodeBody,
  encodeInterimHead,
  encodeReplay,
  encodeRequestHead,
  encodeResponseHead,
  framingBytes,
  requestHeadSlack,
  responseHeadSlack,
} from "./forwarding.ts";
import { complete, failed, normalizePath, writeAscii, type HeadLimits } from "./http1/index.ts";
import type { DataPlaneDeps, DataPlaneOptions } from "./options.ts";
import type { ExchangeRecorder } from "./recorder.ts";
import { continueResponse, encodeReply, replySlack } from "./reply.ts";
import { RequestIds } from "./request-ids.ts";
import { isIdempotent, retriesStatus } from "./retry.ts";
import { selectTarget } from "./route-binding.ts";
import type { DataPlaneStats } from "./stats.ts";
import type { UpstreamConnection, UpstreamEvents } from "./upstream-connection.ts";

/** More 1xx responses than this before the real one are an attack or a bug (RFC 9110 §15.2 sets no limit). */
const maxInterimResponses = 16;
const maxFreeExchanges = 1_024;

export interface PipelineParts {
  readonly deps: DataPlaneDeps;
  readonly options: DataPlaneOptions;
  readonly deadlines: Deadlines;
  readonly coarse: CoarseTime;
  readonly stats: DataPlaneStats;
  readonly recorder: ExchangeRecorder;
}

export class Pipeline implements DownstreamEvents, UpstreamEvents, ExchangeTimers {
  /** Set once, before the first connection: attempts need the pipeline and the pipeline needs them. */
  attempts!: Attempts;
  draining = false;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: Logger;
  readonly #accessLog: AccessLog | null;
  readonly #options: DataPlaneOptions;
  readonly #limits: HeadLimits;
  readonly #deadlines: Deadlines;
  readonly #coarse: CoarseTime;
  readonly #stats: DataPlaneStats;
  readonly #recorder: ExchangeRecorder;
  readonly #requestIds: RequestIds;
  readonly #free: Exchange[] = [];

  constructor(parts: PipelineParts) {
    this.#clock = parts.deps.clock;
    this.#random = parts.deps.random;
    this.#logger = parts.deps.logger;
    this.#accessLog = parts.deps.accessLog;
    this.#options = parts.options;
    this.#limits = parts.options;
    this.#deadlines = parts.deadlines;
    this.#coarse = parts.coarse;
    this.#stats = parts.stats;
    this.#recorder = parts.recorder;
    this.#requestIds = new RequestIds(parts.deps.fillRandom);
  }

  // ---- receive ----------------------------------------------------------------------------------------------------

  begin(downstream: DownstreamConnection): Exchange {
    const exchange = this.#free.pop() ?? new Exchange(this.#limits, this);
    exchange.downstream = downstream;
    exchange.startedMs = this.#clock.nowMs();
    if (this.#accessLog !== null) exchange.startedWallMs = this.#clock.wallMs();
    this.#stats.exchangesActive++;
    return exchange;
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
    const length = Math.min(to - from, this.#limits.maxHeadBytes + 1 - before);
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

  #rejectHead(exchange: Exchange, to: number): number {
    const parser = exchange.requestParser;
    exchange.failureReason = parser.errorReason;
    this.#logger.debug("request rejected", {
      peer: exchange.downstream!.connection.remoteAddress,
      code: parser.error,
      reason: parser.errorReason,
    });
    this.rescue(exchange, parser.error);
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
    exchange.closeDownstream = !head.keepAlive || this.draining;
    this.#requestIds.write(exchange.requestId, 0);

    if (!this.#guardPath(exchange)) return this.rescue(exchange, "BAD_PATH", from);
    const host = exchange.downstream!.listener.virtualHost(exchange.authority());
    const route = host === null ? null : host.match(exchange.path, exchange);
    if (route === null) return this.rescue(exchange, "NO_ROUTE", from);
    exchange.route = route;
    const action = route.action;
    if (action.kind === "reply") return this.#reply(exchange, action.status, action.body, "direct_response", from);
    exchange.action = action;
    const target = selectTarget(action, this.#random);
    exchange.clusterName = target.name;
    exchange.cluster = target.cluster;
    if (target.cluster === null) return this.rescue(exchange, "NO_CLUSTER", from);
    exchange.keepsBody = action.retry.keepsBody || isIdempotent(head.method);
    if (exchange.requestState === messageState.done) this.#onRequestComplete(exchange);
    this.attempts.start(exchange);
    // The attempt may already have been answered for want of an endpoint.
    if (exchange.downstream === null) return from;
    return this.relayRequest(exchange, bytes, from, exchange.requestState === messageState.done ? from : to);
  }

  /** What is matched is what is forwarded (Istio path normalisation BASE). */
  #guardPath(exchange: Exchange): boolean {
    const head = exchange.requestParser.head;
    const path = head.path();
    exchange.path = path;
    if (!head.pathNeedsNormalization) return true;
    const normal = normalizePath(path);
    if (normal === null) return false;
    if (normal === path) return true;
    exchange.path = normal;
    const query = head.query();
    exchange.target = query === "" ? normal : `${normal}?${query}`;
    return true;
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
        this.attempts.abandon(exchange);
        return this.rescue(exchange, "BAD_REQUEST", to);
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
    if (next > from) {
      if (payloadBytes > 0 || body.done) at = encodeBody(body, bytes, out, at, head.chunked, true);
      if (payloadBytes > 0) this.#keepForReplay(exchange, bytes, payloadBytes);
      if (body.done) {
        exchange.requestState = messageState.done;
        this.#onRequestComplete(exchange);
      }
    }
    if (at > 0 && !upstream.connection.send(at)) {
      upstream.blocked = true;
      exchange.downstream!.connection.pause();
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

  #keepForReplay(exchange: Exchange, bytes: Buffer, payloadBytes: number): void {
    if (!exchange.replayable) return;
    if (!exchange.keepsBody || exchange.bodyCopyFill + payloadBytes > this.#options.retryBufferBytes) {
      exchange.replayable = false;
      return;
    }
    exchange.growBodyCopy(payloadBytes);
    const { ranges, rangeCount } = exchange.requestBody;
    for (let index = 0; index < rangeCount * 2; index += 2) {
      exchange.bodyCopyFill += bytes.copy(exchange.bodyCopy, exchange.bodyCopyFill, ranges[index]!, ranges[index + 1]!);
    }
  }

  /** The route and an upstream are known: now the client may send its body (RFC 9110 §10.1.1). */
  #sendContinue(exchange: Exchange): void {
    if (exchange.continueSent) return;
    exchange.continueSent = true;
    const connection = exchange.downstream!.connection;
    connection.send(writeAscii(connection.reserve(continueResponse.length), 0, continueResponse));
  }

  // ---- relay: response --------------------------------------------------------------------------------------------

  onUpstreamReady(exchange: Exchange): void {
    exchange.downstream!.offerHeld();
  }

  onUpstreamDrain(exchange: Exchange): void {
    exchange.downstream!.resumeInput();
  }

  onDownstreamDrain(exchange: Exchange): void {
    exchange.upstream?.connection.resume();
  }

  onUpstreamData(exchange: Exchange, upstream: UpstreamConnection, bytes: Buffer, from: number, to: number): void {
    exchange.responseSeen = true;
    while (from < to) {
      if (exchange.responseState === messageState.head) from = this.#receiveResponseHead(exchange, bytes, from, to);
      else from = this.#relayResponse(exchange, bytes, from, to, false);
      // The response, or the attempt, may have ended on the way.
      if (exchange.upstream !== upstream) return;
    }
  }

  #receiveResponseHead(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const parser = exchange.responseParser;
    const before = exchange.partialFill;
    let status;
    let next;
    if (before === 0) {
      status = parser.parse(bytes, from, to);
      next = from + parser.head.length;
    } else {
      const length = Math.min(to - from, this.#limits.maxHeadBytes + 1 - before);
      this.#keepPartialResponse(exchange, bytes, from, from + length);
      status = parser.parse(exchange.partialResponse, 0, exchange.partialFill);
      next = from + parser.head.length - before;
    }
    if (status === failed) {
      this.attempts.fail(exchange, "UPSTREAM_PROTOCOL_ERROR", parser.errorReason);
      return to;
    }
    if (status !== complete) {
      if (before === 0) this.#keepPartialResponse(exchange, bytes, from, to);
      return to;
    }
    const code = parser.head.statusCode;
    if (code < 200) {
      this.#relayInterim(exchange, code);
      return next;
    }
    return this.#onResponseHead(exchange, bytes, next, to);
  }

  #keepPartialResponse(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    exchange.growPartialResponse(to - from);
    bytes.copy(exchange.partialResponse, exchange.partialFill, from, to);
    exchange.partialFill += to - from;
  }

  #relayInterim(exchange: Exchange, code: number): void {
    const { head } = exchange.responseParser;
    if (code === 101 || ++exchange.interimResponses > maxInterimResponses) {
      this.attempts.fail(exchange, "UPSTREAM_PROTOCOL_ERROR", code === 101 ? "101 without upgrade" : "too many 1xx");
      return;
    }
    // 100 answers an expectation that was never forwarded; HTTP/1.0 clients know no 1xx (RFC 9110 §15.2).
    if (code !== 100 && exchange.requestParser.head.minorVersion === 1) {
      const connection = exchange.downstream!.connection;
      connection.send(encodeInterimHead(connection.reserve(head.length + responseHeadSlack), head));
    }
    exchange.responseParser.reset();
    exchange.partialFill = 0;
  }

  #onResponseHead(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const head = exchange.responseParser.head;
    const code = head.statusCode;
    exchange.upstreamServiceMs = this.#clock.nowMs() - exchange.upstreamStartedMs;
    if (exchange.tryDeadline.scheduled) this.#deadlines.cancel(exchange.tryDeadline);
    if (retriesStatus(exchange.action!.retry, code) && this.attempts.retryStatus(exchange)) return to;
    exchange.responseCode = code;
    exchange.details = "via_upstream";
    exchange.failureReason = null;
    if (this.#accessLog !== null) {
      const { localAddress, localPort } = exchange.upstream!.connection;
      exchange.upstreamLocal = formatHostPort(localAddress, localPort);
    }
    const body = exchange.responseBody;
    const legacyClient = exchange.requestParser.head.minorVersion === 0;
    exchange.chunkedDownstream = false;
    switch (head.bodyKind(exchange.method)) {
      case "none":
        body.startNone();
        break;
      case "length":
        body.startLength(head.contentLength);
        break;
      case "chunked":
        body.startChunked();
        exchange.chunkedDownstream = !legacyClient;
        break;
      case "until-close":
        body.startUntilClose();
        exchange.chunkedDownstream = !legacyClient;
        break;
    }
    // A body without a length can only end with the connection for a client that knows no chunks.
    const endsWithConnection = legacyClient && head.contentLength < 0 && !body.done;
    if (endsWithConnection || this.draining) exchange.closeDownstream = true;
    return this.#relayResponse(exchange, bytes, from, to, true);
  }

  #relayResponse(exchange: Exchange, bytes: Buffer, from: number, to: number, withHead: boolean): number {
    const body = exchange.responseBody;
    const head = exchange.responseParser.head;
    const connection = exchange.downstream!.connection;
    const before = body.payloadBytes;
    let next = from;
    if (!body.done && from < to) {
      next = body.decode(bytes, from, to);
      if (body.failed) {
        this.attempts.fail(exchange, withHead ? "UPSTREAM_PROTOCOL_ERROR" : "UPSTREAM_BODY_INVALID", body.errorReason);
        return to;
      }
    }
    const decoded = next > from;
    const payloadBytes = body.payloadBytes - before;
    const room = payloadBytes + framingBytes(payloadBytes, body.trailers);
    const out = connection.reserve(withHead ? room + head.length + responseHeadSlack : room);
    let at = 0;
    if (withHead) {
      const minor = exchange.requestParser.head.minorVersion;
      at = encodeResponseHead(out, head, minor, exchange.chunkedDownstream, exchange.closeDownstream, this.#coarse.httpDate);
      exchange.responseHeadBytes = at;
      exchange.responseStarted = true;
      exchange.responseState = messageState.body;
    }
    if (decoded) at = encodeBody(body, bytes, out, at, exchange.chunkedDownstream, exchange.requestParser.head.teTrailers);
    if (at > 0 && !connection.send(at) && !body.done) exchange.upstream!.connection.pause();
    if (body.done) {
      this.#finishResponse(exchange, next < to);
      return to;
    }
    return next;
  }

  /** `surplus`: the upstream sent more than its response; whatever that is, nobody asked for it. */
  #finishResponse(exchange: Exchange, surplus: boolean): void {
    exchange.responseState = messageState.done;
    const requestDone = exchange.requestState === messageState.done;
    this.attempts.succeed(exchange, requestDone && !surplus && exchange.responseParser.head.keepAlive);
    if (!requestDone) exchange.closeDownstream = true;
    this.#finish(exchange);
  }

  onUpstreamEnd(exchange: Exchange): void {
    if (exchange.responseState !== messageState.body || !exchange.responseBody.endOfInput()) {
      this.#onTruncated(exchange, null);
      return;
    }
    if (exchange.chunkedDownstream) {
      const connection = exchange.downstream!.connection;
      connection.send(writeAscii(connection.reserve(8), 0, "0\r\n\r\n"));
    }
    this.#finishResponse(exchange, true);
  }

  onUpstreamClosed(exchange: Exchange, upstream: UpstreamConnection, error: Error | null): void {
    if (!upstream.connected) this.attempts.fail(exchange, "CONNECT_FAILED", error === null ? "" : messageOf(error));
    else this.#onTruncated(exchange, error);
  }

  #onTruncated(exchange: Exchange, error: Error | null): void {
    const reason = error === null ? "closed by the upstream" : messageOf(error);
    if (exchange.responseStarted) this.attempts.fail(exchange, "UPSTREAM_TRUNCATED", reason);
    else this.attempts.fail(exchange, error === null ? "UPSTREAM_DISCONNECT" : "UPSTREAM_RESET", reason);
  }

  // ---- timers -----------------------------------------------------------------------------------------------------

  onConnectTimeout(exchange: Exchange): void {
    this.attempts.fail(exchange, "CONNECT_TIMEOUT", "connect timeout");
  }

  onRouteTimeout(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    this.attempts.abandon(exchange);
    if (exchange.endpoint !== null) exchange.endpoint.requestsTimedOut++;
    this.rescue(exchange, "UPSTREAM_TIMEOUT");
  }

  onTryTimeout(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    if (exchange.endpoint !== null) exchange.endpoint.requestsTimedOut++;
    this.attempts.fail(exchange, "PER_TRY_TIMEOUT", "per try timeout");
  }

  /** Neither side has moved for too long. */
  onStreamIdle(exchange: Exchange): void {
    this.attempts.abandon(exchange);
    this.rescue(exchange, "STREAM_IDLE_TIMEOUT");
  }

  onBackoffEnd(exchange: Exchange): void {
    if (exchange.downstream === null) return;
    this.attempts.restart(exchange);
  }

  // ---- rescue -----------------------------------------------------------------------------------------------------

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
    return this.#reply(exchange, spec.status, spec.text, spec.details, used, code === "UPSTREAM_OVERFLOW");
  }

  #reply(exchange: Exchange, status: number, body: string, details: string, used: number, overloaded = false): number {
    const connection = exchange.downstream!.connection;
    const head = exchange.requestParser.head;
    if (exchange.requestState !== messageState.done) exchange.closeDownstream = true;
    exchange.responseCode = status;
    exchange.details = details;
    const length = encodeReply(connection.reserve(body.length * 3 + replySlack), {
      status,
      body,
      headOnly: exchange.requestState !== messageState.head && head.method === "HEAD",
      close: exchange.closeDownstream,
      announceKeepAlive: head.minorVersion === 0,
      httpDate: this.#coarse.httpDate,
      extraHeader: overloaded ? "x-envoy-overloaded: true\r\n" : "",
    });
    exchange.replyBytes = length;
    exchange.replyBodyBytes = Buffer.byteLength(body);
    connection.send(length);
    this.#stats.replies++;
    this.#finish(exchange);
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

  onDownstreamGone(exchange: Exchange): void {
    const spec = errorTable.DOWNSTREAM_DISCONNECT;
    exchange.flags = spec.flag;
    exchange.details = spec.details;
    // A connection that closes in the middle of a head, or says nothing more after one byte, asked for nothing.
    const asked = exchange.requestState !== messageState.head;
    this.attempts.abandon(exchange);
    if (asked) this.#record(exchange);
    this.#recycle(exchange);
  }

  onDownstreamClosed(downstream: DownstreamConnection): void {
    downstream.listener.connections.delete(downstream);
  }

  onUpstreamReleased(connection: UpstreamConnection): void {
    this.attempts.onReleased(connection);
  }

  /** A bug in naru: this exchange pays, the process lives. */
  onBug(exchange: Exchange | null, error: unknown): void {
    this.#stats.bugs++;
    this.#logger.error("internal error in an exchange", {
      error: messageOf(error),
      stack: error instanceof Error ? (error.stack ?? "") : "",
    });
    if (exchange === null || exchange.downstream === null) return;
    this.attempts.abandon(exchange);
    this.rescue(exchange, "BUG");
  }

  // ---- record -----------------------------------------------------------------------------------------------------

  #finish(exchange: Exchange): void {
    const downstream = exchange.downstream!;
    const close = exchange.closeDownstream;
    const requestRead = exchange.requestState === messageState.done;
    this.#record(exchange);
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
