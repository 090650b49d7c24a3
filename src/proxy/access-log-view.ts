// SPDX-License-Identifier: Apache-2.0
// A finished exchange as the access log sees it: one object, filled anew for each. Nothing is allocated and no string is
// made of what was received.

import { Buffer } from "node:buffer";

import type { AccessLogRecord, ByteRange } from "../telemetry/port.ts";
import { messageState, type Exchange } from "./exchange.ts";
import { copyBytes, HeaderId, writeAscii, type RequestHead } from "./http1/index.ts";

const initialForwardedBytes = 256;
const comma = 0x2c;

/** The bytes of a plain text that stays the same, e.g. of a connection's address. */
export function asciiRange(text: string): ByteRange {
  const bytes = Buffer.allocUnsafeSlow(text.length);
  return { bytes, start: 0, end: writeAscii(bytes, 0, text), plain: true };
}

/** A part of what was received; which part is changed for every exchange. */
class ReceivedRange implements ByteRange {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  plain = false;

  of(bytes: Buffer, start: number, end: number): this {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    return this;
  }
}

export class AccessLogView implements AccessLogRecord {
  startWallMs = 0;
  method: string | null = null;
  path: ByteRange | null = null;
  protocol: string | null = null;
  responseCode = 0;
  responseFlags = "-";
  responseCodeDetails: string | null = null;
  readonly connectionTerminationDetails = null;
  upstreamTransportFailureReason: string | null = null;
  bytesReceived = 0;
  bytesSent = 0;
  durationMs = 0;
  upstreamServiceTimeMs: number | null = null;
  xForwardedFor: ByteRange | null = null;
  userAgent: ByteRange | null = null;
  requestId: ByteRange | null = null;
  authority: ByteRange | null = null;
  upstreamHost: string | null = null;
  upstreamCluster: string | null = null;
  upstreamLocalAddress: ByteRange | null = null;
  downstreamLocalAddress: ByteRange | null = null;
  downstreamRemoteAddress: ByteRange | null = null;
  readonly requestedServerName = null;
  routeName: string | null = null;
  readonly #path = new ReceivedRange();
  readonly #xForwardedFor = new ReceivedRange();
  readonly #userAgent = new ReceivedRange();
  readonly #requestId = new ReceivedRange();
  readonly #authority = new ReceivedRange();
  /** A list of addresses that did not come as one piece. */
  #forwardedBytes = Buffer.allocUnsafeSlow(initialForwardedBytes);

  /** This view, of another exchange. */
  of(exchange: Exchange, durationMs: number): this {
    const downstream = exchange.downstream!;
    this.startWallMs = Math.round(exchange.startedWallMs);
    this.responseCode = exchange.responseCode;
    this.responseFlags = exchange.flags;
    this.responseCodeDetails = exchange.details;
    this.upstreamTransportFailureReason = exchange.failureReason;
    this.bytesReceived = exchange.requestBody.payloadBytes;
    this.bytesSent = exchange.responseStarted ? exchange.responseBody.payloadBytes : exchange.replyBodyBytes;
    this.durationMs = durationMs;
    this.upstreamServiceTimeMs = exchange.upstreamServiceMs < 0 ? null : exchange.upstreamServiceMs;
    this.upstreamHost = exchange.endpoint === null ? null : exchange.endpoint.key;
    this.upstreamCluster = exchange.clusterName;
    this.upstreamLocalAddress = exchange.upstreamLocal;
    this.downstreamLocalAddress = downstream.localText;
    this.downstreamRemoteAddress = downstream.remoteText;
    this.routeName = exchange.route === null ? null : exchange.route.spec.name || "default";
    this.#setRequest(exchange);
    return this;
  }

  #setRequest(exchange: Exchange): void {
    const atEdge = exchange.downstream!.listener.role === "gateway";
    const parsed = exchange.requestState !== messageState.head;
    const head = exchange.requestParser.head;
    const { bytes, base } = head;
    this.method = parsed ? head.method : null;
    this.path = parsed ? this.#path.of(bytes, base + head.targetStart, base + head.targetEnd) : null;
    this.protocol = parsed ? (head.minorVersion === 1 ? "HTTP/1.1" : "HTTP/1.0") : null;
    this.authority = parsed ? this.#authority.of(bytes, base + head.authorityStart, base + head.authorityEnd) : null;
    this.userAgent = parsed ? value(head, HeaderId.userAgent, this.#userAgent) : null;
    const peer = atEdge ? exchange.downstream!.remoteAddress : null;
    this.xForwardedFor = parsed ? this.#forwardedFor(head, peer) : peer;
    this.requestId = parsed ? this.#requestIdOf(exchange, atEdge) : null;
  }

  #requestIdOf(exchange: Exchange, atEdge: boolean): ByteRange {
    const made = exchange.requestId;
    const received = atEdge ? null : value(exchange.requestParser.head, HeaderId.xRequestId, this.#requestId);
    this.#requestId.plain = received === null;
    return received ?? this.#requestId.of(made, 0, made.length);
  }

  /** As forwarded, which is what operators follow from hop to hop: all lines as one list, and `peer` behind them. */
  #forwardedFor(head: RequestHead, peer: ByteRange | null): ByteRange | null {
    const { bytes, base, headerId, headerCount, valueStart, valueEnd } = head;
    const first = head.find(HeaderId.xForwardedFor);
    if (first < 0) return peer;
    let last = first;
    let length = peer === null ? 0 : peer.end - peer.start;
    for (let index = first; index < headerCount; index++) {
      if (headerId[index] !== HeaderId.xForwardedFor) continue;
      length += valueEnd[index]! - valueStart[index]! + 1;
      last = index;
    }
    if (last === first && peer === null) return value(head, HeaderId.xForwardedFor, this.#xForwardedFor);
    if (length > this.#forwardedBytes.length) this.#forwardedBytes = Buffer.allocUnsafeSlow(length);
    const out = this.#forwardedBytes;
    let at = 0;
    for (let index = first; index <= last; index++) {
      if (headerId[index] !== HeaderId.xForwardedFor) continue;
      at = copyBytes(bytes, base + valueStart[index]!, base + valueEnd[index]!, out, at);
      out[at++] = comma;
    }
    at = peer === null ? at - 1 : copyBytes(peer.bytes, peer.start, peer.end, out, at);
    return this.#xForwardedFor.of(out, 0, at);
  }
}

function value(head: RequestHead, id: number, range: ReceivedRange): ByteRange | null {
  const index = head.find(id);
  if (index < 0) return null;
  return range.of(head.bytes, head.base + head.valueStart[index]!, head.base + head.valueEnd[index]!);
}
