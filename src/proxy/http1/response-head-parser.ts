// SPDX-License-Identifier: Apache-2.0
// Parses response heads byte by byte (RFC 9112 §4, §5). Sans-I/O: the owner gives bytes and keeps them.

import type { ErrorCode } from "../../core/index.ts";
import type { LimitName } from "../../model/index.ts";
import { asciiBytes, carriageReturn, fieldByte, lineFeed, space } from "./bytes.ts";
import { FieldLines } from "./field-lines.ts";
import { complete, failed, type HeadLimits, needMore, type ParseStatus } from "./limits.ts";
import { ResponseHead } from "./response-head.ts";
import { applyResponseRules } from "./response-rules.ts";

const inStatus = 0;
const inReason = 1;
const atLineFeed = 2;
const inFields = 3;
const isComplete = 4;
const isFailed = 5;

const versionPrefix = asciiBytes("HTTP/1.");
/** `HTTP/1.1 200`; offset of the first digit of the status. */
const statusOffset = 9;
const statusBytes = 12;

/** Reused: `reset` before each response, interim ones included. */
export class ResponseHeadParser {
  /** Filled when `parse` says `complete`. */
  readonly head: ResponseHead;
  /** Meaningful after `failed`. */
  readonly error: ErrorCode = "UPSTREAM_PROTOCOL_ERROR";
  /** Meaningful after `failed`: a constant for logs. */
  errorReason = "";
  /** Meaningful after `failed`: the limit that was reached, or null when the response is malformed. */
  errorLimit: LimitName | null = null;
  readonly #limits: HeadLimits;
  readonly #lines: FieldLines;
  #state = inStatus;
  #position = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.#lines = new FieldLines(limits.maxHeaders);
    this.head = new ResponseHead(this.#lines);
  }

  reset(): void {
    this.#state = inStatus;
    this.#position = 0;
  }

  /** Same contract as `RequestHeadParser.parse`. */
  parse(bytes: Buffer, base: number, to: number): ParseStatus {
    const limit = base + this.#limits.maxHeadBytes;
    const end = to < limit ? to : limit;
    let status: ParseStatus = this.#state === inFields ? complete : this.#parseStatusLine(bytes, base, end);
    if (status === complete) status = this.#parseFields(bytes, base, end);
    // INVARIANT: a head that fits ends at `limit` or before it, so wanting more there means it is too large.
    if (status === needMore && end === limit) return this.#fail("response head too large", "header-bytes");
    return status;
  }

  #parseStatusLine(bytes: Buffer, base: number, to: number): ParseStatus {
    if (this.#state >= isComplete) return failed;
    let at = base + this.#position;
    if (this.#state === inStatus) {
      const status = this.#parseStatus(bytes, base, to);
      if (status !== complete) return status;
      at = base + statusBytes;
    }
    if (this.#state === inReason) {
      while (at < to && fieldByte[bytes[at]!] === 1) at++;
      this.#position = at - base;
      if (at === to) return needMore;
      if (bytes[at] !== carriageReturn) return this.#fail("invalid byte in the status line");
      this.#endReason(bytes, base, at);
      at++;
      this.#position = at - base;
      this.#state = atLineFeed;
    }
    if (at === to) return needMore;
    if (bytes[at] !== lineFeed) return this.#fail("bare CR in the status line");
    this.#lines.reset(at + 1 - base);
    this.#state = inFields;
    return complete;
  }

  /** Version and status code; looks at no more than thirteen bytes, from the start each time. */
  #parseStatus(bytes: Buffer, base: number, to: number): ParseStatus {
    const head = this.head;
    let statusCode = 0;
    for (let index = 0; index <= statusBytes; index++) {
      if (base + index >= to) return needMore;
      const byte = bytes[base + index]!;
      if (index < versionPrefix.length) {
        if (byte !== versionPrefix[index]) return this.#fail("invalid HTTP version in the status line");
      } else if (index === versionPrefix.length) {
        if (byte !== 0x30 && byte !== 0x31) return this.#fail("HTTP version other than 1.0 and 1.1");
        head.minorVersion = byte === 0x31 ? 1 : 0;
      } else if (index === statusOffset - 1) {
        if (byte !== space) return this.#fail("invalid status line");
      } else if (index < statusBytes) {
        if (byte < 0x30 || byte > 0x39) return this.#fail("invalid status code");
        statusCode = statusCode * 10 + byte - 0x30;
      } else if (byte !== space && byte !== carriageReturn) {
        // The space before an empty reason phrase is required, yet many servers leave it out; Node accepts that too.
        return this.#fail("invalid status code");
      }
    }
    if (statusCode < 100 || statusCode > 599) return this.#fail("status code out of range");
    head.statusCode = statusCode;
    this.#position = statusBytes;
    this.#state = inReason;
    return complete;
  }

  #endReason(bytes: Buffer, base: number, at: number): void {
    const start = base + statusBytes;
    this.head.reasonStart = (bytes[start] === space ? start + 1 : start) - base;
    this.head.reasonEnd = at - base;
  }

  #parseFields(bytes: Buffer, base: number, to: number): ParseStatus {
    const lines = this.#lines;
    const status = lines.scan(bytes, base, to);
    if (status === needMore) return needMore;
    if (status === failed) return this.#fail(lines.reason, lines.overLimit ? "header-count" : null);
    const head = this.head;
    head.bytes = bytes;
    head.base = base;
    head.length = lines.position;
    head.headerCount = lines.count;
    head.contentLength = -1;
    head.chunked = false;
    head.keepAliveTimeoutSeconds = -1;
    const reason = applyResponseRules(head);
    if (reason !== "") return this.#fail(reason);
    this.#state = isComplete;
    return complete;
  }

  #fail(reason: string, limit: LimitName | null = null): typeof failed {
    this.errorLimit = limit;
    this.errorReason = reason;
    this.#state = isFailed;
    return failed;
  }
}
