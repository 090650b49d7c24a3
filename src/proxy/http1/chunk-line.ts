// SPDX-License-Identifier: Apache-2.0
// The line before each chunk: size and extensions (RFC 9112 §7.1). Extensions are checked and forgotten. White space is
// nowhere allowed outside a quoted value, and lines end with CRLF: chunk lines are where parsers disagree most.
//
//   inSize --";"--> inName --"="--> startOfValue --> inToken | inQuoted <-> inEscape, afterQuoted
//      '------------'---------------CR--------------'-----------------------------'--> lineFeed --> complete

import { carriageReturn, equalsSign, fieldByte, hexValue, lineFeed, semicolon, tokenByte } from "./bytes.ts";
import { complete, failed, needMore, type ParseStatus } from "./limits.ts";

/** CVE-2024-22019: extensions cost work and carry nothing, so a whole message gets this much. */
export const maxExtensionBytes = 4096;
/** Leading zeros count; 2^53-1 has 14 digits. */
const maxSizeDigits = 16;

const inSize = 0;
const startOfName = 1;
const inName = 2;
const startOfValue = 3;
const inToken = 4;
const inQuoted = 5;
const inEscape = 6;
const afterQuoted = 7;
const atLineFeed = 8;

const quote = 0x22;
const backslash = 0x5c;

export class ChunkLine {
  /** After `complete`. */
  size = 0;
  /** Where the last call to `read` stopped; after `complete` the first byte behind the line. */
  at = 0;
  /** After `failed`: why. */
  reason = "";
  #state = inSize;
  #digits = 0;
  #extensionBytes = 0;

  /** Before the first chunk of a message. */
  start(): void {
    this.#extensionBytes = 0;
    this.#next();
  }

  /** Reads on at `bytes[from]`; after `complete` the next call starts a new line. */
  read(bytes: Uint8Array, from: number, to: number): ParseStatus {
    this.at = from;
    if (this.#state === inSize) {
      const status = this.#readSize(bytes, to);
      if (status !== complete) return status;
    }
    while (this.#state !== atLineFeed) {
      if (this.at === to) return needMore;
      if (++this.#extensionBytes > maxExtensionBytes) return this.#fail("chunk extensions too large");
      if (!this.#readExtensionByte(bytes[this.at]!)) return this.#fail("invalid chunk extension");
      this.at++;
    }
    if (this.at === to) return needMore;
    if (bytes[this.at] !== lineFeed) return this.#fail("bare CR in chunk line");
    this.at++;
    this.#next();
    return complete;
  }

  #next(): void {
    this.#state = inSize;
    this.#digits = 0;
  }

  /** `complete`: the byte after the size has been taken too. */
  #readSize(bytes: Uint8Array, to: number): ParseStatus {
    if (this.#digits === 0) this.size = 0;
    for (; this.at < to; this.at++) {
      const byte = bytes[this.at]!;
      const digit = hexValue[byte]!;
      if (digit === 255) {
        if (this.#digits === 0) return this.#fail("chunk without size");
        if (byte !== carriageReturn && byte !== semicolon) return this.#fail("invalid byte in chunk size");
        this.#state = byte === semicolon ? startOfName : atLineFeed;
        this.at++;
        return complete;
      }
      this.size = this.size * 16 + digit;
      if (++this.#digits > maxSizeDigits || this.size > Number.MAX_SAFE_INTEGER)
        return this.#fail("chunk size too large");
    }
    return needMore;
  }

  #readExtensionByte(byte: number): boolean {
    switch (this.#state) {
      case startOfName:
      case startOfValue:
        if (byte === quote && this.#state === startOfValue) this.#state = inQuoted;
        else if (tokenByte[byte] === 1) this.#state = this.#state === startOfName ? inName : inToken;
        else return false;
        return true;
      case inName:
        if (byte === equalsSign) {
          this.#state = startOfValue;
          return true;
        }
        return tokenByte[byte] === 1 || this.#endExtension(byte);
      case inToken:
        return tokenByte[byte] === 1 || this.#endExtension(byte);
      case inQuoted:
        if (byte === quote) this.#state = afterQuoted;
        else if (byte === backslash) this.#state = inEscape;
        return fieldByte[byte] === 1;
      case inEscape:
        this.#state = inQuoted;
        return fieldByte[byte] === 1;
      default:
        return this.#endExtension(byte);
    }
  }

  #endExtension(byte: number): boolean {
    if (byte === semicolon) this.#state = startOfName;
    else if (byte === carriageReturn) this.#state = atLineFeed;
    else return false;
    return true;
  }

  #fail(reason: string): typeof failed {
    this.reason = reason;
    return failed;
  }
}
