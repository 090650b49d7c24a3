// SPDX-License-Identifier: Apache-2.0
// Where a line of the access log is put together, in bytes from the start: two dozen strings per exchange, made to be
// copied once, cost several times as much (docs/performance.md).

import { Buffer } from "node:buffer";

import { writers } from "../../core/index.ts";
import type { ByteRange } from "../port.ts";
import { maxEscapeBytes, maxValueChars, type ValueStyle } from "./escape.ts";

/** More than an ordinary line; one of cut values only grows it to some hundred KiB. */
const initialBytes = 4096;
/** Digits of 2^53, a sign and some. */
const numberBytes = 24;
/** Longer texts are written anew each time. */
const maxRememberedBytes = 256;

/** A text as it was written last: what exchanges have in common is a pointer comparison and a copy. */
export class RememberedText {
  /** Constant, and remembered with the text. */
  readonly prefix: Buffer;
  readonly style: ValueStyle;
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(maxRememberedBytes);
  /** Of the bytes; 0 = nothing is remembered. */
  length = 0;
  text: string | null = null;

  constructor(prefix: Buffer, style: ValueStyle) {
    this.prefix = prefix;
    this.style = style;
  }
}

/** Texts in a row that are nearly always those of the line before, all of them: one copy instead of one each. */
export class RememberedRun {
  readonly parts: readonly RememberedText[];
  readonly texts: (string | null)[];
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(maxRememberedBytes);
  /** Of the bytes; 0 = nothing is remembered. */
  length = 0;

  constructor(parts: readonly RememberedText[]) {
    this.parts = parts;
    this.texts = [null, null, null, null];
  }
}

/** HOT: everything here runs some thirty times per exchange. */
export class LineWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  byte(code: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = code;
  }

  /** Bytes as they are. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.length = writers.copyBytes(bytes, 0, bytes.length, this.bytes, this.length);
  }

  /** Any number below 2^53, its fraction cut off. */
  integer(value: number): void {
    this.#reserve(numberBytes);
    let whole = Math.trunc(value);
    if (whole < 0) {
      this.bytes[this.length++] = 0x2d;
      whole = -whole;
    }
    this.length = writers.writeDecimal(this.bytes, this.length, whole);
  }

  /** One value in its style, from where it was received. */
  range(range: ByteRange | null, style: ValueStyle): void {
    if (range === null || (range.end === range.start && style.emptyIsMissing)) {
      this.raw(style.missing);
      return;
    }
    const { bytes, start } = range;
    const end = Math.min(range.end, start + maxValueChars);
    const { quotes } = style;
    this.#reserve((end - start) * maxEscapeBytes + 2);
    const out = this.bytes;
    let at = this.length;
    if (quotes.length > 0) out[at++] = quotes[0]!;
    if (range.plain) at = writers.copyBytes(bytes, start, end, out, at);
    else at = writeReceived(bytes, start, end, style, out, at);
    if (quotes.length > 0) out[at++] = quotes[0]!;
    this.length = at;
  }

  /** One value, behind its prefix and in its style, that is often the one of the line before. */
  remembered(text: string | null, last: RememberedText): void {
    if (text !== last.text || last.length === 0) {
      this.#remember(text, last);
      return;
    }
    this.#reserve(last.length);
    this.length = writers.copyBytes(last.bytes, 0, last.length, this.bytes, this.length);
  }

  /** Four values in a row, or two; those left out are null. */
  run(last: RememberedRun, a: string | null, b: string | null, c: string | null, d: string | null): void {
    const { texts } = last;
    if (last.length === 0 || a !== texts[0] || b !== texts[1] || c !== texts[2] || d !== texts[3]) {
      this.#rememberRun(last, [a, b, c, d]);
      return;
    }
    this.#reserve(last.length);
    this.length = writers.copyBytes(last.bytes, 0, last.length, this.bytes, this.length);
  }

  #rememberRun(last: RememberedRun, texts: readonly (string | null)[]): void {
    const from = this.length;
    for (const [index, part] of last.parts.entries()) this.remembered(texts[index]!, part);
    last.length = 0;
    if (this.length - from > maxRememberedBytes) return;
    for (const [index, text] of texts.entries()) last.texts[index] = text;
    last.length = writers.copyBytes(this.bytes, from, this.length, last.bytes, 0);
  }

  #remember(text: string | null, last: RememberedText): void {
    const from = this.length;
    this.raw(last.prefix);
    this.#text(text, last.style);
    const length = this.length - from;
    if (length > maxRememberedBytes) return;
    last.text = text;
    last.length = writers.copyBytes(this.bytes, from, this.length, last.bytes, 0);
  }

  #text(text: string | null, style: ValueStyle): void {
    if (text === null || (text === "" && style.emptyIsMissing)) {
      this.raw(style.missing);
      return;
    }
    const length = Math.min(text.length, maxValueChars);
    const { plain, quotes } = style;
    this.raw(quotes);
    this.#reserve(length * maxEscapeBytes);
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code < 0x100 && plain[code] === 1) this.bytes[this.length++] = code;
      else this.length = style.escape(this.bytes, this.length, code);
    }
    this.raw(quotes);
  }

  #reserve(more: number): void {
    if (this.length + more > this.bytes.length) this.#grow(more);
  }

  #grow(more: number): void {
    const next = Buffer.allocUnsafeSlow(Math.max(this.length + more, this.bytes.length * 2));
    this.bytes.copy(next, 0, 0, this.length);
    this.bytes = next;
  }
}

function writeReceived(bytes: Buffer, start: number, end: number, style: ValueStyle, out: Buffer, at: number): number {
  const { plain } = style;
  const from = at;
  // Nearly always all of it is plain, so it is copied first and done again when it was not.
  let special = 0;
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    out[at++] = byte;
    special |= plain[byte]! ^ 1;
  }
  return special === 0 ? at : writeEscaped(bytes, start, end, style, out, from);
}

function writeEscaped(bytes: Buffer, start: number, end: number, style: ValueStyle, out: Buffer, at: number): number {
  const { plain } = style;
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    if (plain[byte] === 1) out[at++] = byte;
    else at = style.escape(out, at, byte);
  }
  return at;
}
