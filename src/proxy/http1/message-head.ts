// SPDX-License-Identifier: Apache-2.0
// What request and response heads have in common: field lines as offsets into somebody else's bytes, and strings made
// from them only when asked for.

import { lowerByte, textOf } from "./bytes.ts";
import type { FieldLines } from "./field-lines.ts";
import { isHopByHop } from "./header-id.ts";

/** All offsets are relative to `base`. Valid until the parser that owns the head is reset. */
export class MessageHead {
  /** The bytes the head was parsed from. The owner may copy the head elsewhere and point `bytes` and `base` there. */
  bytes: Buffer;
  base = 0;
  /** Bytes of the head with its final empty line. */
  length = 0;
  minorVersion: 0 | 1 = 1;
  headerCount = 0;
  /** A line is `[nameStart, lineEnd)`, with its CRLF; values come without white space around them. */
  readonly nameStart: Uint16Array;
  readonly nameEnd: Uint16Array;
  readonly valueStart: Uint16Array;
  readonly valueEnd: Uint16Array;
  readonly lineEnd: Uint16Array;
  /** `HeaderId` of each line. */
  readonly headerId: Uint8Array;
  /** 1 = must not be forwarded: hop-by-hop itself, or nominated by a Connection field (RFC 9110 §7.6.1). */
  readonly drop: Uint8Array;
  /** -1 = no Content-Length. */
  contentLength = -1;
  chunked = false;
  /** Whether the sender lets the connection live on after this message, by version and Connection field. */
  keepAlive = false;
  /** `Connection: upgrade` together with an Upgrade field, HTTP/1.1 only. */
  upgrade = false;

  constructor(lines: FieldLines) {
    this.bytes = noBytes;
    this.nameStart = lines.nameStart;
    this.nameEnd = lines.nameEnd;
    this.valueStart = lines.valueStart;
    this.valueEnd = lines.valueEnd;
    this.lineEnd = lines.lineEnd;
    this.headerId = lines.headerId;
    this.drop = lines.drop;
  }

  /** Field name as received. */
  name(index: number): string {
    return textOf(this.bytes, this.base + this.nameStart[index]!, this.base + this.nameEnd[index]!);
  }

  /** Field value without the white space around it; bytes above 0x7F as latin1. */
  value(index: number): string {
    return textOf(this.bytes, this.base + this.valueStart[index]!, this.base + this.valueEnd[index]!);
  }

  /** Index of the first line with this id, or -1. Lines that a Connection field nominated do not exist here. */
  find(id: number): number {
    const ids = this.headerId;
    for (let index = 0; index < this.headerCount; index++) {
      if (ids[index] === id && (this.drop[index] === 0 || isHopByHop(id))) return index;
    }
    return -1;
  }

  /**
   * All values of a name joined with "," as Envoy matches them (cookie: "; ", RFC 6265 §5.4), or null. Lines that a
   * Connection field nominated do not exist here.
   */
  header(lowerCaseName: string): string | null {
    let joined: string | null = null;
    for (let index = 0; index < this.headerCount; index++) {
      if (!this.#isNamed(index, lowerCaseName)) continue;
      const value = this.value(index);
      joined = joined === null ? value : joined + (lowerCaseName === "cookie" ? "; " : ",") + value;
    }
    return joined;
  }

  #isNamed(index: number, lowerCaseName: string): boolean {
    const start = this.nameStart[index]!;
    const end = this.nameEnd[index]!;
    if (end - start !== lowerCaseName.length) return false;
    if (this.drop[index] === 1 && !isHopByHop(this.headerId[index]!)) return false;
    const from = this.base + start;
    for (let at = 0; at < lowerCaseName.length; at++) {
      if (lowerByte[this.bytes[from + at]!] !== lowerCaseName.charCodeAt(at)) return false;
    }
    return true;
  }
}

const noBytes = Buffer.alloc(0);
