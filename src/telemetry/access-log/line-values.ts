// SPDX-License-Identifier: Apache-2.0
// How the values of a line get into it, in bytes from the start: two dozen strings per exchange, made to be copied once,
// cost several times as much (docs/performance.md). Every function writes to `out` at `at`, where the caller has seen to
// the room, and returns the new offset.

import { Buffer } from "node:buffer";

import { writers } from "../../core/index.ts";
import type { ByteRange } from "../port.ts";
import { maxValueChars, type ValueStyle } from "./escape.ts";

/** What `writeInteger` writes at most: the digits of 2^53 and a sign. */
export const mostIntegerBytes = 17;
/** Longer texts are written anew each time. */
const maxRememberedBytes = 256;
/** Below it, arithmetic is that of integers. */
const int32Bound = 2 ** 31;

/** A text as it was written last: what exchanges have in common is a pointer comparison and a copy. */
export class RememberedText {
  /** Constants around the text, and remembered with it. */
  readonly before: Buffer;
  readonly behind: Buffer;
  readonly style: ValueStyle;
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(maxRememberedBytes);
  /** Of the bytes; 0 = nothing is remembered. */
  length = 0;
  text: string | null = null;

  constructor(before: Buffer, style: ValueStyle, behind: Buffer = Buffer.alloc(0)) {
    this.before = before;
    this.style = style;
    this.behind = behind;
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

/** Bytes as they are. */
export function writeRaw(bytes: Buffer, out: Buffer, at: number): number {
  return writers.copyBytes(bytes, 0, bytes.length, out, at);
}

/** Any number from -2^53 to 2^53, its fraction cut off. */
export function writeInteger(value: number, out: Buffer, at: number): number {
  if (value >= 0 && value < int32Bound) return writers.writeDecimal(out, at, value | 0);
  const whole = Math.trunc(value);
  if (whole >= 0) return writers.writeDecimal(out, at, whole);
  out[at] = 0x2d;
  return writers.writeDecimal(out, at + 1, -whole);
}

/** One value in its style, from where it was received. */
export function writeRange(range: ByteRange | null, style: ValueStyle, out: Buffer, at: number): number {
  if (range === null || (range.end === range.start && style.emptyIsMissing)) return writeRaw(style.missing, out, at);
  const { bytes, start } = range;
  const end = Math.min(range.end, start + maxValueChars);
  const { quotes } = style;
  let to = at;
  if (quotes.length > 0) out[to++] = quotes[0]!;
  if (range.plain) to = writers.copyBytes(bytes, start, end, out, to);
  else to = writeReceived(bytes, start, end, style, out, to);
  if (quotes.length > 0) out[to++] = quotes[0]!;
  return to;
}

/** One value, between its constants and in its style, that is often the one of the line before. */
export function writeRemembered(text: string | null, last: RememberedText, out: Buffer, at: number): number {
  if (text === last.text && last.length > 0) return writers.copyBytes(last.bytes, 0, last.length, out, at);
  const end = writeRaw(last.behind, out, writeText(text, last.style, out, writeRaw(last.before, out, at)));
  if (end - at <= maxRememberedBytes) {
    last.text = text;
    last.length = writers.copyBytes(out, at, end, last.bytes, 0);
  }
  return end;
}

/** Up to four values in a row; those left out are null. */
export function writeRun(
  last: RememberedRun,
  a: string | null,
  b: string | null,
  c: string | null,
  d: string | null,
  out: Buffer,
  at: number,
): number {
  const { texts } = last;
  if (last.length === 0 || a !== texts[0] || b !== texts[1] || c !== texts[2] || d !== texts[3]) {
    return rememberRun(last, [a, b, c, d], out, at);
  }
  return writers.copyBytes(last.bytes, 0, last.length, out, at);
}

function rememberRun(last: RememberedRun, texts: readonly (string | null)[], out: Buffer, at: number): number {
  let end = at;
  for (const [index, part] of last.parts.entries()) end = writeRemembered(texts[index]!, part, out, end);
  last.length = 0;
  if (end - at > maxRememberedBytes) return end;
  for (const [index, text] of texts.entries()) last.texts[index] = text;
  last.length = writers.copyBytes(out, at, end, last.bytes, 0);
  return end;
}

function writeText(text: string | null, style: ValueStyle, out: Buffer, at: number): number {
  if (text === null || (text === "" && style.emptyIsMissing)) return writeRaw(style.missing, out, at);
  const length = Math.min(text.length, maxValueChars);
  const { plain, quotes } = style;
  let to = writeRaw(quotes, out, at);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x100 && plain[code] === 1) out[to++] = code;
    else to = style.escape(out, to, code);
  }
  return writeRaw(quotes, out, to);
}

function writeReceived(bytes: Buffer, start: number, end: number, style: ValueStyle, out: Buffer, at: number): number {
  const { plain } = style;
  // Nearly always all of it is plain, so it is copied first and done again when it was not.
  let special = 0;
  let to = at;
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    out[to++] = byte;
    special |= plain[byte]! ^ 1;
  }
  return special === 0 ? to : writeEscaped(bytes, start, end, style, out, at);
}

function writeEscaped(bytes: Buffer, start: number, end: number, style: ValueStyle, out: Buffer, at: number): number {
  const { plain } = style;
  let to = at;
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    if (plain[byte] === 1) out[to++] = byte;
    else to = style.escape(out, to, byte);
  }
  return to;
}
