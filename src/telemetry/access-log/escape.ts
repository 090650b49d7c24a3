// SPDX-License-Identifier: Apache-2.0
// How values stand in a line. Clients choose paths, hosts and headers, so a quote, a space or a line break in them must
// not make a second field or a second line. The result is always printable ASCII: bytes of unknown encoding (header
// values, RFC 9110 §5.5) have no better reading.

import { Buffer } from "node:buffer";

/** Longer values are cut; a head may be 60 KiB and each of its bytes six here. */
export const maxValueChars = 8192;
/** What one character becomes at most. */
export const maxEscapeBytes = 6;

export interface ValueStyle {
  /** 1 = the byte stands for itself. */
  readonly plain: Uint8Array;
  /** What stands on both sides of a value that is known. */
  readonly quotes: Buffer;
  readonly missing: Buffer;
  /** "" would be no field at all and is written as if it were missing. */
  readonly emptyIsMissing: boolean;
  /** Writes a character, 0 to 0xffff, that is not plain: at most `maxEscapeBytes`. Returns the new offset. */
  readonly escape: (out: Buffer, at: number, code: number) => number;
}

const quote = 0x22;
const backslash = 0x5c;

/** A field of the text format that ends at a space; `\xNN` for what is unsafe (nginx's escape, which log readers know). */
export const bareStyle: ValueStyle = {
  plain: plainBytes(0x21),
  quotes: ascii(""),
  missing: ascii("-"),
  emptyIsMissing: true,
  escape: escapeHex,
};

/** A field of the text format between quotes, where a space is fine. */
export const quotedStyle: ValueStyle = {
  plain: plainBytes(0x20),
  quotes: ascii('"'),
  missing: ascii('"-"'),
  emptyIsMissing: false,
  escape: escapeHex,
};

/** A JSON string literal, or `null`. */
export const jsonStyle: ValueStyle = {
  plain: plainBytes(0x20),
  quotes: ascii('"'),
  missing: ascii("null"),
  emptyIsMissing: false,
  escape: escapeJson,
};

/** Constant parts of lines. */
export function ascii(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Printable ASCII without quote and backslash. */
function plainBytes(first: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    byte >= first && byte <= 0x7e && byte !== quote && byte !== backslash ? 1 : 0,
  );
}

function escapeHex(out: Buffer, at: number, code: number): number {
  if (code >= 0x100) return escapeUnicode(out, at, code);
  out[at] = backslash;
  out[at + 1] = 0x78;
  out[at + 2] = hexDigit(code >> 4);
  out[at + 3] = hexDigit(code);
  return at + 4;
}

function escapeJson(out: Buffer, at: number, code: number): number {
  if (code !== quote && code !== backslash) return escapeUnicode(out, at, code);
  out[at] = backslash;
  out[at + 1] = code;
  return at + 2;
}

function escapeUnicode(out: Buffer, at: number, code: number): number {
  out[at] = backslash;
  out[at + 1] = 0x75;
  for (let digit = 0; digit < 4; digit++) out[at + 2 + digit] = hexDigit(code >> (12 - 4 * digit));
  return at + 6;
}

/** Of the lowest four bits. */
function hexDigit(value: number): number {
  const digit = value & 15;
  return digit < 10 ? 0x30 + digit : 0x37 + digit;
}
