// SPDX-License-Identifier: Apache-2.0
// The trailer section of a chunked body: gathered, checked like header lines, and rid of everything that must not arrive
// by this way (RFC 9110 §6.5.1). Used by the few messages that have one, so it keeps its own copy of the bytes.

import type { UnderscoreAction } from "../../model/index.ts";
import { underscore } from "./bytes.ts";
import { FieldLines } from "./field-lines.ts";
import { isFraming, isNotInTrailer } from "./header-id.ts";
import { complete, failed, needMore, type ParseStatus } from "./limits.ts";

const maxTrailerBytes = 16 * 1024;
const maxTrailerLines = 64;
const firstCapacity = 512;

/** Names without an id that control caching, conditions or content and so have no place here (RFC 9110 §6.5.1). */
const controlNames = new Set([
  "accept",
  "accept-encoding",
  "age",
  "cache-control",
  "content-encoding",
  "content-range",
  "expires",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "vary",
  "warning",
  "www-authenticate",
]);

export class TrailerSection {
  /** After `failed`: why. */
  reason = "";
  /** Bytes of the last `read` that belonged to the section. */
  consumed = 0;
  readonly #lines = new FieldLines(maxTrailerLines);
  #bytes = Buffer.allocUnsafe(firstCapacity);
  #fill = 0;
  readonly #underscores: UnderscoreAction;

  constructor(underscores: UnderscoreAction) {
    this.#underscores = underscores;
  }

  start(): void {
    this.#fill = 0;
    this.#lines.reset(0);
  }

  /** Takes what it can of `bytes[from, to)`; `consumed` says how much. */
  read(bytes: Buffer, from: number, to: number): ParseStatus {
    const before = this.#fill;
    const length = Math.min(to - from, maxTrailerBytes - before);
    this.#grow(before + length);
    bytes.copy(this.#bytes, before, from, from + length);
    this.#fill = before + length;
    const status = this.#lines.scan(this.#bytes, 0, this.#fill);
    this.consumed = (status === complete ? this.#lines.position : this.#fill) - before;
    if (status === failed) return this.#fail(this.#lines.reason);
    if (status === needMore && this.#fill === maxTrailerBytes) return this.#fail("trailer section too large");
    return status === complete ? this.#check() : status;
  }

  /** The lines that may go on, as `name: value\r\n…`; null when none is left. A copy of its own. */
  take(): Buffer | null {
    const lines = this.#lines;
    const parts: string[] = [];
    for (let index = 0; index < lines.count; index++) {
      if (lines.drop[index] === 1 || isNotInTrailer(lines.headerId[index]!)) continue;
      const name = this.#bytes.toString("latin1", lines.nameStart[index], lines.nameEnd[index]);
      if (controlNames.has(name.toLowerCase())) continue;
      const value = this.#bytes.toString("latin1", lines.valueStart[index], lines.valueEnd[index]);
      parts.push(`${name}: ${value}\r\n`);
    }
    return parts.length === 0 ? null : Buffer.from(parts.join(""), "latin1");
  }

  /** Framing in a trailer is an attempt to be read differently by somebody else. */
  #check(): ParseStatus {
    const lines = this.#lines;
    for (let index = 0; index < lines.count; index++) {
      if (isFraming(lines.headerId[index]!)) return this.#fail("framing header in trailers");
      if (this.#underscores === "allow") continue;
      if (!this.#bytes.subarray(lines.nameStart[index], lines.nameEnd[index]).includes(underscore)) continue;
      if (this.#underscores === "reject") return this.#fail("trailer name with an underscore");
      lines.drop[index] = 1;
    }
    return complete;
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.min(maxTrailerBytes, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(larger, 0, 0, this.#fill);
    this.#bytes = larger;
  }

  #fail(reason: string): typeof failed {
    this.reason = reason;
    return failed;
  }
}
