// SPDX-License-Identifier: Apache-2.0
// One request and its response: all state of the pipeline. Exchanges are pooled, so that an idle connection holds none
// and a busy one allocates nothing per request.

import { Buffer } from "node:buffer";

import { Deadline } from "../core/index.ts";
import type { TrafficOptions } from "../model/index.ts";
import { routedHeader, type CompiledRoute, type ReceivedRequest, type RequestView } from "../router/index.ts";
import type { ByteRange } from "../telemetry/port.ts";
import type { Cluster } from "./cluster.ts";
import type { DownstreamConnection } from "./downstream-connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { BodyDecoder, RequestHeadParser, type HeadLimits, type ResponseHeadParser } from "./http1/index.ts";
import { requestIdBytes } from "./request-ids.ts";
import type { BoundAction, BoundForward } from "./route-binding.ts";
import type { TraceContext } from "./trace-context.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

/** How far one direction of an exchange has come. */
export const messageState = { head: 0, body: 1, done: 2 } as const;
export type MessageState = (typeof messageState)[keyof typeof messageState];

const initialHeadBytes = 2_048;
/** A pooled exchange does not keep more than this for the next request. */
const keptHeadBytes = 8_192;
export const noBytes: Buffer = Buffer.alloc(0);

export type ExchangeOptions = HeadLimits & Pick<TrafficOptions, "underscores">;

/** What timers and the pipeline call back; the exchange itself decides nothing. */
export interface ExchangeTimers {
  onRouteTimeout(exchange: Exchange): void;
  onTryTimeout(exchange: Exchange): void;
  onBackoffEnd(exchange: Exchange): void;
}

export class Exchange implements RequestView, ReceivedRequest {
  readonly scheme = "http";
  readonly requestParser: RequestHeadParser;
  readonly requestBody: BodyDecoder;
  readonly responseBody = new BodyDecoder();
  readonly routeDeadline: Deadline;
  readonly tryDeadline: Deadline;
  readonly backoffDeadline: Deadline;
  readonly requestId: Buffer = Buffer.allocUnsafeSlow(requestIdBytes);
  /** Its trace, kept with the exchange once it was needed; null for ever when tracing is off. */
  trace: TraceContext | null = null;
  readonly tried: Endpoint[] = [];

  /** The request head, kept for retries and the access log; offsets of `request` point into it. */
  headBytes: Buffer = Buffer.allocUnsafeSlow(initialHeadBytes);
  headFill = 0;
  /** A response head that came in pieces, and its parser. Whole ones go by one parser of the thread. */
  partialResponse: Buffer = noBytes;
  partialFill = 0;
  partialParser: ResponseHeadParser | null = null;
  /** Payload of the request sent so far, while it may have to be sent again. */
  bodyCopy: Buffer = noBytes;
  bodyCopyFill = 0;

  downstream: DownstreamConnection | null = null;
  upstream: UpstreamConnection | null = null;
  route: CompiledRoute<BoundAction> | null = null;
  action: BoundForward | null = null;
  cluster: Cluster | null = null;
  clusterName: string | null = null;
  endpoint: Endpoint | null = null;

  requestState: MessageState = messageState.head;
  responseState: MessageState = messageState.head;
  /** The request head went out on the current attempt. */
  requestSent = false;
  /** A final response head went out downstream; from here on failures can only break the connection. */
  responseStarted = false;
  /** Any byte came back on the current attempt. */
  responseSeen = false;
  continueSent = false;
  keepsBody = false;
  /** INVARIANT: true while everything sent of the body is also in bodyCopy. */
  replayable = true;
  /** The next attempt must open a connection: the last one found a pooled one dead. */
  wantsFreshConnection = false;
  waitsForConnection = false;
  chunkedDownstream = false;
  closeDownstream = false;
  /** The current attempt counts against its endpoint and cluster. */
  attemptActive = false;
  /** The current attempt, or the wait for it, counts against the cluster's retry limit. */
  isRetry = false;
  attempts = 0;
  retries = 0;
  interimResponses = 0;

  /** Normalised target to forward instead of the received one, or null. */
  target: string | null = null;
  path = "";
  startedMs = 0;
  startedWallMs = 0;
  upstreamStartedMs = 0;
  upstreamServiceMs = -1;
  /** What the response says of its connection: whether it lives on, and for how long when idle, or -1. */
  upstreamKeepsAlive = false;
  upstreamIdleSeconds = -1;
  responseCode = 0;
  flags = "-";
  details: string | null = null;
  failureReason: string | null = null;
  requestHeadBytes = 0;
  responseHeadBytes = 0;
  /** Bytes of a reply of our own, head included. */
  replyBytes = 0;
  replyBodyBytes = 0;
  /** Our end of the upstream connection; only filled for the access log. */
  upstreamLocal: ByteRange | null = null;
  #authority: string | null = null;

  constructor(options: ExchangeOptions, timers: ExchangeTimers) {
    this.requestParser = new RequestHeadParser(options);
    this.requestBody = new BodyDecoder(options.underscores);
    this.routeDeadline = new Deadline(() => timers.onRouteTimeout(this));
    this.tryDeadline = new Deadline(() => timers.onTryTimeout(this));
    this.backoffDeadline = new Deadline(() => timers.onBackoffEnd(this));
  }

  get method(): string {
    return this.requestParser.head.method;
  }

  authority(): string {
    return (this.#authority ??= this.requestParser.head.authority());
  }

  header(lowerCaseName: string): string | null {
    return routedHeader(this.downstream!.listener.role, lowerCaseName, this);
  }

  receivedHeader(lowerCaseName: string): string | null {
    return this.requestParser.head.header(lowerCaseName);
  }

  get peerAddress(): string {
    return this.downstream!.connection.remoteAddress;
  }

  requestIdText(): string {
    return this.requestId.toString("latin1");
  }

  query(): string {
    return this.requestParser.head.query();
  }

  /** Makes room for `bytes` more of the head. */
  growHead(bytes: number): void {
    this.headBytes = grown(this.headBytes, this.headFill, bytes);
  }

  growPartialResponse(bytes: number): void {
    this.partialResponse = grown(this.partialResponse, this.partialFill, bytes);
  }

  /** Keeps the payload that `requestBody` has just found in `bytes`. */
  keepPayload(bytes: Buffer, payloadBytes: number): void {
    this.bodyCopy = grown(this.bodyCopy, this.bodyCopyFill, payloadBytes);
    const { ranges, rangeCount } = this.requestBody;
    for (let index = 0; index < rangeCount * 2; index += 2) {
      this.bodyCopyFill += bytes.copy(this.bodyCopy, this.bodyCopyFill, ranges[index], ranges[index + 1]);
    }
  }

  /** Ready for the next request of any connection. */
  reset(): void {
    this.requestParser.reset();
    if (this.headBytes.length > keptHeadBytes) this.headBytes = Buffer.allocUnsafeSlow(initialHeadBytes);
    this.headFill = 0;
    this.partialResponse = noBytes;
    this.partialFill = 0;
    this.bodyCopy = noBytes;
    this.bodyCopyFill = 0;
    if (this.tried.length > 0) this.tried.length = 0;
    this.downstream = null;
    this.upstream = null;
    this.route = null;
    this.action = null;
    this.cluster = null;
    this.clusterName = null;
    this.endpoint = null;
    this.requestState = messageState.head;
    this.responseState = messageState.head;
    this.requestSent = false;
    this.responseStarted = false;
    this.responseSeen = false;
    this.continueSent = false;
    this.keepsBody = false;
    this.replayable = true;
    this.wantsFreshConnection = false;
    this.waitsForConnection = false;
    this.chunkedDownstream = false;
    this.closeDownstream = false;
    this.attemptActive = false;
    this.isRetry = false;
    this.attempts = 0;
    this.retries = 0;
    this.interimResponses = 0;
    this.target = null;
    this.path = "";
    this.upstreamServiceMs = -1;
    this.responseCode = 0;
    this.flags = "-";
    this.details = null;
    this.failureReason = null;
    this.requestHeadBytes = 0;
    this.responseHeadBytes = 0;
    this.replyBytes = 0;
    this.replyBodyBytes = 0;
    this.upstreamLocal = null;
    // A request that fails before its trace is read must not be taken for the last one's.
    if (this.trace !== null) this.trace.sampled = false;
    this.requestBody.startNone();
    this.responseBody.startNone();
    this.#authority = null;
  }
}

/** `buffer`, or a larger copy of its first `used` bytes, with room for `more`. */
export function grown(buffer: Buffer, used: number, more: number): Buffer {
  const needed = used + more;
  if (needed <= buffer.length) return buffer;
  const next = Buffer.allocUnsafeSlow(Math.max(needed, buffer.length * 2, initialHeadBytes));
  buffer.copy(next, 0, 0, used);
  return next;
}
