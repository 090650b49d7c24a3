// SPDX-License-Identifier: Apache-2.0
// What is sent on of what was received: the one place for every header rule in either direction, and for body framing.
// Untouched header lines are copied as the bytes they came as, in runs.
//
// Request, gateway: x-forwarded-for gets the peer appended, x-forwarded-proto and x-request-id are ours, x-envoy-* from
// outside is dropped. Request, mesh: those stay as they are, missing ones are added (Istio: use_remote_address false).
// Both: x-forwarded-client-cert is dropped, for nobody has shown a certificate (Istio: SANITIZE).
// Trace headers pass as they are, or with tracing on are written anew (trace-headers.ts).
// Framing fields are always written anew from what the parser understood (RFC 9112 §6).

import {
  chunkPrefixLength,
  copyBytes,
  HeaderId,
  writeAscii,
  writeChunkPrefix,
  writeDecimal,
  type BodyDecoder,
  type RequestHead,
  type ResponseHead,
} from "./http1/index.ts";
import type { Exchange } from "./exchange.ts";
import { requestIdBytes } from "./request-ids.ts";
import { traceHeadersBytes, writeTraceHeaders } from "./trace-headers.ts";

/** Most that encodeRequestHead adds to the length of the received head and its target; a host name has 253 bytes. */
export const requestHeadSlack = 768 + traceHeadersBytes;
/** Most that encodeResponseHead adds to the length of the received head. */
export const responseHeadSlack = 256;
/** Most that framing adds to a payload: one chunk prefix, its end and the last chunk. */
export const framingSlack = 64;

const headerIdCount = 256;
const ofGateway: readonly number[] = [
  HeaderId.xForwardedFor,
  HeaderId.xForwardedProto,
  HeaderId.xRequestId,
  HeaderId.xEnvoy,
  HeaderId.xForwardedClientCert,
];
const ofMesh: readonly number[] = [HeaderId.xForwardedClientCert];
const ofTracing: readonly number[] = [
  HeaderId.traceparent,
  HeaderId.b3,
  HeaderId.xB3TraceId,
  HeaderId.xB3SpanId,
  HeaderId.xB3ParentSpanId,
  HeaderId.xB3Sampled,
  HeaderId.xB3Flags,
];
const gatewayDrops = requestDrops(ofGateway);
const meshDrops = requestDrops(ofMesh);
const responseDrops = dropTable([]);

/** Writes the head for the upstream into `out`; returns its length. */
export function encodeRequestHead(out: Buffer, exchange: Exchange): number {
  const head = exchange.requestParser.head;
  const downstream = exchange.downstream!;
  const atEdge = downstream.listener.role === "gateway";
  let at = writeAscii(out, 0, head.method);
  out[at++] = 0x20;
  if (exchange.target !== null) at = writeAscii(out, at, exchange.target);
  else {
    // An absolute form may have a query and yet no path (RFC 9112 §3.2.1).
    if (head.pathStart === head.pathEnd) out[at++] = 0x2f;
    at = copyBytes(head.bytes, head.base + head.pathStart, head.base + head.queryEnd, out, at);
  }
  at = writeAscii(out, at, " HTTP/1.1\r\n");
  const trace = exchange.trace;
  const drops = atEdge ? gatewayDrops : meshDrops;
  at = copyKept(head, trace === null ? drops.untraced : trace.keepsTracestate ? drops.traced : drops.begun, out, at);
  if (trace !== null) at = writeTraceHeaders(trace, out, at);
  if (head.minorVersion === 0 && head.find(HeaderId.host) < 0) at = writeHost(exchange, out, at);
  if (atEdge) {
    at = writeForwardedFor(head, downstream.connection.remoteAddress, out, at);
    at = writeAscii(out, at, "x-forwarded-proto: http\r\n");
    at = writeRequestId(exchange, out, at);
  } else {
    if (head.find(HeaderId.xForwardedProto) < 0) at = writeAscii(out, at, "x-forwarded-proto: http\r\n");
    if (head.find(HeaderId.xRequestId) < 0) at = writeRequestId(exchange, out, at);
  }
  // RFC 9110 §10.1.4: TE is hop-by-hop and must be nominated.
  if (head.teTrailers) at = writeAscii(out, at, "te: trailers\r\nconnection: te\r\n");
  if (head.chunked) at = writeAscii(out, at, "transfer-encoding: chunked\r\n");
  else if (head.contentLength >= 0) at = writeContentLength(head.contentLength, out, at);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** Writes the head for the client into `out`; returns its length. */
export function encodeResponseHead(
  out: Buffer,
  head: ResponseHead,
  requestMinorVersion: 0 | 1,
  chunked: boolean,
  close: boolean,
  httpDate: string,
): number {
  let at = writeStatusLine(head, out);
  at = copyKept(head, responseDrops, out, at);
  if (head.find(HeaderId.date) < 0) {
    at = writeAscii(out, at, "date: ");
    at = writeAscii(out, at, httpDate);
    at = writeAscii(out, at, "\r\n");
  }
  if (chunked) at = writeAscii(out, at, "transfer-encoding: chunked\r\n");
  else if (head.contentLength >= 0) at = writeContentLength(head.contentLength, out, at);
  if (close) at = writeAscii(out, at, "connection: close\r\n");
  else if (requestMinorVersion === 0) at = writeAscii(out, at, "connection: keep-alive\r\n");
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** An interim response (1xx) on its way to the client; returns its length. */
export function encodeInterimHead(out: Buffer, head: ResponseHead): number {
  let at = writeStatusLine(head, out);
  at = copyKept(head, responseDrops, out, at);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** Writes the payload that `body` has just found in `bytes`, framed; returns the new offset. */
export function encodeBody(
  body: BodyDecoder,
  bytes: Buffer,
  out: Buffer,
  at: number,
  chunked: boolean,
  withTrailers: boolean,
): number {
  const ranges = body.ranges;
  const end = body.rangeCount * 2;
  if (chunked) {
    let length = 0;
    for (let index = 0; index < end; index += 2) length += ranges[index + 1]! - ranges[index]!;
    if (length > 0) {
      at = writeChunkPrefix(out, at, length);
      for (let index = 0; index < end; index += 2) at = copyBytes(bytes, ranges[index]!, ranges[index + 1]!, out, at);
      out[at++] = 0x0d;
      out[at++] = 0x0a;
    }
    return body.done ? writeLastChunk(withTrailers ? body.trailers : null, out, at) : at;
  }
  for (let index = 0; index < end; index += 2) at = copyBytes(bytes, ranges[index]!, ranges[index + 1]!, out, at);
  return at;
}

/** The payload kept for a repeated attempt, framed; `complete` when it is the whole body. */
export function encodeReplay(
  copy: Buffer,
  length: number,
  out: Buffer,
  at: number,
  chunked: boolean,
  complete: boolean,
  trailers: Buffer | null,
): number {
  if (!chunked) return copyBytes(copy, 0, length, out, at);
  if (length > 0) {
    at = writeChunkPrefix(out, at, length);
    at = copyBytes(copy, 0, length, out, at);
    out[at++] = 0x0d;
    out[at++] = 0x0a;
  }
  return complete ? writeLastChunk(trailers, out, at) : at;
}

/** Bytes that `encodeBody` may need beyond the payload itself. */
export function framingBytes(payloadBytes: number, trailers: Buffer | null): number {
  return chunkPrefixLength(payloadBytes) + framingSlack + (trailers === null ? 0 : trailers.length);
}

function writeLastChunk(trailers: Buffer | null, out: Buffer, at: number): number {
  at = writeAscii(out, at, "0\r\n");
  if (trailers !== null) at = copyBytes(trailers, 0, trailers.length, out, at);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

function writeStatusLine(head: ResponseHead, out: Buffer): number {
  let at = writeAscii(out, 0, "HTTP/1.1 ");
  at = writeDecimal(out, at, head.statusCode);
  out[at++] = 0x20;
  at = copyBytes(head.bytes, head.base + head.reasonStart, head.base + head.reasonEnd, out, at);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** Copies the lines that are neither hop-by-hop, nor nominated by Connection, nor in `drops`. */
function copyKept(head: RequestHead | ResponseHead, drops: Uint8Array, out: Buffer, at: number): number {
  const { bytes, base, drop, headerId, nameStart, lineEnd, headerCount } = head;
  let runStart = -1;
  let runEnd = 0;
  for (let index = 0; index < headerCount; index++) {
    if (drop[index] === 1 || drops[headerId[index]!] === 1) {
      if (runStart >= 0) at = copyBytes(bytes, base + runStart, base + runEnd, out, at);
      runStart = -1;
      continue;
    }
    if (runStart < 0) runStart = nameStart[index]!;
    runEnd = lineEnd[index]!;
  }
  return runStart < 0 ? at : copyBytes(bytes, base + runStart, base + runEnd, out, at);
}

/** HTTP/1.0 clients may leave Host out, HTTP/1.1 upstreams must get one (RFC 9112 §3.2). */
function writeHost(exchange: Exchange, out: Buffer, at: number): number {
  const authority = exchange.authority();
  at = writeAscii(out, at, "host: ");
  at = writeAscii(out, at, authority === "" ? exchange.cluster!.spec.service.host : authority);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** Several lines become one, and no space follows its commas: as Envoy, from 1.8 on. */
function writeForwardedFor(head: RequestHead, peer: string, out: Buffer, at: number): number {
  at = writeAscii(out, at, "x-forwarded-for: ");
  for (let index = 0; index < head.headerCount; index++) {
    if (head.headerId[index] !== HeaderId.xForwardedFor) continue;
    at = copyBytes(head.bytes, head.base + head.valueStart[index]!, head.base + head.valueEnd[index]!, out, at);
    out[at++] = 0x2c;
  }
  at = writeAscii(out, at, peer);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

function writeRequestId(exchange: Exchange, out: Buffer, at: number): number {
  at = writeAscii(out, at, "x-request-id: ");
  const id = exchange.requestId;
  for (let index = 0; index < requestIdBytes; index++) out[at++] = id[index]!;
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

function writeContentLength(length: number, out: Buffer, at: number): number {
  at = writeAscii(out, at, "content-length: ");
  at = writeDecimal(out, at, length);
  out[at++] = 0x0d;
  out[at++] = 0x0a;
  return at;
}

/** `traced`: of a trace that goes on; `begun`: the trace is ours, and a tracestate belongs to another. */
function requestDrops(ids: readonly number[]) {
  const traced = [...ids, ...ofTracing];
  return {
    untraced: dropTable(ids),
    traced: dropTable(traced),
    begun: dropTable([...traced, HeaderId.tracestate]),
  };
}

/** Framing fields and Expect are never copied; the rest depends on the direction. */
function dropTable(ids: readonly number[]): Uint8Array {
  const table = new Uint8Array(headerIdCount);
  for (const id of [HeaderId.contentLength, HeaderId.transferEncoding, HeaderId.expect, ...ids]) table[id] = 1;
  return table;
}
