// SPDX-License-Identifier: Apache-2.0
// The way back: the upstream's bytes become the client's response, interim ones included, with backpressure.

import { messageOf, systemCodeOf, type Clock, type Deadlines } from "../core/index.ts";
import type { Attempts } from "./attempts.ts";
import type { CoarseTime } from "./coarse-time.ts";
import type { Endings } from "./endings.ts";
import { messageState, type Exchange } from "./exchange.ts";
import { encodeBody, encodeInterimHead, encodeResponseHead, framingBytes, responseHeadSlack } from "./forwarding.ts";
import {
  complete,
  failed,
  needMore,
  ResponseHeadParser,
  writeAscii,
  type HeadLimits,
  type ResponseHead,
} from "./http1/index.ts";
import { retriesStatus } from "./retry.ts";
import type { DataPlaneStats } from "./stats.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

/** More 1xx responses than this before the real one are an attack or a bug (RFC 9110 §15.2 sets no limit). */
const maxInterimResponses = 16;

export interface ResponseRelayParts {
  readonly attempts: Attempts;
  readonly endings: Endings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly coarse: CoarseTime;
  readonly stats: DataPlaneStats;
  readonly limits: HeadLimits;
  /** The access log wants to know our end of the upstream connection. */
  readonly recordsAddresses: boolean;
}

export class ResponseRelay {
  /** Responses announce that the connection will close. */
  draining = false;
  readonly #attempts: Attempts;
  readonly #endings: Endings;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #coarse: CoarseTime;
  readonly #stats: DataPlaneStats;
  readonly #limits: HeadLimits;
  /** For heads that come whole: one for all exchanges stays in the cache. */
  readonly #parser: ResponseHeadParser;
  readonly #recordsAddresses: boolean;

  constructor(parts: ResponseRelayParts) {
    this.#attempts = parts.attempts;
    this.#endings = parts.endings;
    this.#clock = parts.clock;
    this.#deadlines = parts.deadlines;
    this.#coarse = parts.coarse;
    this.#stats = parts.stats;
    this.#limits = parts.limits;
    this.#parser = new ResponseHeadParser(parts.limits);
    this.#recordsAddresses = parts.recordsAddresses;
  }

  onData(exchange: Exchange, upstream: UpstreamConnection, bytes: Buffer, from: number, to: number): void {
    exchange.responseSeen = true;
    while (from < to) {
      if (exchange.responseState === messageState.head) from = this.#receiveResponseHead(exchange, bytes, from, to);
      else from = this.#relayResponse(exchange, null, bytes, from, to, 0);
      // The response, or the attempt, may have ended on the way.
      if (exchange.upstream !== upstream) return;
    }
  }

  #receiveResponseHead(exchange: Exchange, bytes: Buffer, from: number, to: number): number {
    const before = exchange.partialFill;
    let parser = this.#parser;
    let status;
    if (before === 0) {
      parser.reset();
      status = parser.parse(bytes, from, to);
      if (status === needMore) {
        exchange.partialParser ??= new ResponseHeadParser(this.#limits);
        exchange.partialParser.reset();
        this.#keepPartialResponse(exchange, bytes, from, to);
      }
    } else {
      parser = exchange.partialParser!;
      const length = Math.min(to - from, this.#limits.maxHeadBytes + 1 - before);
      this.#keepPartialResponse(exchange, bytes, from, from + length);
      status = parser.parse(exchange.partialResponse, 0, exchange.partialFill);
    }
    if (status === failed) {
      if (parser.errorLimit !== null) this.#stats.limitHits[parser.errorLimit]++;
      this.#attempts.fail(exchange, "UPSTREAM_PROTOCOL_ERROR", parser.errorReason);
      return to;
    }
    if (status !== complete) return to;
    const { head } = parser;
    const next = from + head.length - before;
    if (head.isInterim) {
      this.#relayInterim(exchange, head);
      return next;
    }
    return this.#onResponseHead(exchange, head, bytes, next, to);
  }

  #keepPartialResponse(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    exchange.growPartialResponse(to - from);
    bytes.copy(exchange.partialResponse, exchange.partialFill, from, to);
    exchange.partialFill += to - from;
  }

  #relayInterim(exchange: Exchange, head: ResponseHead): void {
    const code = head.statusCode;
    if (code === 101 || ++exchange.interimResponses > maxInterimResponses) {
      this.#attempts.fail(exchange, "UPSTREAM_PROTOCOL_ERROR", code === 101 ? "101 without upgrade" : "too many 1xx");
      return;
    }
    // 100 answers an expectation that was never forwarded; HTTP/1.0 clients know no 1xx (RFC 9110 §15.2).
    if (code !== 100 && exchange.requestParser.head.minorVersion === 1) {
      const downstream = exchange.downstream!;
      downstream.send(encodeInterimHead(downstream.connection.reserve(head.length + responseHeadSlack), head));
    }
    exchange.partialFill = 0;
  }

  #onResponseHead(exchange: Exchange, head: ResponseHead, bytes: Buffer, from: number, to: number): number {
    const code = head.statusCode;
    const nowMs = this.#clock.nowMs();
    exchange.upstreamServiceMs = nowMs - exchange.upstreamStartedMs;
    if (exchange.tryDeadline.scheduled) this.#deadlines.cancel(exchange.tryDeadline);
    if (retriesStatus(exchange.action!.retry, code) && this.#attempts.retryStatus(exchange)) return to;
    exchange.responseCode = code;
    exchange.details = "via_upstream";
    exchange.failureReason = null;
    if (this.#recordsAddresses) {
      exchange.upstreamLocal = exchange.upstream!.localText;
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
        head.keepAlive = false;
        exchange.chunkedDownstream = !legacyClient;
        break;
    }
    // A body without a length can only end with the connection for a client that knows no chunks.
    const endsWithConnection = legacyClient && head.contentLength < 0 && !body.done;
    const isLast = this.draining || !exchange.downstream!.listener.listening;
    // Answered before all of the request was there: what was read of it, and by whom, nobody can tell (class CL.0). Envoy
    // too says so while there is still a head to say it in, and uses neither connection again.
    const isEarly = exchange.requestState !== messageState.done;
    if (isEarly) head.keepAlive = false;
    if (endsWithConnection || isLast || isEarly) exchange.closeDownstream = true;
    exchange.upstreamKeepsAlive = head.keepAlive;
    exchange.upstreamIdleSeconds = head.keepAliveTimeoutSeconds;
    return this.#relayResponse(exchange, head, bytes, from, to, nowMs);
  }

  /** `head` goes out with these bytes, and came at `headMs`; null = it has gone. */
  #relayResponse(
    exchange: Exchange,
    head: ResponseHead | null,
    bytes: Buffer,
    from: number,
    to: number,
    headMs: number,
  ): number {
    const body = exchange.responseBody;
    const downstream = exchange.downstream!;
    const before = body.payloadBytes;
    let next = from;
    if (!body.done && from < to) {
      next = body.decode(bytes, from, to);
      if (body.failed) {
        this.#attempts.fail(
          exchange,
          head !== null ? "UPSTREAM_PROTOCOL_ERROR" : "UPSTREAM_BODY_INVALID",
          body.errorReason,
        );
        return to;
      }
    }
    const decoded = next > from;
    const payloadBytes = body.payloadBytes - before;
    const room = payloadBytes + framingBytes(payloadBytes, body.trailers);
    const out = downstream.connection.reserve(head === null ? room : room + head.length + responseHeadSlack);
    let at = 0;
    if (head !== null) {
      const minor = exchange.requestParser.head.minorVersion;
      at = encodeResponseHead(
        out,
        head,
        minor,
        exchange.chunkedDownstream,
        exchange.closeDownstream,
        this.#coarse.httpDate,
      );
      exchange.responseHeadBytes = at;
      exchange.responseStarted = true;
      exchange.responseState = messageState.body;
    }
    let goesOn = true;
    if (decoded && body.rangeCount === 1 && !exchange.chunkedDownstream) {
      goesOn = downstream.sendWith(at, bytes, body.ranges[0]!, body.ranges[1]!);
    } else {
      if (decoded)
        at = encodeBody(body, bytes, out, at, exchange.chunkedDownstream, exchange.requestParser.head.teTrailers);
      if (at > 0) goesOn = downstream.send(at);
    }
    if (!goesOn && !body.done) exchange.upstream!.pause();
    if (body.done) {
      // Most responses end with the bytes of their head, and then the clock need not be read again.
      this.#finishResponse(exchange, next < to, head === null ? this.#clock.nowMs() : headMs);
      return to;
    }
    // A body with a length that goes out as it came in need not be seen.
    if (head !== null && !exchange.chunkedDownstream && body.remainingBytes > 0) {
      exchange.upstream!.forward(downstream.connection, body.remainingBytes);
    }
    return next;
  }

  /** So many bytes of the body went to the client unseen. */
  onForwarded(exchange: Exchange, bytes: number): void {
    exchange.downstream!.noteActive();
    exchange.responseBody.pass(bytes);
    if (exchange.responseBody.done) this.#finishResponse(exchange, false, this.#clock.nowMs());
  }

  /** `surplus`: the upstream sent more than its response; whatever that is, nobody asked for it. */
  #finishResponse(exchange: Exchange, surplus: boolean, nowMs: number): void {
    exchange.responseState = messageState.done;
    // What is still queued was not read before the answer was given, and may never be.
    const sent = exchange.upstream!.connection.queuedBytes === 0;
    this.#attempts.succeed(exchange, sent && !surplus, nowMs);
    this.#endings.finish(exchange, nowMs);
  }

  onEnd(exchange: Exchange): void {
    if (exchange.responseState !== messageState.body || !exchange.responseBody.endOfInput()) {
      this.#onTruncated(exchange, null);
      return;
    }
    if (exchange.chunkedDownstream) {
      const downstream = exchange.downstream!;
      downstream.send(writeAscii(downstream.connection.reserve(8), 0, "0\r\n\r\n"));
    }
    this.#finishResponse(exchange, false, this.#clock.nowMs());
  }

  onClosed(exchange: Exchange, upstream: UpstreamConnection, error: Error | null): void {
    if (upstream.connected) {
      this.#onTruncated(exchange, error);
      return;
    }
    const systemCode = systemCodeOf(error);
    if (systemCode === "EMFILE" || systemCode === "ENFILE") this.#stats.descriptorShortages++;
    this.#attempts.fail(exchange, "CONNECT_FAILED", error === null ? "" : messageOf(error));
  }

  #onTruncated(exchange: Exchange, error: Error | null): void {
    const reason = error === null ? "closed by the upstream" : messageOf(error);
    // A reset of the connection is its end, too (Envoy: UC). UR is for streams of HTTP/2.
    this.#attempts.fail(exchange, exchange.responseStarted ? "UPSTREAM_TRUNCATED" : "UPSTREAM_DISCONNECT", reason);
  }
}
