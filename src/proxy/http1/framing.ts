// SPDX-License-Identifier: Apache-2.0
// Values of the two fields that delimit a body (RFC 9112 §6). Both are read more strictly than the RFC allows, because
// every reading that two programs could see differently is a way to smuggle a request.

import { asciiBytes, comma, equalsIgnoreCase, isBlank, tab, tokenByte } from "./bytes.ts";
import type { MessageHead } from "./message-head.ts";

const chunkedText = asciiBytes("chunked");

/**
 * Whether a tab stands anywhere in the line. It is legal white space around a value, but llhttp reads `chunked<TAB>` as
 * another coding, so a framing field with one would be two different messages to two readers.
 */
export function hasTab(head: MessageHead, index: number): boolean {
  const end = head.base + head.lineEnd[index]!;
  for (let at = head.base + head.nameEnd[index]!; at < end; at++) {
    if (head.bytes[at] === tab) return true;
  }
  return false;
}

/** `parseContentLength` on anything that is not 1*DIGIT up to 2^53-1. */
export const invalidLength = -2;

export function parseContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return invalidLength;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return invalidLength;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return invalidLength;
  }
  return value;
}

export const codingChunked = 0;
/** A well-formed list of codings that ends as a request must, but with codings we do not have. */
export const codingUnknown = 1;
/** Not a list of tokens, or one in which chunked is not last or stands twice. */
export const codingInvalid = 2;

/** Reads one Transfer-Encoding value. */
export function parseTransferEncoding(bytes: Uint8Array, start: number, end: number): number {
  if (equalsIgnoreCase(bytes, start, end, chunkedText)) return codingChunked;
  let at = start;
  let chunkedSeen = false;
  for (;;) {
    const from = at;
    while (at < end && tokenByte[bytes[at]!] === 1) at++;
    // An empty element or a parameter: nothing legitimate sends either.
    if (at === from || chunkedSeen) return codingInvalid;
    chunkedSeen = equalsIgnoreCase(bytes, from, at, chunkedText);
    while (at < end && isBlank(bytes[at]!)) at++;
    if (at === end) return codingUnknown;
    if (bytes[at] !== comma) return codingInvalid;
    at++;
    while (at < end && isBlank(bytes[at]!)) at++;
  }
}
