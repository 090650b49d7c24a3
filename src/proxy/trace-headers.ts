// SPDX-License-Identifier: Apache-2.0
// The trace headers an upstream gets: W3C always, B3 in the forms in which the request came with it.

import { copyBytes, writeAscii } from "./http1/index.ts";
import { spanIdAt, spanIdDigits, traceIdAt, traceIdDigits, type TraceContext } from "./trace-context.ts";

/** Most that `writeTraceHeaders` writes. */
export const traceHeadersBytes = 320;

/** Writes the lines; returns the new offset. Allocates nothing. */
export function writeTraceHeaders(context: TraceContext, out: Buffer, at: number): number {
  const { traceparentLine } = context;
  // All of an array: no call costs less.
  out.set(traceparentLine, at);
  at += traceparentLine.length;
  if (context.b3Single) at = writeB3(context, out, at);
  if (context.b3Multi) at = writeB3Lines(context, out, at);
  return at;
}

function writeB3(context: TraceContext, out: Buffer, at: number): number {
  at = writeAscii(out, at, "b3: ");
  at = writeTraceId(context, out, at);
  out[at++] = 0x2d;
  at = writeSpanId(context, out, at);
  at = writeAscii(out, at, context.debug ? "-d" : context.sampled ? "-1" : "-0");
  const parent = parentOf(context);
  if (parent !== null) {
    out[at++] = 0x2d;
    at = copyBytes(parent, 0, spanIdDigits, out, at);
  }
  return endLine(out, at);
}

function writeB3Lines(context: TraceContext, out: Buffer, at: number): number {
  at = writeAscii(out, at, "x-b3-traceid: ");
  at = endLine(out, writeTraceId(context, out, at));
  at = writeAscii(out, at, "x-b3-spanid: ");
  at = endLine(out, writeSpanId(context, out, at));
  const parent = parentOf(context);
  if (parent !== null) {
    at = writeAscii(out, at, "x-b3-parentspanid: ");
    at = endLine(out, copyBytes(parent, 0, spanIdDigits, out, at));
  }
  // Debug implies the decision, which then is not sent beside it.
  if (context.debug) return writeAscii(out, at, "x-b3-flags: 1\r\n");
  return writeAscii(out, at, context.sampled ? "x-b3-sampled: 1\r\n" : "x-b3-sampled: 0\r\n");
}

/** Of our call to the upstream. */
function parentOf(context: TraceContext): Buffer | null {
  if (context.hasServerSpan) return context.serverSpanId;
  return context.hasParent ? context.parentId : null;
}

function writeTraceId({ traceparent, shortTraceId }: TraceContext, out: Buffer, at: number): number {
  const start = shortTraceId ? traceIdAt + traceIdDigits / 2 : traceIdAt;
  return copyBytes(traceparent, start, traceIdAt + traceIdDigits, out, at);
}

function writeSpanId({ traceparent }: TraceContext, out: Buffer, at: number): number {
  return copyBytes(traceparent, spanIdAt, spanIdAt + spanIdDigits, out, at);
}

function endLine(out: Buffer, at: number): number {
  out[at] = 0x0d;
  out[at + 1] = 0x0a;
  return at + 2;
}
