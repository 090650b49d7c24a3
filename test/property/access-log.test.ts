// SPDX-License-Identifier: Apache-2.0
// The access log writes bytes and remembers what it wrote; a plain reading of the same formats, made of strings and
// regular expressions, must come to the same lines for any values in any order.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { createAccessLog } from "../../src/telemetry/index.ts";
import { accessLogRecord, type LoggedExchange } from "../support/access-log-record.ts";
import { FakeClock } from "../support/fake-clock.ts";

const maxChars = 8192;

function escaped(text: string, unsafe: RegExp, escape: (character: string) => string): string {
  return text.slice(0, maxChars).replace(unsafe, escape);
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).toUpperCase().padStart(digits, "0");
}

function hexEscape(character: string): string {
  return character <= "\xff" ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`;
}

function jsonEscape(character: string): string {
  return character === '"' || character === "\\" ? `\\${character}` : `\\u${hex(character, 4)}`;
}

function bare(text: string | null): string {
  return text === null || text === "" ? "-" : escaped(text, /[^\x21-\x7e]|["\\]/g, hexEscape);
}

function quoted(text: string | null): string {
  return `"${text === null ? "-" : escaped(text, /[^\x20-\x7e]|["\\]/g, hexEscape)}"`;
}

function json(value: string | number | null): string {
  return typeof value === "string" ? `"${escaped(value, /[^\x20-\x7e]|["\\]/g, jsonEscape)}"` : String(value);
}

function textLine(record: LoggedExchange): string {
  const serviceTime = record.upstreamServiceTimeMs;
  const fields = [
    `[${new Date(record.startWallMs).toISOString()}]`,
    `"${bare(record.method)} ${bare(record.path)} ${bare(record.protocol)}"`,
    record.responseCode,
    bare(record.responseFlags),
    bare(record.responseCodeDetails),
    bare(record.connectionTerminationDetails),
    quoted(record.upstreamTransportFailureReason),
    record.bytesReceived,
    record.bytesSent,
    Math.trunc(record.durationMs),
    serviceTime === null ? "-" : Math.trunc(serviceTime),
    quoted(record.xForwardedFor),
    quoted(record.userAgent),
    quoted(record.requestId),
    quoted(record.authority),
    quoted(record.upstreamHost),
    bare(record.upstreamCluster),
    bare(record.upstreamLocalAddress),
    bare(record.downstreamLocalAddress),
    bare(record.downstreamRemoteAddress),
    bare(record.requestedServerName),
    bare(record.routeName),
  ];
  return `${fields.join(" ")}\n`;
}

function jsonLine(record: LoggedExchange): string {
  const serviceTime = record.upstreamServiceTimeMs;
  const fields = {
    start_time: new Date(record.startWallMs).toISOString(),
    route_name: record.routeName,
    method: record.method,
    path: record.path,
    protocol: record.protocol,
    response_code: record.responseCode,
    response_flags: record.responseFlags,
    response_code_details: record.responseCodeDetails,
    connection_termination_details: record.connectionTerminationDetails,
    bytes_received: record.bytesReceived,
    bytes_sent: record.bytesSent,
    duration: Math.trunc(record.durationMs),
    upstream_service_time: serviceTime === null ? null : String(Math.trunc(serviceTime)),
    x_forwarded_for: record.xForwardedFor,
    user_agent: record.userAgent,
    request_id: record.requestId,
    authority: record.authority,
    upstream_host: record.upstreamHost,
    upstream_cluster: record.upstreamCluster,
    upstream_local_address: record.upstreamLocalAddress,
    downstream_local_address: record.downstreamLocalAddress,
    downstream_remote_address: record.downstreamRemoteAddress,
    requested_server_name: record.requestedServerName,
    upstream_transport_failure_reason: record.upstreamTransportFailureReason,
  };
  return `{${Object.entries(fields)
    .map(([key, value]) => `"${key}":${json(value)}`)
    .join(",")}}\n`;
}

/** Around the lengths at which something changes: copies by loop and by call, what is remembered, the cut. */
const lengths = fc.constantFrom(0, 1, 31, 32, 33, 254, 255, 256, 257, 1023, 8191, 8192, 8193, 20_000);
const nastyBytes = '"\\ -\n\r\t\0\x1b\x7f\x80\x85\xa0\xff~!';

function valueOf(characters: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit: fc.constantFrom(..."abc/:.-|".split("")), maxLength: 60 }) },
    { weight: 3, arbitrary: fc.string({ unit: characters, maxLength: 20 }) },
    { weight: 1, arbitrary: fc.tuple(characters, lengths).map(([unit, length]) => unit.repeat(length)) },
    { weight: 1, arbitrary: fc.tuple(lengths, characters).map(([length, last]) => "x".repeat(length) + last) },
  );
}

const anyByte = fc.oneof(
  fc.constantFrom(...nastyBytes.split("")),
  fc.nat(255).map((code) => String.fromCharCode(code)),
);
const anyUnit = fc.oneof(
  anyByte,
  fc.constantFrom("\u0100", "\u2028", "\uffff"),
  fc.nat(0xffff).map((code) => String.fromCharCode(code)),
);
const received = fc.option(valueOf(anyByte));
const text = fc.option(valueOf(anyUnit));
const count = fc.oneof(fc.nat(2000), fc.maxSafeNat());
const milliseconds = fc.oneof(
  fc.nat(10_000),
  fc.double({ min: 0, max: 1e7, noNaN: true }),
  // Clocks are monotonic; a wrong one must still give a number.
  fc.double({ min: -5000, max: 0, noNaN: true }),
);

const exchange: fc.Arbitrary<LoggedExchange> = fc.record({
  startWallMs: fc.oneof(
    // Often the same millisecond or second as the line before.
    fc.integer({ min: 1_767_323_045_990, max: 1_767_323_046_010 }),
    fc.double({ min: 0, max: 253_402_300_799_999, noNaN: true }),
  ),
  method: text,
  path: received,
  protocol: text,
  responseCode: fc.nat(999),
  responseFlags: valueOf(anyUnit),
  responseCodeDetails: text,
  connectionTerminationDetails: text,
  upstreamTransportFailureReason: text,
  bytesReceived: count,
  bytesSent: count,
  durationMs: milliseconds,
  upstreamServiceTimeMs: fc.option(milliseconds),
  xForwardedFor: received,
  userAgent: received,
  requestId: received,
  authority: received,
  upstreamHost: text,
  upstreamCluster: text,
  upstreamLocalAddress: received,
  downstreamLocalAddress: received,
  downstreamRemoteAddress: received,
  requestedServerName: text,
  routeName: text,
});

/** A request that failed before its head was read. */
const nothingKnown: LoggedExchange = {
  startWallMs: 0,
  method: null,
  path: null,
  protocol: null,
  responseCode: 400,
  responseFlags: "DPE",
  responseCodeDetails: null,
  connectionTerminationDetails: null,
  upstreamTransportFailureReason: null,
  bytesReceived: 0,
  bytesSent: 0,
  durationMs: 0,
  upstreamServiceTimeMs: null,
  xForwardedFor: null,
  userAgent: null,
  requestId: null,
  authority: null,
  upstreamHost: null,
  upstreamCluster: null,
  upstreamLocalAddress: null,
  downstreamLocalAddress: null,
  downstreamRemoteAddress: null,
  requestedServerName: null,
  routeName: null,
};

/** Exchanges that have something in common with their neighbours, as those of one proxy have. */
const exchanges = fc
  .tuple(
    fc.array(fc.oneof(exchange, fc.constant(nothingKnown)), { minLength: 1, maxLength: 4 }),
    fc.infiniteStream(fc.nat(15)),
  )
  .map(([some, choices]) => {
    const mixed = Array.from({ length: 6 }, () => {
      const [base, other, fields] = [...choices.take(3)] as [number, number, number];
      const donor = Object.entries(some[other % some.length]!).filter((_, index) => (index + fields) % 3 === 0);
      return { ...some[base % some.length]!, ...Object.fromEntries(donor) };
    });
    return [...some, ...mixed];
  });

async function linesOf(format: "text" | "json", records: readonly LoggedExchange[]): Promise<string> {
  const chunks: string[] = [];
  const sink = {
    write(bytes: Buffer, done: (error: Error | null) => void): void {
      chunks.push(bytes.toString("latin1"));
      done(null);
    },
    reopen(): void {},
    close(): void {},
  };
  const log = createAccessLog({ format, sink, clock: new FakeClock() });
  for (const record of records) log.write(accessLogRecord(record));
  await log.close();
  return chunks.join("");
}

for (const [format, reference] of [
  ["text", textLine],
  ["json", jsonLine],
] as const) {
  test(`${format}: any exchanges are written as a plain formatter writes them`, async () => {
    await fc.assert(
      fc.asyncProperty(exchanges, async (records) => {
        assert.equal(await linesOf(format, records), records.map(reference).join(""));
      }),
      { numRuns: 300, examples: [[[nothingKnown]]] },
    );
  });
}

test("every byte in every kind of field is written as a plain formatter writes it", async () => {
  const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
  const records = [...bytes.split(""), bytes].flatMap((value) =>
    (["path", "userAgent", "upstreamCluster", "upstreamHost"] as const).map((field) => ({
      ...nothingKnown,
      [field]: value,
    })),
  );
  assert.equal(await linesOf("text", records), records.map(textLine).join(""));
  assert.equal(await linesOf("json", records), records.map(jsonLine).join(""));
});
