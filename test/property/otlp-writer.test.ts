// SPDX-License-Identifier: Apache-2.0
// Spans are written as OTLP by code of naru's own; OpenTelemetry's serializer, which reads the same spans object by object,
// must come to the same message for any record.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import * as fc from "fast-check";

import { unknownWorkload } from "../../src/model/index.ts";
import type { SpanRecord } from "../../src/telemetry/port.ts";
import { writerFor, type Origin } from "../../src/telemetry/tracing/otel.ts";
import { spanCountOf } from "../../src/telemetry/tracing/span-attributes.ts";
import { exportRequest } from "../support/otlp-collector.ts";
import { readMessage, type Message, type Value } from "../support/protobuf.ts";
import { SdkSpan } from "../support/sdk-span.ts";

/** Any UTF-16, with halves of surrogate pairs, too. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 300 })
  .map((units) => String.fromCharCode(...units));
const text = fc.oneof(fc.string({ maxLength: 300 }), anyText);
const id = (digits: number) =>
  fc.uint8Array({ minLength: digits / 2, maxLength: digits / 2 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const wallMs = fc.integer({ min: 0, max: 2 ** 42 }).chain((ms) => fc.constantFrom(ms, ms + 0.125, ms + 0.999_5));

const record: fc.Arbitrary<SpanRecord> = fc.record({
  traceId: id(32),
  parentSpanId: fc.option(id(16)),
  serverSpanId: fc.option(id(16)),
  clientSpanId: id(16),
  operation: text,
  startWallMs: wallMs,
  durationMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  method: text,
  url: text,
  protocol: fc.constantFrom("HTTP/1.1", "HTTP/1.0"),
  requestId: text,
  userAgent: fc.option(text),
  downstreamAddress: text,
  requestBytes: fc.maxSafeNat(),
  responseBytes: fc.maxSafeNat(),
  responseCode: fc.constantFrom(0, 200, 404, 500, 503),
  responseFlags: fc.constantFrom("-", "UF,URX"),
  upstreamCluster: fc.option(text),
  upstreamAddress: fc.option(text),
  attempts: fc.nat({ max: 3 }),
  retries: fc.nat({ max: 3 }),
});

const origin: fc.Arbitrary<Origin> = fc
  .tuple(text, text, fc.string({ minLength: 1, maxLength: 20 }), fc.string({ minLength: 1, maxLength: 20 }))
  .map(([service, mesh, scope, version]) => ({
    resource: resourceFromAttributes({ "service.name": service, "service.instance.id": "0".repeat(200) }),
    scope: { name: scope, version },
    identity: { workload: unknownWorkload, labels: {}, namespace: "edge", clusterDomain: mesh },
  }));

function spansOf(records: readonly SpanRecord[], of: Origin): SdkSpan[] {
  return records.flatMap((each) => {
    const whole = new SdkSpan(each, false, of);
    return spanCountOf(each) === 2 ? [whole, new SdkSpan(each, true, of)] : [whole];
  });
}

function isMessage(value: Value): value is Message {
  return typeof value === "object" && !(value instanceof Uint8Array);
}

/** In proto3 a field of 0 is as good as none, and a Status of nothing but defaults as good as no Status. */
function normalized(message: Message): Message {
  const fields: [string, Value[]][] = [];
  for (const [name, values] of Object.entries(message)) {
    const kept = values
      .filter((value) => value !== 0n)
      .map((value) => (isMessage(value) ? normalized(value) : value))
      .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value))
      .filter((value) => name !== "status" || Object.keys(value).length > 0);
    if (kept.length > 0) fields.push([name, kept]);
  }
  return Object.fromEntries(fields);
}

function compare(records: readonly SpanRecord[], of: Origin): void {
  const spans = spansOf(records, of);
  const expected = ProtobufTraceSerializer.serializeRequest(spans);
  const writer = writerFor(of);
  const actual = writer.request(spans.map((span) => ({ bytes: writer.encode(span) })));
  assert.ok(expected !== undefined);
  assert.deepEqual(normalized(readMessage(actual, exportRequest)), normalized(readMessage(expected, exportRequest)));
}

test("the same message as OpenTelemetry's serializer writes", () => {
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), origin, compare), { numRuns: 150 });
});

test("lengths of one, two, three and four bytes", () => {
  const [of] = fc.sample(origin, 1) as [Origin];
  const [any] = fc.sample(record, 1) as [SpanRecord];
  for (const length of [0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 40_000, 2_097_151, 2_200_000]) {
    for (const character of ["a", "é", "€"]) compare([any, { ...any, operation: character.repeat(length) }, any], of);
  }
});
