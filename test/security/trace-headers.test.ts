// SPDX-License-Identifier: Apache-2.0
// Trace headers are taken from anybody and written anew: whatever comes in, the upstream gets one well-formed set of them,
// and nothing of a value that is not a trace.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, head, refusals, valuesOf } from "./support/arena.ts";
import type { SeenRequest } from "./support/echo-origin.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const valid = `00-${traceId}-${parentId}-01`;
const traceNames = [
  "traceparent",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
];
const get = (...lines: readonly string[]) => head("GET /attack HTTP/1.1", "Host: a", ...lines);

const grammar: Readonly<Record<string, RegExp>> = {
  traceparent: /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/,
  b3: /^(?:[0-9a-f]{16}|[0-9a-f]{32})-[0-9a-f]{16}-[01d](?:-[0-9a-f]{16})?$/,
  "x-b3-traceid": /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/,
  "x-b3-spanid": /^[0-9a-f]{16}$/,
  "x-b3-parentspanid": /^[0-9a-f]{16}$/,
  "x-b3-sampled": /^[01]$/,
  "x-b3-flags": /^1$/,
};

function assertWellFormed(seen: SeenRequest, name: string): void {
  for (const each of traceNames) {
    const values = valuesOf(seen, each);
    assert.ok(values.length <= 1, `${each} once for ${name}`);
    for (const value of values) assert.match(value, grammar[each]!, name);
  }
  assert.equal(valuesOf(seen, "traceparent").length, 1, name);
}

test("duplicates, in either order, valid or not", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 50 });
  for (const lines of [
    [`traceparent: ${valid}`, `traceparent: ${valid}`],
    [`traceparent: ${valid}`, "TRACEPARENT: x"],
    ["traceparent: x", `traceparent: ${valid}`, "tracestate: a=1"],
    ["b3: 1", "b3: 0"],
    [`b3: ${traceId}-${parentId}-1`, `B3: ${traceId}-${parentId}-0`],
    [`x-b3-traceid: ${traceId}`, `x-b3-traceid: ${"1".repeat(32)}`, `x-b3-spanid: ${parentId}`],
    [`x-b3-traceid: ${traceId}`, `x-b3-spanid: ${parentId}`, "x-b3-sampled: 1", "x-b3-sampled: 0"],
  ]) {
    const seen = await arena.forwarded(get(...lines));
    assertWellFormed(seen, lines.join());
    assert.deepEqual(valuesOf(seen, "tracestate"), [], lines.join());
  }
});

test("long, odd and hostile values: the request is served, the value goes nowhere", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 50 });
  const values = [
    "",
    "x".repeat(16_000),
    `${valid}${"-x".repeat(4_000)}`,
    `fe-${traceId}-${parentId}-01-${"evil".repeat(2_000)}`,
    `${valid}, ${valid}`,
    `${valid}\t`,
    "\u00ff\u00fe\u0080",
    "${jndi:ldap://evil}",
    "-".repeat(55),
    "0".repeat(55),
    `${"0".repeat(32)}-${"0".repeat(16)}-0`,
    `${"f".repeat(32)}-${"f".repeat(16)}-d-${"f".repeat(16)}`,
  ];
  for (const value of values) {
    for (const name of traceNames) {
      const seen = await arena.forwarded(get(`${name}: ${value}`));
      assertWellFormed(seen, `${name}: ${value.slice(0, 60)}`);
      assert.ok(!JSON.stringify(seen.headers).includes("evil"));
    }
  }
});

test("bytes that end a line are refused as anywhere else", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 50 });
  for (const value of [`${valid}\nx-evil: 1`, `${valid}\rx-evil: 1`, `${valid}\0`]) {
    await arena.refused(get(`traceparent: ${value}`), refusals.badRequest);
  }
});

test("all forms at once on a head as long as one may be: there is room for what is written", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 100 });
  const all = [
    `traceparent: ${valid}`,
    "b3: 0",
    ...["traceid", "spanid", "parentspanid", "sampled", "flags"].map((part) => `x-b3-${part}: 1`),
  ];
  for (let length = 1; length < 600; length += 37) {
    const seen = await arena.forwarded(get(...all, `filler: ${"f".repeat(length)}`));
    assertWellFormed(seen, String(length));
    assert.deepEqual(valuesOf(seen, "filler"), ["f".repeat(length)]);
  }
  const old = await arena.forwarded(`GET / HTTP/1.0\r\n${all.join("\r\n")}\r\n\r\n`);
  assertWellFormed(old, "HTTP/1.0");
});

test("a Connection field cannot take trace headers away, for they are naru's own", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 100 });
  const seen = await arena.forwarded(get(`traceparent: ${valid}`, "connection: traceparent, b3", "b3: 1"));
  assertWellFormed(seen, "nominated");
  assert.ok(!valuesOf(seen, "traceparent")[0]!.includes(traceId));
});

test("what a client says about tracing to Envoy stays outside", async () => {
  await using arena = await Arena.start({ traceSamplingPercent: 0 });
  const seen = await arena.forwarded(get("x-envoy-force-trace: 1", "x-client-trace-id: 1", "x-request-id: 1"));
  assert.deepEqual(valuesOf(seen, "x-envoy-force-trace"), []);
  assert.match(valuesOf(seen, "traceparent")[0]!, /-00$/);
  assert.deepEqual(arena.proxy.spans, []);
});
