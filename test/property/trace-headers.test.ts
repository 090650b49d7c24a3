// SPDX-License-Identifier: Apache-2.0
// Whatever trace headers a request has, what is written for the upstream is valid, and says the same in every form.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { complete, headLimits, RequestHeadParser } from "../../src/proxy/http1/index.ts";
import { RandomPool } from "../../src/proxy/random-pool.ts";
import { decision, TraceContext, TraceIds } from "../../src/proxy/trace-context.ts";
import { traceHeadersBytes, writeTraceHeaders } from "../../src/proxy/trace-headers.ts";

const hex = (length: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)) },
    { weight: 1, arbitrary: fc.constant("0".repeat(length)) },
    { weight: 1, arbitrary: fc.stringMatching(new RegExp(`^[0-9A-Fg-]{${length - 1},${length + 1}}$`)) },
  );
const version = fc.constantFrom("00", "01", "cc", "fe", "ff", "CC", "0", "");
const sampling = fc.constantFrom("-0", "-1", "-d", "", "-2", "-", `-1-${"a".repeat(16)}`, "-1-x");
const rest = fc.constantFrom("", "", "", "-", "-more", ".", " 00");
const traceparent = fc
  .tuple(version, hex(32), hex(16), hex(2), rest)
  .map(([v, t, s, f, r]) => `${v}-${t}-${s}-${f}${r}`);
const b3 = fc.tuple(fc.oneof(hex(32), hex(16)), hex(16), sampling).map(([t, s, d]) => `${t}-${s}${d}`);
const noise = fc.stringMatching(/^[\x21-\x7e\x80-\xff]{0,60}$/);
const decisions = fc.constantFrom("0", "1", "d", "true", "2");
const line = fc.oneof(
  traceparent.map((value) => `traceparent: ${value}`),
  b3.map((value) => `b3: ${value}`),
  fc.oneof(hex(32), hex(16)).map((value) => `x-b3-traceid: ${value}`),
  hex(16).map((value) => `x-b3-spanid: ${value}`),
  fc.tuple(fc.constantFrom("b3", "x-b3-sampled", "x-b3-flags"), decisions).map(([name, value]) => `${name}: ${value}`),
  fc
    .tuple(fc.constantFrom("traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-parentspanid", "connection"), noise)
    .map(([name, value]) => `${name}: ${value}`),
);
const lines = fc.array(line, { maxLength: 6 });

const parser = new RequestHeadParser(headLimits);
const context = new TraceContext();
const out = Buffer.alloc(traceHeadersBytes + 1);

function readLines(request: readonly string[]): number | null {
  parser.reset();
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${request.map((each) => `${each}\r\n`).join("")}\r\n`,
    "latin1",
  );
  return parser.parse(bytes, 0, bytes.length) === complete ? context.read(parser.head) : null;
}

test("valid by every grammar, one trace in every form, whatever came before", () => {
  let joined = 0;
  fc.assert(
    fc.property(lines, fc.infiniteStream(fc.integer({ min: 0, max: 255 })), fc.boolean(), (request, bytes, chance) => {
      const wanted = readLines(request);
      if (wanted === null) return;
      const ids = new TraceIds(new RandomPool((pool) => pool.forEach((_, at) => (pool[at] = bytes.next().value ?? 0))));
      if (!context.hasParent) ids.write(context.traceparent, 3, 32);
      else joined++;
      ids.write(context.traceparent, 36, 16);
      const sampled = wanted === decision.none ? chance : wanted === decision.sample;
      context.decide(sampled);
      out.fill(0);
      const length = writeTraceHeaders(context, out, 0);
      assert.ok(length <= traceHeadersBytes);
      assert.equal(out[length], 0, "nothing is written behind the end");
      const written = out.toString("latin1", 0, length);
      const pattern =
        /^traceparent: 00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-0([0-3])\r\n(?:b3: (?<id>[0-9a-f]+)-\2-(?<state>[01d])(?:-[0-9a-f]{16})?\r\n)?(?:x-b3-traceid: (?<multiId>[0-9a-f]+)\r\nx-b3-spanid: \2\r\n(?:x-b3-parentspanid: [0-9a-f]{16}\r\n)?(?:x-b3-sampled: (?<multiState>[01])|x-b3-flags: 1)\r\n)?$/;
      const parts = pattern.exec(written);
      assert.ok(parts, written);
      const [, trace, , flags] = parts;
      assert.equal((Number(flags) & 1) === 1, sampled);
      for (const id of [parts.groups?.["id"], parts.groups?.["multiId"]]) {
        if (id !== undefined) assert.equal(id.padStart(32, "0"), trace);
      }
      for (const state of [parts.groups?.["state"], parts.groups?.["multiState"]]) {
        if (state !== undefined) assert.equal(state !== "0", sampled);
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(joined > 200, `${joined} of the requests had a trace`);
});

test("what one naru writes, the next one joins", () => {
  fc.assert(
    fc.property(lines, (request) => {
      if (readLines(request) === null) return;
      if (!context.hasParent) context.traceparent.write("1".repeat(32), 3, "latin1");
      context.traceparent.write("2".repeat(16), 36, "latin1");
      context.decide(true);
      const sent = context.traceparent.toString("latin1");
      const written = out
        .toString("latin1", 0, writeTraceHeaders(context, out, 0))
        .trimEnd()
        .split("\r\n");
      assert.equal(readLines(written), decision.sample);
      assert.equal(context.hasParent, true);
      assert.equal(context.parentId.toString("latin1"), "2".repeat(16));
      assert.equal(context.traceparent.toString("latin1", 3, 35), sent.slice(3, 35));
      // B3 alone says the same.
      const withoutW3c = written.slice(1);
      if (withoutW3c.length > 0) {
        assert.equal(readLines(withoutW3c), decision.sample);
        assert.equal(context.traceparent.toString("latin1", 3, 35), sent.slice(3, 35));
      }
    }),
    { numRuns: 1_000 },
  );
});
