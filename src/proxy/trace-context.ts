// SPDX-License-Identifier: Apache-2.0
// The trace an exchange belongs to: reading it from the request's headers, and what is kept of it as bytes. Formats: W3C
// Trace Context (version 00, and later ones as far as they are readable), B3 in one header and in several.

import { hexValue } from "./http1/bytes.ts";
import { HeaderId, type RequestHead } from "./http1/index.ts";
import { highDigit, lowDigit, type RandomPool } from "./random-pool.ts";

export const traceIdDigits = 32;
export const spanIdDigits = 16;
/** Where the parts of a traceparent stand: `00-<trace id>-<span id>-<flags>`. */
export const traceIdAt = 3;
export const spanIdAt = 36;
const flagsAt = 53;
const traceparentName = "traceparent: ";
const traceparentLength = 55;

/** What the caller wants done with its trace. */
export const decision = { none: 0, drop: 1, sample: 2 } as const;
type Decision = (typeof decision)[keyof typeof decision];

const hyphen = 0x2d;
const digit0 = 0x30;
const digit1 = 0x31;
const letterD = 0x64;
const hexDigits = Buffer.from("0123456789abcdef", "latin1");
/** As `hexValue`, without the letters in upper case: W3C has none. */
const lowerHexValue = hexValue.map((value, byte) => (byte >= 0x41 && byte <= 0x5a ? 255 : value));
const sampledFlag = 1;
/** Level 2: the trace id is random. Passed on as it came, for who made the id knows. */
const randomFlag = 2;

const firstId = HeaderId.traceparent;
const lastId = HeaderId.xB3Flags;
const absent = -1;
/** Two lines where one is allowed: nobody can tell which counts. */
const ambiguous = -2;

/** One per exchange, made when tracing first needs it and used again with the exchange. */
export class TraceContext {
  /** The header line as sent to the upstream. */
  readonly traceparentLine: Buffer = Buffer.from(
    `${traceparentName}00-${"0".repeat(traceIdDigits)}-${"0".repeat(spanIdDigits)}-00\r\n`,
    "latin1",
  );
  /** Its value, with the id of our call to the upstream. */
  readonly traceparent: Buffer = this.traceparentLine.subarray(
    traceparentName.length,
    traceparentName.length + traceparentLength,
  );
  /** Span id of the caller; only with `hasParent`. */
  readonly parentId: Buffer = Buffer.alloc(spanIdDigits);
  /** Of the exchange as a span above the call to the upstream; only when `hasServerSpan`. */
  readonly serverSpanId: Buffer = Buffer.alloc(spanIdDigits);
  hasParent = false;
  hasServerSpan = false;
  sampled = false;
  /** B3's debug flag: sampled, whatever anybody's rate is. */
  debug = false;
  /** The caller's tracestate belongs to the trace id that is passed on. */
  keepsTracestate = false;
  /** Forms of B3 in the request; the upstream gets the same. */
  b3Single = false;
  b3Multi = false;
  /** B3 came with a trace id of 64 bits, and goes on so. */
  shortTraceId = false;
  #flags = 0;
  /** Line of each trace header by `HeaderId`, from `firstId` on. */
  readonly #lines = new Int16Array(lastId - firstId + 1);

  /**
   * Reads the trace of a request; `hasParent` says whether there is one. A header that breaks its grammar, or comes twice,
   * does not exist. Order: traceparent, b3, x-b3-*.
   */
  read(head: RequestHead): Decision {
    this.hasParent = false;
    this.hasServerSpan = false;
    this.debug = false;
    this.shortTraceId = false;
    this.#flags = 0;
    const found = this.#find(head);
    if (!found) {
      this.keepsTracestate = false;
      this.b3Single = false;
      this.b3Multi = false;
      return decision.none;
    }
    this.b3Single = this.#line(HeaderId.b3) !== absent;
    this.b3Multi = this.#hasB3Lines();
    this.keepsTracestate = this.#readTraceparent(head, this.#line(HeaderId.traceparent));
    if (this.keepsTracestate) return (this.#flags & sampledFlag) === 1 ? decision.sample : decision.drop;
    const single = this.#readB3(head, this.#line(HeaderId.b3));
    return this.hasParent || single !== decision.none ? single : this.#readB3Lines(head);
  }

  /** Writes the flags of what is sent on. */
  decide(sampled: boolean): void {
    this.sampled = sampled;
    this.traceparent[flagsAt + 1] = hexDigits[(this.#flags & randomFlag) | (sampled ? sampledFlag : 0)]!;
  }

  #line(id: number): number {
    return this.#lines[id - firstId]!;
  }

  #hasB3Lines(): boolean {
    for (let id: number = HeaderId.xB3TraceId; id <= lastId; id++) if (this.#line(id) !== absent) return true;
    return false;
  }

  /** False when the request has no trace header at all, as most have not. */
  #find(head: RequestHead): boolean {
    const { headerId, headerCount, drop } = head;
    let found = false;
    for (let index = 0; index < headerCount; index++) {
      const id = headerId[index]!;
      // What Connection nominates, or a policy dropped, does not exist.
      if (id < firstId || id > lastId || drop[index] === 1) continue;
      if (!found) this.#lines.fill(absent);
      found = true;
      this.#lines[id - firstId] = this.#lines[id - firstId] === absent ? index : ambiguous;
    }
    return found;
  }

  /** W3C Trace Context §3.2.2: versions above 00 may have more fields behind the known ones; ff is none. */
  #readTraceparent(head: RequestHead, line: number): boolean {
    if (line < 0) return false;
    const { bytes } = head;
    const at = head.base + head.valueStart[line]!;
    const length = head.valueEnd[line]! - head.valueStart[line]!;
    if (length < traceparentLength) return false;
    const version = lowerHexByte(bytes, at);
    if (version < 0 || version === 0xff) return false;
    if (length > traceparentLength && (version === 0 || bytes[at + traceparentLength] !== hyphen)) return false;
    if (bytes[at + 2] !== hyphen || bytes[at + 35] !== hyphen || bytes[at + 52] !== hyphen) return false;
    const flags = lowerHexByte(bytes, at + flagsAt);
    if (flags < 0 || !this.#take(bytes, at + traceIdAt, traceIdDigits, at + spanIdAt, lowerHexValue)) return false;
    this.#flags = flags;
    return true;
  }

  /** `{trace id}-{span id}[-{sampling}[-{parent span id}]]`, or `{sampling}` alone. */
  #readB3(head: RequestHead, line: number): Decision {
    if (line < 0) return decision.none;
    const { bytes } = head;
    const at = head.base + head.valueStart[line]!;
    const end = head.base + head.valueEnd[line]!;
    if (end - at === 1) return this.#sampling(bytes[at]!);
    let digits = spanIdDigits;
    if (bytes[at + digits] !== hyphen) digits = traceIdDigits;
    const spanAt = at + digits + 1;
    const spanEnd = spanAt + spanIdDigits;
    if (spanEnd > end || bytes[spanAt - 1] !== hyphen) return decision.none;
    const hasSampling = spanEnd < end;
    if (hasSampling && !isB3Rest(bytes, spanEnd, end)) return decision.none;
    if (!this.#take(bytes, at, digits, spanAt, hexValue)) return decision.none;
    return hasSampling ? this.#sampling(bytes[spanEnd + 1]!) : decision.none;
  }

  #readB3Lines(head: RequestHead): Decision {
    const { bytes, base, valueStart, valueEnd } = head;
    const traceLine = this.#line(HeaderId.xB3TraceId);
    const spanLine = this.#line(HeaderId.xB3SpanId);
    if (traceLine >= 0 && spanLine >= 0) {
      const digits = valueEnd[traceLine]! - valueStart[traceLine]!;
      const spanDigits = valueEnd[spanLine]! - valueStart[spanLine]!;
      if (spanDigits === spanIdDigits && (digits === spanIdDigits || digits === traceIdDigits)) {
        this.#take(bytes, base + valueStart[traceLine]!, digits, base + valueStart[spanLine]!, hexValue);
      }
    }
    const flagsLine = this.#line(HeaderId.xB3Flags);
    if (flagsLine >= 0 && head.value(flagsLine) === "1") return this.#sampling(letterD);
    const sampledLine = this.#line(HeaderId.xB3Sampled);
    if (sampledLine < 0) return decision.none;
    // Words were written before the format was settled; Envoy and Brave still read them.
    switch (head.value(sampledLine)) {
      case "1":
      case "true":
        return decision.sample;
      case "0":
      case "false":
        return decision.drop;
      default:
        return decision.none;
    }
  }

  #sampling(byte: number): Decision {
    if (byte === letterD) this.debug = true;
    if (byte === digit1 || byte === letterD) return decision.sample;
    return byte === digit0 ? decision.drop : decision.none;
  }

  /** Takes ids over, in lower case; `values` says what a digit is, and an id of zeros is none. */
  #take(bytes: Buffer, traceAt: number, digits: number, spanAt: number, values: Uint8Array): boolean {
    const to = this.traceparent;
    const shift = traceIdDigits - digits;
    for (let index = 0; index < shift; index++) to[traceIdAt + index] = digit0;
    if (!copyId(bytes, traceAt, digits, values, to, traceIdAt + shift)) return false;
    if (!copyId(bytes, spanAt, spanIdDigits, values, this.parentId, 0)) return false;
    this.shortTraceId = shift > 0;
    this.hasParent = true;
    return true;
  }
}

/** Makes ids as hexadecimal digits. */
export class TraceIds {
  readonly #pool: RandomPool;

  constructor(pool: RandomPool) {
    this.#pool = pool;
  }

  /** HOT: writes an even number of digits, not all of them 0, at `out[at]`. */
  write(out: Uint8Array, at: number, digits: number): void {
    const { bytes } = this.#pool;
    const from = this.#pool.take(digits / 2);
    const end = from + digits / 2;
    let seen = 0;
    for (let index = from; index < end; index++) {
      const byte = bytes[index]!;
      seen |= byte;
      out[at++] = highDigit[byte]!;
      out[at++] = lowDigit[byte]!;
    }
    if (seen === 0) out[at - 1] = digit1;
  }
}

/** `-{sampling}` and perhaps `-{parent span id}`, of which nothing is used. */
function isB3Rest(bytes: Buffer, at: number, end: number): boolean {
  if (bytes[at] !== hyphen) return false;
  if (bytes[at + 1] !== digit0 && bytes[at + 1] !== digit1 && bytes[at + 1] !== letterD) return false;
  if (end - at === 2) return true;
  if (end - at !== 3 + spanIdDigits || bytes[at + 2] !== hyphen) return false;
  for (let index = at + 3; index < end; index++) if (hexValue[bytes[index]!] === 255) return false;
  return true;
}

function copyId(from: Buffer, at: number, digits: number, values: Uint8Array, to: Buffer, toAt: number): boolean {
  let seen = 0;
  for (let index = 0; index < digits; index++) {
    const value = values[from[at + index]!]!;
    if (value === 255) return false;
    seen |= value;
    to[toAt + index] = hexDigits[value]!;
  }
  return seen !== 0;
}

/** -1 when it is not two hexadecimal digits in lower case. */
function lowerHexByte(bytes: Buffer, at: number): number {
  const high = lowerHexValue[bytes[at]!]!;
  const low = lowerHexValue[bytes[at + 1]!]!;
  return high === 255 || low === 255 ? -1 : high * 16 + low;
}
