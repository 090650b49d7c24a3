// SPDX-License-Identifier: Apache-2.0
// A strict reader of protocol buffers: what the schema does not name, what has another wire type, and what does not end
// where it should is an error. For tests that want to know what was really sent.

export type FieldType = "string" | "bytes" | "varint" | "fixed32" | "fixed64" | MessageSchema;

export interface MessageSchema {
  readonly name: string;
  /** By field number. */
  readonly fields: Readonly<Record<number, readonly [name: string, type: FieldType]>>;
}

/** Values by field name, in order; a field that did not come has none. */
export type Message = Readonly<Record<string, readonly Value[]>>;
export type Value = string | bigint | Uint8Array | Message;

const wireTypes: Readonly<Record<string, number>> = { varint: 0, fixed64: 1, bytes: 2, string: 2, fixed32: 5 };

/** Throws when `bytes` is not exactly one message of that schema. */
export function readMessage(bytes: Uint8Array, schema: MessageSchema): Message {
  const message: Record<string, Value[]> = {};
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = Number(reader.varint());
    const [name, type] = schema.fields[tag >> 3] ?? [];
    if (name === undefined || type === undefined) throw new Error(`${schema.name} has no field ${tag >> 3}`);
    const wireType = typeof type === "string" ? wireTypes[type] : 2;
    if ((tag & 7) !== wireType) throw new Error(`${schema.name}.${name} has wire type ${tag & 7}, not ${wireType}`);
    (message[name] ??= []).push(readValue(reader, type));
  }
  return message;
}

function readValue(reader: Reader, type: FieldType): Value {
  switch (type) {
    case "varint":
      return reader.varint();
    case "fixed32":
      return reader.fixed(4);
    case "fixed64":
      return reader.fixed(8);
    case "bytes":
      return reader.bytes();
    case "string":
      return new TextDecoder("utf-8", { fatal: true }).decode(reader.bytes());
    default:
      return readMessage(reader.bytes(), type);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#take(1)[0]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error("varint of more than ten bytes");
  }

  fixed(size: number): bigint {
    return this.#take(size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  bytes(): Uint8Array {
    return this.#take(Number(this.varint()));
  }

  #take(size: number): Uint8Array {
    if (this.#at + size > this.#bytes.length) throw new Error("message ends in the middle of a field");
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}
