// SPDX-License-Identifier: Apache-2.0
// The field section of a message, in heads and in trailers: a scanner that stops at any byte and goes on later, and the
// offset tables it fills. Syntax only; what the fields mean is decided in request-rules.ts and response-rules.ts.
//
//   atLineStart --tchar--> inName --":"--> beforeValue --> inValue --CR--> atLineFeed --LF--> atLineStart
//        '-------CR------> atFinalLineFeed --LF--> complete

import { carriageReturn, colon, fieldByte, isBlank, lineFeed, space, tab, tokenByte } from "./bytes.ts";
import { headerIdOf, hopByHopFlag } from "./header-id.ts";
import { complete, failed, needMore, type ParseStatus } from "./limits.ts";

const atLineStart = 0;
const inName = 1;
const beforeValue = 2;
const inValue = 3;
const atLineFeed = 4;
const atFinalLineFeed = 5;

/** How many bytes there are from space to `~`; all of them may stand in a value. */
const visibleOrSpace = 0x7f - space;

/** One per parser, reused for each message. All offsets are relative to the base given to `scan`. */
export class FieldLines {
  count = 0;
  /** Where scanning goes on, or after `complete` the first byte behind the section. */
  position = 0;
  /** After `failed`: why. */
  reason = "";
  /** After `failed`: too many lines, rather than wrong ones. */
  overLimit = false;
  readonly nameStart: Uint16Array;
  readonly nameEnd: Uint16Array;
  readonly valueStart: Uint16Array;
  readonly valueEnd: Uint16Array;
  readonly lineEnd: Uint16Array;
  readonly headerId: Uint8Array;
  readonly drop: Uint8Array;
  #state = atLineStart;

  constructor(maxLines: number) {
    // One block of memory for all columns: this exists once per connection.
    const memory = new ArrayBuffer(maxLines * 12);
    this.nameStart = new Uint16Array(memory, 0, maxLines);
    this.nameEnd = new Uint16Array(memory, maxLines * 2, maxLines);
    this.valueStart = new Uint16Array(memory, maxLines * 4, maxLines);
    this.valueEnd = new Uint16Array(memory, maxLines * 6, maxLines);
    this.lineEnd = new Uint16Array(memory, maxLines * 8, maxLines);
    this.headerId = new Uint8Array(memory, maxLines * 10, maxLines);
    this.drop = new Uint8Array(memory, maxLines * 11, maxLines);
  }

  /** Prepares for a section whose first byte is at `position`. */
  reset(position: number): void {
    this.count = 0;
    this.position = position;
    this.#state = atLineStart;
  }

  /** HOT: one pass over the bytes, each looked at once (and trailing white space of values twice). */
  scan(bytes: Uint8Array, base: number, to: number): ParseStatus {
    const words = wordsOf(bytes);
    const lastWord = to - 4;
    const token = tokenByte;
    const field = fieldByte;
    let at = base + this.position;
    let state = this.#state;
    let index = this.count;
    while (at < to) {
      if (state === atLineStart) {
        if (bytes[at] === carriageReturn) {
          state = atFinalLineFeed;
          at++;
          continue;
        }
        if (index === this.headerId.length) return this.#fail("too many header lines", true);
        this.nameStart[index] = at - base;
        state = inName;
      }
      if (state === inName) {
        while (at < to && token[bytes[at]!] === 1) at++;
        if (at === to) break;
        const start = base + this.nameStart[index]!;
        if (bytes[at] !== colon || at === start) return this.#fail(nameReason(bytes[at]!, at === start), false);
        const id = headerIdOf(bytes, start, at);
        this.nameEnd[index] = at - base;
        this.headerId[index] = id;
        this.drop[index] = hopByHopFlag[id]!;
        at++;
        state = beforeValue;
      }
      if (state === beforeValue) {
        while (at < to && (bytes[at] === space || bytes[at] === tab)) at++;
        if (at === to) break;
        this.valueStart[index] = at - base;
        state = inValue;
      }
      if (state === inValue) {
        while (at <= lastWord && isPlainWord(words.getInt32(at))) at += 4;
        while (at < to) {
          const byte = bytes[at]!;
          // Most are visible ASCII or spaces, and one comparison costs less than a look into a table.
          if ((byte - space) >>> 0 >= visibleOrSpace && field[byte] !== 1) break;
          at++;
        }
        if (at === to) break;
        if (bytes[at] !== carriageReturn) return this.#fail(valueReason(bytes[at]!), false);
        this.valueEnd[index] = trimmedEnd(bytes, base + this.valueStart[index]!, at) - base;
        at++;
        state = atLineFeed;
        if (at === to) break;
      }
      if (bytes[at] !== lineFeed) return this.#fail("bare CR in header section", false);
      at++;
      if (state === atFinalLineFeed) {
        this.position = at - base;
        this.count = index;
        return complete;
      }
      this.lineEnd[index++] = at - base;
      state = atLineStart;
    }
    this.position = at - base;
    this.count = index;
    this.#state = state;
    return needMore;
  }

  #fail(reason: string, overLimit: boolean): typeof failed {
    this.reason = reason;
    this.overLimit = overLimit;
    return failed;
  }
}

/** Messages come in the same memory nearly always, so that making a view of it is for the first of them. */
let viewed: Uint8Array = new Uint8Array(0);
let view: DataView = new DataView(viewed.buffer);

/** The same bytes, to be read four at a time. */
function wordsOf(bytes: Uint8Array): DataView {
  if (bytes === viewed) return view;
  viewed = bytes;
  view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view;
}

/**
 * Whether each of four bytes is visible ASCII or a space. Bit 7 of a byte of some term is set where that byte is below a
 * space, above 0x7f, or 0x7f; a borrow or a carry only comes out of such a byte.
 */
function isPlainWord(word: number): boolean {
  return (((word - 0x20202020) | word | (word + 0x01010101)) & 0x80808080) === 0;
}

function trimmedEnd(bytes: Uint8Array, start: number, at: number): number {
  let end = at;
  while (end > start && isBlank(bytes[end - 1]!)) end--;
  return end;
}

function nameReason(byte: number, atStart: boolean): string {
  if (byte === colon) return "empty header name";
  if (byte === lineFeed || byte === carriageReturn) return "header line without colon";
  if (isBlank(byte)) return atStart ? "white space at the start of a header line" : "white space in a header name";
  return "invalid byte in a header name";
}

function valueReason(byte: number): string {
  return byte === lineFeed ? "bare LF in header line" : "control byte in a header value";
}
