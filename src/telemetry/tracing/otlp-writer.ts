// SPDX-License-Identifier: Apache-2.0
// Writes recorded spans as OTLP: an ExportTraceServiceRequest of one resource and one scope, its fields as
// opentelemetry-proto 1 numbers them. OpenTelemetry's serializer needs a multiple of the time, for it asks every span for
// objects and walks them twice. A field that has its default value is left out.

import { headBytes, maxHeadBytes, maxUtf8Bytes, ProtobufWriter } from "./protobuf-writer.ts";
import type { AttributeSink, RecordedSpan } from "./span-attributes.ts";

/** What all spans of a process have in common. */
export interface SpanOrigin {
  readonly putResource: (sink: AttributeSink) => void;
  readonly scopeName: string;
  readonly scopeVersion: string;
  /** Put into each span of an exchange as a whole. */
  readonly putIdentity: (sink: AttributeSink) => void;
}

/** Tags of the first two fields, which most messages have. */
const field1 = 0x0a;
const field2 = 0x12;
/** Tags of Span. */
const parentSpanId = 0x22;
const name = 0x2a;
const kind = 0x30;
const startTime = 0x39;
const endTime = 0x41;
const spanAttribute = 0x4a;
const status = 0x7a;
const flags = [0x85, 0x01] as const;
const statusCode = 0x18;

const kindServer = 2;
const kindClient = 3;
const statusError = 2;
/** Sampled, and the parent is known to be ours, or somebody else's. */
const localFlags = 0x101;
const remoteFlags = 0x301;

/** Spans share memory of that size, which goes when the last of them does; one that needs more makes it grow. */
const chunkBytes = 32 * 1024;
/** A chunk with less room gets no further span. */
const expectedSpanBytes = 1_024;

/** `OtlpWriter.encode` makes it: a field of the request. */
export interface EncodedSpan {
  readonly bytes: Buffer;
}

export class OtlpWriter {
  /** As they stand in every request. */
  readonly #resource: Buffer;
  readonly #scope: Buffer;
  readonly #identity: Buffer;
  /** Where the next spans go. */
  #chunk = new ProtobufWriter(0, chunkBytes);

  constructor({ putResource, scopeName, scopeVersion, putIdentity }: SpanOrigin) {
    this.#resource = written((out) => {
      const resource = out.open(field1);
      putResource(new AttributeWriter(out, field1));
      out.close(resource);
    });
    this.#scope = written((out) => {
      const scope = out.open(field1);
      out.text(field1, scopeName);
      out.text(field2, scopeVersion);
      out.close(scope);
    });
    this.#identity = written((out) => putIdentity(new AttributeWriter(out, spanAttribute)));
  }

  /** The span as it stands in the request. */
  encode(span: RecordedSpan): Buffer {
    if (this.#chunk.room < expectedSpanBytes) this.#chunk = new ProtobufWriter(0, chunkBytes);
    const from = this.#chunk.mark();
    this.#writeSpan(span, this.#chunk);
    return this.#chunk.since(from);
  }

  /** The request with these spans, in memory of its own. */
  request(spans: readonly EncodedSpan[]): Buffer {
    let length = 0;
    for (const { bytes } of spans) length += bytes.length;
    const headRoom = this.#resource.length + this.#scope.length + 2 * maxHeadBytes;
    const out = new ProtobufWriter(headRoom, length);
    for (const { bytes } of spans) out.append(bytes);
    out.prepend(this.#scope);
    out.prependHead(field2);
    out.prepend(this.#resource);
    out.prependHead(field1);
    return out.take();
  }

  #writeSpan(span: RecordedSpan, out: ProtobufWriter): void {
    const attributes = new AttributeWriter(out, spanAttribute);
    const { record } = span;
    const parent = span.parentSpanId;
    const from = out.open(field2);
    out.hex(field1, record.traceId);
    out.hex(field2, span.spanId);
    if (parent !== null) out.hex(parentSpanId, parent);
    out.text(name, record.operation);
    out.ensure(2);
    out.byte(kind);
    out.byte(span.isServer ? kindServer : kindClient);
    writeTime(out, startTime, span.startTime);
    writeTime(out, endTime, span.endTime);
    span.putAttributes(attributes);
    if (!span.isCall) out.append(this.#identity);
    out.ensure(maxHeadBytes);
    if (span.failed) {
      out.head(status, 2);
      out.byte(statusCode);
      out.byte(statusError);
    }
    out.byte(flags[0]);
    out.byte(flags[1]);
    out.fixed32(span.hasRemoteParent ? remoteFlags : localFlags);
    out.close(from);
  }
}

/** Writes `KeyValue`s with text values under one tag. */
class AttributeWriter implements AttributeSink {
  readonly #out: ProtobufWriter;
  readonly #tag: number;

  constructor(out: ProtobufWriter, tag: number) {
    this.#out = out;
    this.#tag = tag;
  }

  attribute(key: string, value: string): void {
    const out = this.#out;
    out.ensure(4 * maxHeadBytes + key.length + maxUtf8Bytes(value));
    const mark = out.mark();
    this.#heads(key, value.length);
    if (out.ascii(value)) return;
    out.rewind(mark);
    this.#heads(key, Buffer.byteLength(value));
    out.utf8(value);
  }

  /** All but the value, whose AnyValue and KeyValue have their lengths in front. */
  #heads(key: string, valueBytes: number): void {
    const out = this.#out;
    const anyBytes = headBytes(valueBytes) + valueBytes;
    out.head(this.#tag, headBytes(key.length) + key.length + headBytes(anyBytes) + anyBytes);
    out.head(field1, key.length);
    out.ascii(key);
    out.head(field2, anyBytes);
    out.head(field1, valueBytes);
  }
}

function written(write: (out: ProtobufWriter) => void): Buffer {
  const out = new ProtobufWriter(0, 1_024);
  write(out);
  return out.take();
}

function writeTime(out: ProtobufWriter, tag: number, [seconds, nanoseconds]: readonly [number, number]): void {
  out.ensure(9);
  out.byte(tag);
  out.fixedTime64(seconds, nanoseconds);
}
