// SPDX-License-Identifier: Apache-2.0
// Byte classes of HTTP/1.1 as 256-entry tables, and the few comparisons that parsing needs. No strings are made here.

import type { PathNormalization, TrafficOptions } from "../../model/index.ts";

export const tab = 0x09;
export const lineFeed = 0x0a;
export const carriageReturn = 0x0d;
export const space = 0x20;
export const comma = 0x2c;
export const dot = 0x2e;
export const slash = 0x2f;
export const colon = 0x3a;
export const semicolon = 0x3b;
export const equalsSign = 0x3d;
export const questionMark = 0x3f;
export const asterisk = 0x2a;
export const percent = 0x25;
export const backslash = 0x5c;
export const underscore = 0x5f;

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const digits = "0123456789";

/** 1 = tchar (RFC 9110 §5.6.2). */
export const tokenByte = tableOf(`${letters}${digits}!#$%&'*+-.^_\`|~`);

/** 1 = allowed in a field value or reason phrase: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
export const fieldByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === tab || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0,
);

/** 1 = allowed in a request target: visible ASCII without `#`, which never goes on the wire (RFC 9112 §3.2). */
export const targetByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte > 0x20 && byte < 0x7f && byte !== 0x23 ? 1 : 0,
);

/** Kinds of byte in the path of a target. */
export const pathPlain = 1;
/** What path normalization looks at; dots and slashes only matter behind a slash. */
export const pathSpecial = 2;

/** 0 = ends the path (or is not allowed in it), else `pathPlain` or `pathSpecial`; by what normalization looks at. */
const pathBytes: Readonly<Record<PathNormalization, Uint8Array>> = {
  NONE: pathTable([]),
  BASE: pathTable([dot, backslash, percent]),
  MERGE_SLASHES: pathTable([dot, backslash, percent, slash]),
  DECODE_AND_MERGE_SLASHES: pathTable([dot, backslash, percent, slash]),
};

const escapesOnly = pathTable([percent]);

/** The table for these options, one of few: it is made once. */
export function pathBytesFor(options: Pick<TrafficOptions, "pathNormalization" | "escapedSlashes">): Uint8Array {
  const { pathNormalization, escapedSlashes } = options;
  if (pathNormalization === "NONE" && escapedSlashes !== "keep") return escapesOnly;
  return pathBytes[pathNormalization];
}

function pathTable(special: readonly number[]): Uint8Array {
  return Uint8Array.from(targetByte, (allowed, byte) => {
    if (allowed === 0 || byte === questionMark) return 0;
    return special.includes(byte) ? pathSpecial : pathPlain;
  });
}

/**
 * 1 = allowed in the name part of an authority: RFC 3986 reg-name without the comma, which joined duplicate fields
 * would carry, and without percent escapes, which two readers may decode differently.
 */
export const hostByte = tableOf(`${letters}${digits}-._~!$&'()*+;=`);

/** Value of a hexadecimal digit, 255 for any other byte. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 255;
});

/** ASCII lower case; other bytes map to themselves. */
export const lowerByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte,
);

/** Whether `bytes[start, end)` is `lowerCase`, ASCII case ignored. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lowerCase: Uint8Array): boolean {
  const length = lowerCase.length;
  if (end - start !== length) return false;
  for (let index = 0; index < length; index++) {
    if (lowerByte[bytes[start + index]!] !== lowerCase[index]) return false;
  }
  return true;
}

/** Whether two ranges of `bytes` hold the same text, ASCII case ignored. */
export function sameIgnoreCase(bytes: Uint8Array, startA: number, endA: number, startB: number, endB: number): boolean {
  const length = endA - startA;
  if (length !== endB - startB) return false;
  for (let index = 0; index < length; index++) {
    if (lowerByte[bytes[startA + index]!] !== lowerByte[bytes[startB + index]!]) return false;
  }
  return true;
}

/** Whether `bytes[start, end)` is exactly `expected`. */
export function equalsBytes(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  const length = expected.length;
  if (end - start !== length) return false;
  for (let index = 0; index < length; index++) {
    if (bytes[start + index] !== expected[index]) return false;
  }
  return true;
}

/** The bytes of an ASCII text, to compare with: several times faster than reading a string letter by letter. */
export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

function tableOf(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let index = 0; index < members.length; index++) table[members.charCodeAt(index)] = 1;
  return table;
}

/** `bytes[start, end)` as text, bytes above 0x7F as latin1. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}
