// SPDX-License-Identifier: Apache-2.0
// Finds the payload in the bytes of a body (RFC 9112 §6, §7) without copying it. Sans-I/O, for requests and responses.
//
//   chunked:  inLine --size>0--> inData --> dataCr --> dataLf --> inLine
//                '------size 0--> trailerStart --CR--> finalLineFeed --LF--> done
//                                      '--other--> inTrailers --> done

import { carriageReturn, lineFeed } from "./bytes.ts";
import { ChunkLine } from "./chunk-line.ts";
import { complete, failed, needMore } from "./limits.ts";
import { TrailerSection } from "./trailers.ts";
import type { UnderscoreAction } from "../../model/index.ts";

const maxRanges = 64;

const byLength = 0;
const untilClose = 1;
const inLine = 2;
const inData = 3;
const atDataReturn = 4;
const atDataLineFeed = 5;
const atTrailerStart = 6;
const atFinalLineFeed = 7;
const inTrailers = 8;

/** One per message direction, reused: call one of the `start` methods before each body. */
export class BodyDecoder {
  /** Payload found by the last `decode`: `[start, end)` pairs, offsets into the bytes it was given. */
  readonly ranges = new Uint32Array(maxRanges * 2);
  /** Pairs in `ranges`. */
  rangeCount = 0;
  /** Payload of this body so far. */
  payloadBytes = 0;
  /** The body is complete; bytes after it are not its own. */
  done = true;
  /** The body is malformed; nothing on this connection can be trusted any more. */
  failed = false;
  /** After failure: a constant for logs. */
  errorReason = "";
  /** Trailer lines `name: value\r\n…` that may be forwarded; null when there are none. A copy, owned by the caller. */
  trailers: Buffer | null = null;
  #state = byLength;
  #remaining = 0;
  readonly #line = new ChunkLine();
  #trailerSection: TrailerSection | null = null;
  readonly #underscores: UnderscoreAction;

  /** `underscores`: what becomes of trailer names that have one. */
  constructor(underscores: UnderscoreAction = "allow") {
    this.#underscores = underscores;
  }

  startNone(): void {
    this.startLength(0);
  }

  startLength(bytes: number): void {
    this.#start(byLength);
    this.#remaining = bytes;
    this.done = bytes === 0;
  }

  startChunked(): void {
    this.#start(inLine);
    this.#line.start();
  }

  /** Responses without length: the end of the connection ends the body. */
  startUntilClose(): void {
    this.#start(untilClose);
  }

  /**
   * Takes body bytes from `bytes[from, to)` and returns the offset behind the last one taken. That is less than `to`
   * when the body is done, when it failed, or when `ranges` is full: use the ranges, then call again with the rest.
   * Forgets the ranges of the call before.
   */
  decode(bytes: Buffer, from: number, to: number): number {
    this.rangeCount = 0;
    if (this.done || this.failed) return from;
    if (this.#state >= inLine) return this.#decodeChunked(bytes, from, to);
    if (this.#state === untilClose) return this.#take(from, to);
    const end = this.#takeRemaining(from, to);
    this.done = this.#remaining === 0;
    return end;
  }

  /** Payload of a body with a length that is still to come; 0 when there is none, or nobody knows. */
  get remainingBytes(): number {
    return this.#state === byLength ? this.#remaining : 0;
  }

  /** So many of the remaining bytes went by. */
  pass(bytes: number): void {
    this.rangeCount = 0;
    this.#remaining -= bytes;
    this.payloadBytes += bytes;
    this.done = this.#remaining === 0;
  }

  /** The sender has ended the connection. True when that completes the body; else the body is truncated and fails. */
  endOfInput(): boolean {
    if (this.#state === untilClose && !this.failed) this.done = true;
    if (!this.done && !this.failed) this.#fail("connection ended inside the body");
    return this.done;
  }

  #start(state: number): void {
    this.#state = state;
    this.rangeCount = 0;
    this.payloadBytes = 0;
    this.done = false;
    this.failed = false;
    this.trailers = null;
  }

  #decodeChunked(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && !this.done && !this.failed) {
      switch (this.#state) {
        case inLine:
          at = this.#readLine(bytes, at, to);
          break;
        case inData:
          if (this.rangeCount === maxRanges) return at;
          at = this.#takeRemaining(at, to);
          if (this.#remaining === 0) this.#state = atDataReturn;
          break;
        case atDataReturn:
          at = this.#expect(bytes, at, carriageReturn, atDataLineFeed, "chunk longer than its size");
          break;
        case atDataLineFeed:
          at = this.#expect(bytes, at, lineFeed, inLine, "bare CR after chunk data");
          break;
        case atTrailerStart:
          if (bytes[at] === carriageReturn) at = this.#expect(bytes, at, carriageReturn, atFinalLineFeed, "");
          else this.#startTrailers();
          break;
        case atFinalLineFeed:
          at = this.#expect(bytes, at, lineFeed, inLine, "bare CR after the last chunk");
          this.done = !this.failed;
          break;
        default:
          at = this.#readTrailers(bytes, at, to);
      }
    }
    return at;
  }

  #readLine(bytes: Buffer, at: number, to: number): number {
    const line = this.#line;
    const status = line.read(bytes, at, to);
    if (status === failed) this.#fail(line.reason);
    else if (status === complete) {
      this.#remaining = line.size;
      this.#state = line.size === 0 ? atTrailerStart : inData;
    }
    return line.at;
  }

  #expect(bytes: Buffer, at: number, byte: number, next: number, reason: string): number {
    if (bytes[at] !== byte) {
      this.#fail(reason);
      return at;
    }
    this.#state = next;
    return at + 1;
  }

  #startTrailers(): void {
    this.#trailerSection ??= new TrailerSection(this.#underscores);
    this.#trailerSection.start();
    this.#state = inTrailers;
  }

  #readTrailers(bytes: Buffer, at: number, to: number): number {
    const section = this.#trailerSection!;
    const status = section.read(bytes, at, to);
    if (status === failed) this.#fail(section.reason);
    else if (status !== needMore) {
      this.trailers = section.take();
      this.done = true;
    }
    return at + section.consumed;
  }

  #takeRemaining(from: number, to: number): number {
    const available = to - from;
    const length = this.#remaining < available ? this.#remaining : available;
    this.#remaining -= length;
    return this.#take(from, from + length);
  }

  #take(from: number, to: number): number {
    if (to > from) {
      this.ranges[this.rangeCount * 2] = from;
      this.ranges[this.rangeCount * 2 + 1] = to;
      this.rangeCount++;
      this.payloadBytes += to - from;
    }
    return to;
  }

  #fail(reason: string): void {
    this.failed = true;
    this.errorReason = reason;
  }
}
