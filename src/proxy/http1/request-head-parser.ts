// SPDX-License-Identifier: Apache-2.0
// Parses request heads byte by byte (RFC 9112 §3, §5). Sans-I/O: the owner gives bytes and keeps them.
//
//   inMethod --SP--> inPath --?--> inQuery --SP--> inVersion --CRLF--> inFields
//       '--> inOtherTarget ---------SP-----------'
//
// Empty lines before a request are no part of it: the connection skips them.

import { type ErrorCode } from "../../core/index.ts";
import type { LimitName } from "../../model/index.ts";
import {
  asciiBytes,
  carriageReturn,
  dot,
  equalsBytes,
  lineFeed,
  pathBytesFor,
  pathPlain,
  questionMark,
  slash,
  space,
  targetByte,
  textOf,
  tokenByte,
} from "./bytes.ts";
import { badRequest, type Fault } from "./fault.ts";
import { FieldLines } from "./field-lines.ts";
import { complete, failed, type HeadLimits, needMore, type ParseStatus } from "./limits.ts";
import { RequestHead } from "./request-head.ts";
import { applyRequestRules } from "./request-rules.ts";

const inMethod = 0;
const inPath = 1;
const inQuery = 2;
const inOtherTarget = 3;
const inVersion = 4;
const inFields = 5;
const isComplete = 6;
const isFailed = 7;

const maxMethodBytes = 32;
/** Most frequent first. */
const knownMethods = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] as const;
const knownMethodBytes = knownMethods.map(asciiBytes);
const versionPrefix = asciiBytes("HTTP/1.");
const versionBytes = versionPrefix.length + 3;

const headTooLarge: Fault = {
  code: "REQUEST_HEADERS_TOO_LARGE",
  reason: "request head too large",
  limit: "header-bytes",
};
const tooManyHeaders: Fault = {
  code: "REQUEST_HEADERS_TOO_LARGE",
  reason: "too many header lines",
  limit: "header-count",
};
const targetTooLong: Fault = { code: "URI_TOO_LONG", reason: "request target too long", limit: "target-bytes" };
const connectNotServed: Fault = { code: "METHOD_NOT_SERVED", reason: "CONNECT is not served" };
const otherVersion: Fault = { code: "VERSION_NOT_SUPPORTED", reason: "HTTP version other than 1.0 and 1.1" };
const badMethod = badRequest("invalid method");
const badTarget = badRequest("invalid byte in the request target");
const emptyTarget = badRequest("empty request target");
const badVersion = badRequest("invalid HTTP version in the request line");

/** One per connection, reused: `reset` before each request. */
export class RequestHeadParser {
  /** Filled when `parse` says `complete`. */
  readonly head: RequestHead;
  /** Meaningful after `failed`. */
  error: ErrorCode = "BAD_REQUEST";
  /** Meaningful after `failed`: a constant for logs. */
  errorReason = "";
  /** Meaningful after `failed`: the limit that was reached, or null when the request is malformed. */
  errorLimit: LimitName | null = null;
  readonly #limits: HeadLimits;
  readonly #lines: FieldLines;
  readonly #pathKinds: Uint8Array;
  #state = inMethod;
  /** Start of the token being read, and where reading goes on; both relative to the base. */
  #tokenStart = 0;
  #position = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.#pathKinds = pathBytesFor(limits);
    this.#lines = new FieldLines(limits.maxHeaders);
    this.head = new RequestHead(this.#lines);
  }

  reset(): void {
    this.#state = inMethod;
    this.#tokenStart = this.#position = 0;
  }

  /**
   * The head starts at `bytes[base]`; bytes up to `to` are there. After `needMore` call again with more: the same bytes
   * from the same or another base, possibly in another buffer. The outcome does not depend on how the bytes were split.
   */
  parse(bytes: Buffer, base: number, to: number): ParseStatus {
    const limit = base + this.#limits.maxHeadBytes;
    const end = to < limit ? to : limit;
    let status: ParseStatus = this.#state === inFields ? complete : this.#parseRequestLine(bytes, base, end);
    if (status === complete) status = this.#parseFields(bytes, base, end);
    // INVARIANT: a head that fits ends at `limit` or before it, so wanting more there means it is too large.
    if (status === needMore && end === limit) return this.#fail(headTooLarge);
    return status;
  }

  #parseRequestLine(bytes: Buffer, base: number, to: number): ParseStatus {
    if (this.#state === inMethod && !this.#parseMethod(bytes, base, to)) return this.#outcome();
    if (this.#state === inPath && !this.#parsePath(bytes, base, to)) return this.#outcome();
    if (this.#state === inQuery || this.#state === inOtherTarget) {
      if (!this.#parseRestOfTarget(bytes, base, to)) return this.#outcome();
    }
    if (this.#state === inVersion && !this.#parseVersion(bytes, base, to)) return this.#outcome();
    return this.#outcome();
  }

  #outcome(): ParseStatus {
    if (this.#state === inFields) return complete;
    return this.#state >= isComplete ? failed : needMore;
  }

  #parseMethod(bytes: Buffer, base: number, to: number): boolean {
    const start = base + this.#tokenStart;
    const stop = Math.min(to, start + maxMethodBytes + 1);
    let at = base + this.#position;
    while (at < stop && tokenByte[bytes[at]!] === 1) at++;
    this.#position = at - base;
    if (at === start + maxMethodBytes + 1) return this.#refuse(badMethod);
    if (at === to) return false;
    if (at === start || bytes[at] !== space) return this.#refuse(badMethod);
    this.head.method = methodText(bytes, start, at);
    if (this.head.method === "CONNECT") return this.#refuse(connectNotServed);
    return this.#startTarget(at + 1 - base);
  }

  #startTarget(position: number): boolean {
    const head = this.head;
    head.targetStart = head.pathStart = position;
    head.pathNeedsNormalization = false;
    this.#tokenStart = this.#position = position;
    this.#state = inPath;
    return true;
  }

  /** HOT. */
  #parsePath(bytes: Buffer, base: number, to: number): boolean {
    const kinds = this.#pathKinds;
    const start = base + this.#tokenStart;
    const stop = Math.min(to, start + this.#limits.maxTargetBytes + 1);
    let at = base + this.#position;
    if (at === to) return false;
    if (at === start && bytes[at] !== slash) {
      this.#state = inOtherTarget;
      return true;
    }
    for (; at < stop; at++) {
      const kind = kinds[bytes[at]!]!;
      if (kind === pathPlain) continue;
      if (kind === 0) break;
      // A dot only matters at the start of a segment, a slash behind another one.
      if ((bytes[at] !== dot && bytes[at] !== slash) || bytes[at - 1] === slash)
        this.head.pathNeedsNormalization = true;
    }
    this.#position = at - base;
    if (at === stop) return this.#outOfTarget(at, start);
    this.head.pathEnd = at - base;
    if (bytes[at] === questionMark) {
      this.#state = inQuery;
      return true;
    }
    return this.#endTarget(bytes, base, at);
  }

  #parseRestOfTarget(bytes: Buffer, base: number, to: number): boolean {
    const start = base + this.#tokenStart;
    const stop = Math.min(to, start + this.#limits.maxTargetBytes + 1);
    let at = base + this.#position;
    while (at < stop && targetByte[bytes[at]!] === 1) at++;
    this.#position = at - base;
    return at === stop ? this.#outOfTarget(at, start) : this.#endTarget(bytes, base, at);
  }

  /** The bytes we may look at ended inside the target. */
  #outOfTarget(at: number, start: number): boolean {
    return at - start > this.#limits.maxTargetBytes ? this.#refuse(targetTooLong) : false;
  }

  #endTarget(bytes: Buffer, base: number, at: number): boolean {
    if (bytes[at] !== space) return this.#refuse(badTarget);
    const end = at - base;
    if (end === this.#tokenStart) return this.#refuse(emptyTarget);
    this.head.targetEnd = this.head.queryEnd = end;
    this.#tokenStart = this.#position = end + 1;
    this.#state = inVersion;
    return true;
  }

  /** Looks at no more than ten bytes, from the start of the version each time. */
  #parseVersion(bytes: Buffer, base: number, to: number): boolean {
    const start = base + this.#tokenStart;
    for (let index = 0; index < versionBytes; index++) {
      const at = start + index;
      if (at >= to) return false;
      const byte = bytes[at]!;
      if (index < versionPrefix.length) {
        if (byte === versionPrefix[index]) continue;
        return this.#refuse(index === 5 && isDigit(byte) ? otherVersion : badVersion);
      }
      if (index === versionPrefix.length) {
        if (byte !== 0x30 && byte !== 0x31) return this.#refuse(isDigit(byte) ? otherVersion : badVersion);
        this.head.minorVersion = byte === 0x31 ? 1 : 0;
      } else if (byte !== (index === versionBytes - 1 ? lineFeed : carriageReturn)) {
        return this.#refuse(badVersion);
      }
    }
    this.#lines.reset(start + versionBytes - base);
    this.#state = inFields;
    return true;
  }

  #parseFields(bytes: Buffer, base: number, to: number): ParseStatus {
    const lines = this.#lines;
    const status = lines.scan(bytes, base, to);
    if (status === needMore) return needMore;
    if (status === failed) return this.#fail(lines.overLimit ? tooManyHeaders : badRequest(lines.reason));
    const head = this.head;
    head.bytes = bytes;
    head.base = base;
    head.length = lines.position;
    head.headerCount = lines.count;
    head.contentLength = -1;
    head.chunked = false;
    head.expectContinue = false;
    head.teTrailers = false;
    head.authorityStart = head.authorityEnd = 0;
    const fault = applyRequestRules(head, this.#pathKinds);
    if (fault !== null) return this.#fail(fault);
    this.#state = isComplete;
    return complete;
  }

  #fail(fault: Fault): typeof failed {
    this.error = fault.code;
    this.errorReason = fault.reason;
    this.errorLimit = fault.limit ?? null;
    this.#state = isFailed;
    return failed;
  }

  #refuse(fault: Fault): false {
    this.#fail(fault);
    return false;
  }
}

function methodText(bytes: Buffer, start: number, end: number): string {
  for (let index = 0; index < knownMethods.length; index++) {
    if (equalsBytes(bytes, start, end, knownMethodBytes[index]!)) return knownMethods[index]!;
  }
  return textOf(bytes, start, end);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
