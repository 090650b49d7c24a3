// SPDX-License-Identifier: Apache-2.0
// Reads and writes the fields of a packet, big-endian. Reading never goes past the end.

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;
  #failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** All was there that was asked for, and nothing is left. */
  get isComplete(): boolean {
    return !this.#failed && this.#at === this.#bytes.length;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Marks what was read as wrong. */
  fail(): void {
    this.#failed = true;
  }

  u8(): number {
    return this.#take(1)?.[0] ?? 0;
  }

  u32(): number {
    return this.#take(4)?.readUInt32BE() ?? 0;
  }

  u64(): bigint {
    return this.#take(8)?.readBigUInt64BE() ?? 0n;
  }

  /** Printable ASCII without spaces, from 1 to `max` characters, after their number in one byte. */
  name(max: number): string {
    const text = this.text(max);
    if (text === "") this.fail();
    return text;
  }

  /** The same, and it may be empty. */
  text(max: number): string {
    const length = this.u8();
    if (length > max) this.fail();
    const text = this.#take(length)?.toString("latin1") ?? "";
    if (!/^[!-~]*$/.test(text)) this.fail();
    return text;
  }

  /** An unsigned number of so many bytes; at most 16. */
  unsigned(bytes: number): bigint {
    let value = 0n;
    for (const byte of this.#take(bytes) ?? []) value = (value << 8n) | BigInt(byte);
    return value;
  }

  #take(length: number): Buffer | null {
    if (this.#failed || this.#at + length > this.#bytes.length) {
      this.#failed = true;
      return null;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Writes into memory of the given size; who writes more has a bug, and a RangeError. */
export class ByteWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  /** What was written so far; the same memory. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  u8(value: number): void {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  u64(value: bigint): void {
    this.#at = this.#bytes.writeBigUInt64BE(value, this.#at);
  }

  text(text: string): void {
    this.u8(text.length);
    this.bytes(Buffer.from(text, "latin1"));
  }

  unsigned(value: bigint, bytes: number): void {
    for (let shift = (bytes - 1) * 8; shift >= 0; shift -= 8) this.u8(Number((value >> BigInt(shift)) & 0xffn));
  }

  bytes(bytes: Uint8Array): void {
    if (this.#at + bytes.length > this.#bytes.length) throw new RangeError("the packet is full");
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
