// SPDX-License-Identifier: Apache-2.0
// Reading a trace from a request and writing it for the upstream: the test cases of W3C Trace Context and B3.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { complete, headLimits, RequestHeadParser } from "../../../src/proxy/http1/index.ts";
import { RandomPool } from "../../../src/proxy/random-pool.ts";
import { decision, TraceContext, TraceIds } from "../../../src/proxy/trace-context.ts";
import { traceHeadersBytes, writeTraceHeaders } from "../../../src/proxy/trace-headers.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const shortId = "8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const oursAt = 36;
const ours = "00f067aa0ba902b7";
const freshTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

interface Reading {
  readonly wanted: keyof typeof decision;
  readonly joined: boolean;
  readonly keepsTracestate: boolean;
  /** What the upstream gets when the decision is followed, and no decision means no. */
  readonly sent: readonly string[];
}

/** Reads a request with these lines, into a context that was used before. */
function read(...lines: readonly string[]): Reading {
  const context = new TraceContext();
  context.read(
    headOf([`traceparent: 00-${"a".repeat(32)}-${"b".repeat(16)}-01`, `b3: ${"1".repeat(16)}-${"2".repeat(16)}-d`]),
  );
  context.decide(true);
  const wanted = context.read(headOf(lines));
  context.decide(wanted === decision.sample);
  if (!context.hasParent) context.traceparent.write(freshTrace, 3, "latin1");
  context.traceparent.write(ours, oursAt, "latin1");
  const out = Buffer.alloc(traceHeadersBytes);
  const text = out.toString("latin1", 0, writeTraceHeaders(context, out, 0));
  assert.ok(text.endsWith("\r\n"));
  const name = (Object.keys(decision) as (keyof typeof decision)[]).find((each) => decision[each] === wanted)!;
  return {
    wanted: name,
    joined: context.hasParent,
    keepsTracestate: context.keepsTracestate,
    sent: text.slice(0, -2).split("\r\n"),
  };
}

function headOf(lines: readonly string[]) {
  const parser = new RequestHeadParser({ ...headLimits });
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`,
    "latin1",
  );
  assert.equal(parser.parse(bytes, 0, bytes.length), complete, parser.errorReason);
  return parser.head;
}

const begun = [`traceparent: 00-${freshTrace}-${ours}-00`];

suite("traceparent", () => {
  test("a valid one is joined and its decision followed", () => {
    for (const [flags, wanted, sent] of [
      ["00", "drop", "00"],
      ["01", "sample", "01"],
      // Level 2: the random flag is passed on; others are unknown and are not.
      ["02", "drop", "02"],
      ["03", "sample", "03"],
      ["ff", "sample", "03"],
      ["08", "drop", "00"],
    ] as const) {
      assert.deepEqual(read(`traceparent: 00-${traceId}-${parentId}-${flags}`, "tracestate: a=1"), {
        wanted,
        joined: true,
        keepsTracestate: true,
        sent: [`traceparent: 00-${traceId}-${ours}-${sent}`],
      });
    }
  });

  test("the name is compared without case, white space around the value is not part of it", () => {
    assert.equal(read(`TraceParent:  \t00-${traceId}-${parentId}-01 \t`).joined, true);
  });

  test("a later version is read as far as it is known, and answered with ours", () => {
    for (const value of [
      `cc-${traceId}-${parentId}-01`,
      `cc-${traceId}-${parentId}-01-what-the-future-will-be-like`,
      `fe-${traceId}-${parentId}-01-`,
      `01-${traceId}-${parentId}-01`,
    ]) {
      assert.deepEqual(read(`traceparent: ${value}`).sent, [`traceparent: 00-${traceId}-${ours}-01`], value);
    }
  });

  const invalid: Readonly<Record<string, string>> = {
    empty: "",
    "version ff": `ff-${traceId}-${parentId}-01`,
    "version in upper case": `CC-${traceId}-${parentId}-01`,
    "version of one digit": `0-${traceId}-${parentId}-01`,
    "version of three digits": `000-${traceId}-${parentId}-01`,
    "version that is no number": `.0-${traceId}-${parentId}-01`,
    "trace id of zeros": `00-${"0".repeat(32)}-${parentId}-01`,
    "trace id in upper case": `00-${traceId.toUpperCase()}-${parentId}-01`,
    "trace id with another letter": `00-${traceId.slice(1)}g-${parentId}-01`,
    "trace id too short": `00-${traceId.slice(1)}-${parentId}-01`,
    "trace id too long": `00-${traceId}0-${parentId}-01`,
    "span id of zeros": `00-${traceId}-${"0".repeat(16)}-01`,
    "span id in upper case": `00-${traceId}-${parentId.toUpperCase()}-01`,
    "span id too short": `00-${traceId}-${parentId.slice(1)}-01`,
    "span id too long": `00-${traceId}-${parentId}0-01`,
    "flags of one digit": `00-${traceId}-${parentId}-1`,
    "flags of three digits": `00-${traceId}-${parentId}-001`,
    "flags in upper case": `00-${traceId}-${parentId}-0F`,
    "flags that are no number": `00-${traceId}-${parentId}-.0`,
    "no flags": `00-${traceId}-${parentId}`,
    "more behind version 00": `00-${traceId}-${parentId}-01-more`,
    "a hyphen behind version 00": `00-${traceId}-${parentId}-01-`,
    "more without a hyphen": `cc-${traceId}-${parentId}-01.more`,
    "other separators": `00_${traceId}_${parentId}_01`,
    "white space inside": `00-${traceId} -${parentId}-01`,
    "two in one": `00-${traceId}-${parentId}-01,00-${traceId}-${parentId}-01`,
    "bytes above ASCII": `00-${traceId.slice(1)}\u00e9-${parentId}-01`,
    "a whole head": "x".repeat(4_000),
  };
  for (const [what, value] of Object.entries(invalid)) {
    test(`${what}: does not exist, and neither does its tracestate`, () => {
      assert.deepEqual(read(`traceparent: ${value}`, "tracestate: a=1"), {
        wanted: "none",
        joined: false,
        keepsTracestate: false,
        sent: begun,
      });
    });
  }

  test("two are none, equal or not", () => {
    const line = `traceparent: 00-${traceId}-${parentId}-01`;
    assert.deepEqual(read(line, line).sent, begun);
    assert.deepEqual(read(line, "traceparent: x").sent, begun);
  });

  test("one that Connection nominates is none", () => {
    const reading = read(`traceparent: 00-${traceId}-${parentId}-01`, "connection: traceparent", "tracestate: a=1");
    assert.deepEqual([reading.joined, reading.keepsTracestate], [false, false]);
  });

  test("tracestate without traceparent belongs to nothing", () => {
    assert.equal(read("tracestate: a=1").keepsTracestate, false);
  });
});

suite("b3", () => {
  test("all its forms are joined, and sent on beside traceparent", () => {
    for (const [value, wanted, sent] of [
      [`${traceId}-${parentId}-1`, "sample", `${traceId}-${ours}-1-${parentId}`],
      [`${traceId}-${parentId}-0`, "drop", `${traceId}-${ours}-0-${parentId}`],
      [`${traceId}-${parentId}-d`, "sample", `${traceId}-${ours}-d-${parentId}`],
      [`${traceId}-${parentId}`, "none", `${traceId}-${ours}-0-${parentId}`],
      [`${traceId}-${parentId}-1-05e3ac9a4f6e3b90`, "sample", `${traceId}-${ours}-1-${parentId}`],
      [`${shortId}-${parentId}-1`, "sample", `${shortId}-${ours}-1-${parentId}`],
      [`${traceId.toUpperCase()}-${parentId}-1`, "sample", `${traceId}-${ours}-1-${parentId}`],
    ] as const) {
      const full = value.startsWith(shortId) ? shortId.padStart(32, "0") : traceId;
      const flags = wanted === "sample" ? "01" : "00";
      assert.deepEqual(
        read(`b3: ${value}`),
        {
          wanted,
          joined: true,
          keepsTracestate: false,
          sent: [`traceparent: 00-${full}-${ours}-${flags}`, `b3: ${sent}`],
        },
        value,
      );
    }
  });

  test("a decision alone begins a trace", () => {
    for (const [value, wanted, end] of [
      ["0", "drop", "0"],
      ["1", "sample", "1"],
      ["d", "sample", "d"],
    ] as const) {
      const reading = read(`b3: ${value}`);
      assert.deepEqual([reading.wanted, reading.joined], [wanted, false]);
      assert.equal(reading.sent[1], `b3: ${freshTrace}-${ours}-${end}`);
    }
  });

  test("anything else does not exist; the upstream gets a valid one all the same", () => {
    for (const value of [
      "",
      "2",
      "-",
      traceId,
      `${traceId}-`,
      `${traceId}-${parentId}-`,
      `${traceId}-${parentId}-2`,
      `${traceId}-${parentId}-11`,
      `${traceId}-${parentId}-1-`,
      `${traceId}-${parentId}-1-${parentId}0`,
      `${traceId}-${parentId}-1-${parentId.slice(1)}g`,
      `${traceId}-${parentId}-1-${parentId}-1`,
      `${traceId}-${parentId.slice(1)}-1`,
      `${traceId.slice(1)}-${parentId}-1`,
      `${"0".repeat(32)}-${parentId}-1`,
      `${traceId}-${"0".repeat(16)}-1`,
      `${traceId.slice(1)}g-${parentId}-1`,
    ]) {
      assert.deepEqual(
        read(`b3: ${value}`),
        { wanted: "none", joined: false, keepsTracestate: false, sent: [...begun, `b3: ${freshTrace}-${ours}-0`] },
        value,
      );
    }
    const line = `b3: ${traceId}-${parentId}-1`;
    assert.equal(read(line, line).joined, false);
  });
});

suite("x-b3-*", () => {
  const trace = `x-b3-traceid: ${traceId}`;
  const span = `X-B3-SpanId: ${parentId}`;
  const forwarded = (id: string, end: string) => [
    `x-b3-traceid: ${id}`,
    `x-b3-spanid: ${ours}`,
    `x-b3-parentspanid: ${parentId}`,
    end,
  ];

  test("ids with any decision are joined", () => {
    for (const [lines, wanted, end] of [
      [[], "none", "x-b3-sampled: 0"],
      [["x-b3-sampled: 1"], "sample", "x-b3-sampled: 1"],
      [["x-b3-sampled: 0"], "drop", "x-b3-sampled: 0"],
      [["x-b3-sampled: true"], "sample", "x-b3-sampled: 1"],
      [["x-b3-sampled: false"], "drop", "x-b3-sampled: 0"],
      [["x-b3-sampled: yes"], "none", "x-b3-sampled: 0"],
      [["x-b3-sampled: 1", "x-b3-sampled: 1"], "none", "x-b3-sampled: 0"],
      [["x-b3-flags: 1"], "sample", "x-b3-flags: 1"],
      [["x-b3-flags: 1", "x-b3-sampled: 0"], "sample", "x-b3-flags: 1"],
      [["x-b3-flags: 0", "x-b3-sampled: 1"], "sample", "x-b3-sampled: 1"],
      [["x-b3-parentspanid: 05e3ac9a4f6e3b90", "x-b3-sampled: 1"], "sample", "x-b3-sampled: 1"],
    ] as const) {
      const reading = read(trace, span, ...lines);
      assert.deepEqual([reading.wanted, reading.joined], [wanted, true], lines.join());
      assert.deepEqual(reading.sent.slice(1), forwarded(traceId, end), lines.join());
    }
    assert.deepEqual(read(`x-b3-traceid: ${shortId}`, span).sent.slice(1), forwarded(shortId, "x-b3-sampled: 0"));
  });

  test("half of the ids, or wrong ones, begin a trace; the decision still counts", () => {
    for (const lines of [
      [trace],
      [span],
      [trace, trace, span],
      [trace, `x-b3-spanid: ${parentId}0`],
      [trace, `x-b3-spanid: ${"0".repeat(16)}`],
      [`x-b3-traceid: ${"0".repeat(32)}`, span],
      [`x-b3-traceid: ${traceId.slice(1)}`, span],
      [`x-b3-traceid: ${traceId.slice(1)}-`, span],
    ]) {
      const reading = read(...lines, "x-b3-sampled: 1");
      assert.deepEqual([reading.wanted, reading.joined], ["sample", false], lines.join());
      assert.deepEqual(reading.sent.slice(1), [
        `x-b3-traceid: ${freshTrace}`,
        `x-b3-spanid: ${ours}`,
        "x-b3-sampled: 1",
      ]);
    }
  });
});

suite("several forms in one request", () => {
  test("traceparent goes before b3, b3 before x-b3-*; all are sent on as one trace", () => {
    const w3c = `traceparent: 00-${traceId}-${parentId}-01`;
    const single = `b3: ${"1".repeat(32)}-${"2".repeat(16)}-0`;
    const multi = [`x-b3-traceid: ${"3".repeat(32)}`, `x-b3-spanid: ${"4".repeat(16)}`, "x-b3-sampled: 0"];
    const all = read(...multi, single, w3c);
    assert.equal(all.wanted, "sample");
    assert.deepEqual(all.sent, [
      `traceparent: 00-${traceId}-${ours}-01`,
      `b3: ${traceId}-${ours}-1-${parentId}`,
      `x-b3-traceid: ${traceId}`,
      `x-b3-spanid: ${ours}`,
      `x-b3-parentspanid: ${parentId}`,
      "x-b3-sampled: 1",
    ]);
    assert.equal(read(...multi, single).sent[0], `traceparent: 00-${"1".repeat(32)}-${ours}-00`);
    assert.equal(read("traceparent: x", ...multi, "b3: x").sent[0], `traceparent: 00-${"3".repeat(32)}-${ours}-00`);
  });
});

test("ids are random digits, and never zeros only", () => {
  let draws = 0;
  const ids = new TraceIds(new RandomPool((bytes) => void bytes.fill(draws++ === 0 ? 0 : 0xa5)));
  const out = Buffer.alloc(32, "-");
  ids.write(out, 0, 32);
  assert.equal(out.toString("latin1"), "1".padStart(32, "0"));
  for (let count = 0; count < 2_047; count++) ids.write(out, 0, 32);
  assert.equal(draws, 1, "32 KiB are drawn at once");
  ids.write(out, 8, 16);
  assert.equal(out.toString("latin1", 8, 24), "a5".repeat(8));
  assert.equal(draws, 2);
});
