// SPDX-License-Identifier: Apache-2.0
// Writes one protocol-buffers message into memory that grows: at its end, and at its front for what encloses it. A field is
// named by its tag, `number << 3 | wire type`.

/** Tag and length of a message. */
export const maxHeadBytes = 6;
const two32 = 0x1_0000_0000;

/** `append`, `open`, `close`, `text` and `hex` find room themselves; the rest needs an `ensure` before it. */
export class ProtobufWriter {
  #bytes: Buffer;
  /** Of what is written, for what is put in front of it. */
  #start: number;
  #at: number;

  /** `headRoom` is the most that will be prepended. */
  constructor(headRoom: number, expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(headRoom + expectedBytes);
    this.#start = this.#at = headRoom;
  }

  /** What was written since `mark`, which stays as it is whatever is written behind it. */
  since(mark: number): Buffer {
    return this.#bytes.subarray(mark, this.#at);
  }

  /** Bytes that can be written before the memory grows. */
  get room(): number {
    return this.#bytes.length - this.#at;
  }

  /** The message, in memory of its own; nothing may be written any more. */
  take(): Buffer {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  ensure(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + bytes);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  prepend(bytes: Buffer): void {
    this.#start -= bytes.length;
    bytes.copy(this.#bytes, this.#start);
  }

  /** Makes all that is written a field of what follows. */
  prependHead(tag: number): void {
    const length = this.#at - this.#start;
    const end = this.#at;
    this.#start = this.#at = this.#start - headBytes(length);
    this.head(tag, length);
    this.#at = end;
  }

  append(bytes: Buffer): void {
    this.ensure(bytes.length);
    this.#at += bytes.copy(this.#bytes, this.#at);
  }

  /** Where the next byte goes, for `rewind` and `since`. */
  mark(): number {
    return this.#at;
  }

  rewind(mark: number): void {
    this.#at = mark;
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Tag and length of a field of so many bytes. */
  head(tag: number, length: number): void {
    this.#bytes[this.#at++] = tag;
    while (length > 0x7f) {
      this.#bytes[this.#at++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    this.#bytes[this.#at++] = length;
  }

  /** Begins a message whose length is not known; `close` it with what this returns. */
  open(tag: number): number {
    this.ensure(maxHeadBytes);
    this.#bytes[this.#at] = tag;
    // Most are of 128 bytes to 16 kB, and then stay where they are.
    this.#at += 3;
    return this.#at;
  }

  close(from: number): void {
    const length = this.#at - from;
    const shift = headBytes(length) - 3;
    if (shift !== 0) {
      this.ensure(maxHeadBytes);
      this.#bytes.copyWithin(from + shift, from, this.#at);
    }
    this.#at = from - 3;
    this.head(this.#bytes[from - 3]!, length);
    this.#at += length;
  }

  text(tag: number, value: string): void {
    this.ensure(maxHeadBytes + maxUtf8Bytes(value));
    const mark = this.#at;
    this.head(tag, value.length);
    if (this.ascii(value)) return;
    this.#at = mark;
    this.head(tag, Buffer.byteLength(value));
    this.utf8(value);
  }

  utf8(value: string): void {
    this.#at += this.#bytes.write(value, this.#at);
  }

  /** False, and nothing is written, when there is another character in it. Wants the room that it takes as UTF-8. */
  ascii(value: string): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    let seen = 0;
    // Shorter than a call that leaves JavaScript, for texts as short as these.
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      seen |= unit;
      bytes[at + index] = unit;
    }
    if (seen > 0x7f) return false;
    this.#at = at + value.length;
    return true;
  }

  /** The bytes that hexadecimal digits in lower case stand for. */
  hex(tag: number, digits: string): void {
    const length = digits.length >> 1;
    this.ensure(maxHeadBytes + length);
    this.head(tag, length);
    for (let index = 0; index < digits.length; index += 2) {
      this.#bytes[this.#at++] = (hexValue(digits.charCodeAt(index)) << 4) | hexValue(digits.charCodeAt(index + 1));
    }
  }

  fixed32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#at++] = value >>> shift;
  }

  /** `seconds` (below 2^32) and `nanoseconds` as nanoseconds in 64 bits, which a number cannot hold. */
  fixedTime64(seconds: number, nanoseconds: number): void {
    // Both products are exact: less than 2^47.
    const low = (seconds & 0xffff) * 1e9 + nanoseconds;
    const high = Math.floor(seconds / 0x1_0000) * 1e9;
    const sum = (low % two32) + (high % 0x1_0000) * 0x1_0000;
    this.fixed32(sum);
    this.fixed32(Math.floor(low / two32) + Math.floor(high / 0x1_0000) + Math.floor(sum / two32));
  }
}

/** How many bytes `ProtobufWriter.head` writes. */
export function headBytes(length: number): number {
  let bytes = 2;
  for (; length > 0x7f; length >>>= 7) bytes++;
  return bytes;
}

/** A UTF-16 code unit is three bytes of UTF-8 at most. */
export function maxUtf8Bytes(text: string): number {
  return 3 * text.length;
}

function hexValue(digit: number): number {
  return (digit & 15) + (digit >> 6) * 9;
}
