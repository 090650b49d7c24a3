// SPDX-License-Identifier: Apache-2.0
// Reads one message through the codec in pieces, each piece in a buffer of its own at an odd place, and tells all that
// came out as plain data.

import assert from "node:assert/strict";

import {
  BodyDecoder,
  failed,
  type HeadLimits,
  headLimits,
  needMore,
  type ParseStatus,
  RequestHeadParser,
  ResponseHeadParser,
} from "../../../../src/proxy/http1/index.ts";

export interface BodyReading {
  readonly outcome: "accepted" | "refused" | "incomplete";
  /** Error code and reason when refused, else "". */
  readonly error: string;
  readonly reason: string;
  readonly body: string;
  readonly trailers: string;
  /** Bytes of the whole message when accepted. */
  readonly length: number;
}

export interface RequestReading extends BodyReading {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Names of the lines that must not be forwarded. */
  readonly dropped: readonly string[];
  readonly flags: string;
}

export interface ResponseReading extends BodyReading {
  readonly statusCode: number;
  readonly statusReason: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly dropped: readonly string[];
  readonly bodyKind: string;
  readonly keepAlive: boolean;
  readonly keepAliveTimeoutSeconds: number;
}

/** Every way to cut a message in two, and one byte at a time. */
export function allCuts(length: number): number[][] {
  const cuts = Array.from({ length: Math.max(0, length - 1) }, (_, index) => [index + 1]);
  cuts.push(Array.from({ length: Math.max(0, length - 1) }, (_, index) => index + 1));
  return cuts;
}

/** Latin1 text to bytes. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Reads a request given in pieces that end at `cuts` and at the end of `message`. */
export function readRequest(
  message: Buffer,
  cuts: readonly number[] = [],
  limits: HeadLimits = headLimits,
): RequestReading {
  const parser = new RequestHeadParser(limits);
  const ends = [...cuts, message.length];
  const { status, piece } = readHead(parser, message, ends);
  if (status !== 1) return { ...noRequest, ...unfinished(status, parser.error, parser.errorReason) };
  const head = parser.head;
  const decoder = new BodyDecoder();
  if (head.chunked) decoder.startChunked();
  else decoder.startLength(Math.max(0, head.contentLength));
  const flags = [
    `HTTP/1.${head.minorVersion}`,
    ...(head.keepAlive ? ["keepAlive"] : []),
    ...(head.expectContinue ? ["expectContinue"] : []),
    ...(head.teTrailers ? ["teTrailers"] : []),
    ...(head.upgrade ? ["upgrade"] : []),
    ...(head.chunked ? ["chunked"] : []),
    ...(head.contentLength >= 0 ? [`length=${head.contentLength}`] : []),
    ...(head.pathNeedsNormalization ? ["pathNeedsNormalization"] : []),
  ].join(" ");
  return {
    ...{
      method: head.method,
      target: head.target(),
      authority: head.authority(),
      path: head.path(),
      query: head.query(),
    },
    headers: Array.from({ length: head.headerCount }, (_, index) => [head.name(index), head.value(index)] as const),
    dropped: droppedNames(head),
    flags,
    ...readBody(decoder, "BAD_REQUEST", message, head.length, ends.slice(piece), false),
  };
}

/** Reads the response to a `method` request; `thenEnd`: the connection ends after the message. */
export function readResponse(
  message: Buffer,
  cuts: readonly number[] = [],
  method = "GET",
  thenEnd = false,
): ResponseReading {
  const parser = new ResponseHeadParser(headLimits);
  const ends = [...cuts, message.length];
  const { status, piece } = readHead(parser, message, ends);
  if (status !== 1) return { ...noResponse, ...unfinished(status, parser.error, parser.errorReason) };
  const head = parser.head;
  const decoder = new BodyDecoder();
  const bodyKind = head.bodyKind(method);
  if (bodyKind === "none") decoder.startNone();
  else if (bodyKind === "chunked") decoder.startChunked();
  else if (bodyKind === "length") decoder.startLength(head.contentLength);
  else decoder.startUntilClose();
  return {
    ...{ statusCode: head.statusCode, statusReason: head.reason(), bodyKind, keepAlive: head.keepAlive },
    keepAliveTimeoutSeconds: head.keepAliveTimeoutSeconds,
    headers: Array.from({ length: head.headerCount }, (_, index) => [head.name(index), head.value(index)] as const),
    dropped: droppedNames(head),
    ...readBody(decoder, "UPSTREAM_PROTOCOL_ERROR", message, head.length, ends.slice(piece), thenEnd),
  };
}

/** Reads a body given in pieces. */
export function readBody(
  decoder: BodyDecoder,
  error: string,
  message: Buffer,
  start: number,
  ends: readonly number[],
  thenEnd: boolean,
): BodyReading {
  let body = "";
  let from = start;
  for (const end of ends) {
    if (end < from) continue;
    const { bytes, base } = pieceOf(message, from, end);
    let at = base;
    const to = base + end - from;
    while (at < to && !decoder.done && !decoder.failed) {
      const next = decoder.decode(bytes, at, to);
      for (let index = 0; index < decoder.rangeCount; index++) {
        body += bytes.toString("latin1", decoder.ranges[index * 2], decoder.ranges[index * 2 + 1]);
      }
      assert.ok(next > at || decoder.failed, "decode must make progress");
      at = next;
    }
    from += at - base;
    if (decoder.done || decoder.failed) break;
  }
  if (thenEnd) decoder.endOfInput();
  if (!decoder.failed) assert.equal(decoder.payloadBytes, body.length);
  const trailers = decoder.trailers === null ? "" : decoder.trailers.toString("latin1");
  if (decoder.failed)
    return { outcome: "refused", error, reason: decoder.errorReason, body: "", trailers: "", length: 0 };
  if (!decoder.done) return { outcome: "incomplete", error: "", reason: "", body, trailers, length: 0 };
  return { outcome: "accepted", error: "", reason: "", body, trailers, length: from };
}

interface Parser {
  parse(bytes: Buffer, base: number, to: number): ParseStatus;
}

/** `piece`: index of the piece that completed the head. */
function readHead(parser: Parser, message: Buffer, ends: readonly number[]): { status: ParseStatus; piece: number } {
  let status: ParseStatus = needMore;
  for (const [index, end] of ends.entries()) {
    const { bytes, base } = pieceOf(message, 0, end);
    status = parser.parse(bytes, base, base + end);
    if (status !== needMore) return { status, piece: index };
  }
  return { status, piece: ends.length };
}

/** A copy of a part of the message in a buffer of its own, with CRLFs around it that nobody may look at. */
function pieceOf(message: Buffer, from: number, to: number): { bytes: Buffer; base: number } {
  const base = (to % 5) * 2;
  const padding = "\r\n".repeat(5);
  const bytes = Buffer.concat([bytesOf(padding.slice(0, base)), message.subarray(from, to), bytesOf(padding)]);
  return { bytes, base };
}

function unfinished(status: ParseStatus, error: string, reason: string): BodyReading {
  const refused = status === failed;
  return {
    outcome: refused ? "refused" : "incomplete",
    error: refused ? error : "",
    reason: refused ? reason : "",
    ...{ body: "", trailers: "", length: 0 },
  };
}

function droppedNames(head: RequestHeadParser["head"] | ResponseHeadParser["head"]): string[] {
  return Array.from({ length: head.headerCount }, (_, index) => index)
    .filter((index) => head.drop[index] === 1)
    .map((index) => head.name(index).toLowerCase());
}

const noRequest = { method: "", target: "", authority: "", path: "", query: "", headers: [], dropped: [], flags: "" };
const noResponse = {
  ...{ statusCode: 0, statusReason: "", headers: [], dropped: [], bodyKind: "" },
  ...{ keepAlive: false, keepAliveTimeoutSeconds: -1 },
};
