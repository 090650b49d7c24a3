// SPDX-License-Identifier: Apache-2.0
// Traces through the data plane: which requests leave a span, what is in it, and what the upstream is told.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, endOfHead, get, ok, post } from "../support/messages.ts";
import {
  defaultAction,
  defaultCluster,
  route,
  startProxy,
  webCluster,
  type ProxySetup,
} from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const joins = `traceparent: 00-${traceId}-${parentId}-01\r\n`;

/** Bytes that differ from draw to draw and from id to id. */
function countingRandom(): (bytes: Uint8Array) => void {
  let next = 1;
  return (bytes) => {
    for (let at = 0; at < bytes.length; at++) bytes[at] = at % 8 === 7 ? next++ & 0xff : 0xe0;
  };
}

async function startTraced(setup: ProxySetup = {}) {
  await using parts = new AsyncDisposableStack();
  const origin = parts.use(await RawOrigin.start());
  const tracing = { traceSamplingPercent: 100, fillRandom: countingRandom() };
  const proxy = parts.use(await startProxy({ origins: [origin.port], ...tracing, ...setup }));
  const client = parts.use(await proxy.connect());
  const owned = parts.move();
  return {
    origin,
    proxy,
    client,
    /** Sends a request and has it answered; returns the head as the upstream saw it. */
    async exchange(request: string, response = ok("x")): Promise<string> {
      client.send(request);
      const upstream = await origin.connection();
      const head = await upstream.takeThrough(endOfHead);
      upstream.send(response.replace("\r\n", "\r\nConnection: close\r\n"));
      upstream.finish();
      await client.takeThrough(endOfHead);
      if (response.endsWith("x")) await client.takeBytes(1);
      return head;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function contextOf(head: string) {
  const [, trace, span, flags] = /^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r$/m.exec(head) ?? [];
  return { trace, span, flags };
}

test("at the edge: a span of the exchange, below it the call whose id the upstream gets", async () => {
  await using traced = await startTraced();
  traced.proxy.clock.advance(1_234);
  const head = await traced.exchange(post("hello", `${joins}user-agent: t\r\n`, "/p?q=1"));
  const [span] = traced.proxy.spans;
  assert.ok(span);
  assert.deepEqual(contextOf(head), { trace: traceId, span: span.clientSpanId, flags: "01" });
  assert.match(head, /^x-request-id: .{14}9/m);
  assert.ok(span.serverSpanId !== null && span.serverSpanId !== span.clientSpanId && span.serverSpanId !== parentId);
  assert.deepEqual(
    { ...span, clientSpanId: "", serverSpanId: "", requestId: "", upstreamAddress: "" },
    {
      traceId,
      parentSpanId: parentId,
      serverSpanId: "",
      clientSpanId: "",
      operation: "web.default.svc.cluster.local:80/*",
      startWallMs: traced.proxy.clock.wallMs(),
      durationMs: 0,
      method: "POST",
      url: "http://a/p?q=1",
      protocol: "HTTP/1.1",
      requestId: "",
      userAgent: "t",
      downstreamAddress: "127.0.0.1",
      requestBytes: 5,
      responseBytes: 1,
      responseCode: 200,
      responseFlags: "-",
      upstreamCluster: webCluster,
      upstreamAddress: "",
      attempts: 1,
      retries: 0,
    },
  );
  assert.equal(span.upstreamAddress, `127.0.0.1:${traced.origin.port}`);
  assert.equal(span.requestId, /^x-request-id: (.*)\r$/m.exec(head)?.[1]);
});

test("in the mesh: the call alone, with the request id of whoever calls", async () => {
  await using traced = await startTraced({ role: "mesh" });
  await traced.exchange(get("/", `${joins}x-request-id: theirs\r\n`));
  const [span] = traced.proxy.spans;
  assert.deepEqual([span?.serverSpanId, span?.parentSpanId, span?.requestId], [null, parentId, "theirs"]);
});

test("B3 names the span above the call: ours where there is one, else the caller's", async () => {
  await using traced = await startTraced();
  const sampled = await traced.exchange(get("/", `b3: ${traceId}-${parentId}-1\r\n`));
  const [span] = traced.proxy.spans;
  assert.ok(sampled.includes(`\r\nb3: ${traceId}-${span?.clientSpanId}-1-${span?.serverSpanId}\r\n`), sampled);
  // On the same exchange as before, of which nothing may be left.
  const unsampled = await traced.exchange(get("/", `b3: ${traceId}-${parentId}-0\r\n`));
  assert.ok(unsampled.includes(`-0-${parentId}\r\n`), unsampled);
  assert.equal(traced.proxy.spans.length, 1);
});

test("every attempt carries the same ids, and there is one record", async () => {
  const retries = { ...defaultAction.retries, attempts: 2, on: ["5xx"] as const };
  await using traced = await startTraced({ action: { retries } });
  traced.client.send(get("/", `${joins}b3: 1\r\n`));
  const heads: string[] = [];
  for (const response of [answer(503), ok("x")]) {
    const upstream = await traced.origin.connection();
    heads.push(await upstream.takeThrough(endOfHead));
    upstream.send(response);
  }
  await traced.client.takeThrough("x");
  assert.equal(heads[0], heads[1]);
  assert.equal(traced.proxy.spans.length, 1);
  const [span] = traced.proxy.spans;
  assert.deepEqual([span?.attempts, span?.retries, span?.responseCode], [2, 1, 200]);
});

test("the rate decides where nobody else did, and an unsampled trace is passed on without a record", async () => {
  let chance = 0;
  await using traced = await startTraced({ traceSamplingPercent: 12.5, random: () => chance });
  for (const [value, flags] of [
    [0, "01"],
    [0.1249, "01"],
    [0.125, "00"],
    [0.99, "00"],
  ] as const) {
    chance = value;
    const head = await traced.exchange(get());
    assert.equal(contextOf(head).flags, flags, String(value));
    assert.match(head, flags === "01" ? /^x-request-id: .{14}9/m : /^x-request-id: .{14}4/m);
  }
  chance = 0.99;
  assert.equal(contextOf(await traced.exchange(get("/", joins))).flags, "01");
  chance = 0;
  const unsampled = await traced.exchange(get("/", joins.replace("-01\r", "-00\r")));
  assert.deepEqual([contextOf(unsampled).trace, contextOf(unsampled).flags], [traceId, "00"]);
  assert.notEqual(contextOf(unsampled).span, parentId);
  assert.equal(traced.proxy.spans.length, 3);
});

test("tracestate goes with the trace it belongs to, in all its lines, and with no other", async () => {
  await using traced = await startTraced();
  const states = "tracestate: a=1\r\nTracestate: b=2,c=3\r\n";
  const kept = await traced.exchange(get("/", `${joins}${states}`));
  assert.ok(kept.includes(states));
  const begun = await traced.exchange(get("/", `traceparent: 00-${traceId}-${parentId}-1\r\n${states}`));
  assert.doesNotMatch(begun, /tracestate/i);
  assert.notEqual(contextOf(begun).trace, traceId);
});

test("with tracing off every trace header passes as it came, and none is added", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  const lines = "TraceParent: x\r\ntracestate: y\r\nB3:  z\r\nX-B3-TraceId: 1\r\nx-b3-flags: 7\r\n";
  client.send(get("/", lines));
  const upstream = await origin.connection();
  const head = await upstream.takeThrough(endOfHead);
  assert.ok(head.includes(lines));
  upstream.send(ok("x"));
  await client.takeThrough("x");
  client.send(get());
  assert.doesNotMatch(await upstream.takeThrough(endOfHead), /trace|b3/i);
  upstream.send(ok("x"));
  await client.takeThrough("x");
});

test("operations are named as Istio names them", async () => {
  const other = { ...defaultCluster, name: "outbound|80||other.default.svc.cluster.local" };
  const two = [
    { cluster: webCluster, weight: 1 },
    { cluster: other.name, weight: 1 },
  ];
  const routes = [
    route({ uri: { kind: "exact", value: "/exact" } }),
    route({ uri: { kind: "prefix", value: "/api/" } }),
    route({ uri: { kind: "regex", value: "/re.*" } }),
    route({ uri: { kind: "exact", value: "/two" } }, { destinations: two }),
    route({ uri: { kind: "exact", value: "/gone" } }, { destinations: [{ cluster: "nowhere", weight: 1 }] }),
    {
      ...route({ uri: { kind: "exact", value: "/direct" } }),
      action: { kind: "reply" as const, status: 502, body: "" },
    },
  ];
  await using traced = await startTraced({ routes });
  for (const path of ["/exact", "/api/x", "/regex", "/two"]) await traced.exchange(get(path));
  for (const path of ["/gone", "/direct", "/none"]) {
    traced.client.send(get(path));
    await traced.client.takeThrough(endOfHead);
  }
  const service = "web.default.svc.cluster.local:80";
  assert.deepEqual(
    traced.proxy.spans.map(({ operation, attempts }) => [operation, attempts]),
    [
      [`${service}/exact`, 1],
      [`${service}/api/*`, 1],
      [`${service}/*`, 1],
      ["web:80/two", 1],
      ["web:80/gone", 0],
      ["web:80/direct", 0],
      ["egress", 0],
    ],
  );
});

test("what is no request leaves no span, whoever's exchange is used again", async () => {
  await using traced = await startTraced();
  await traced.exchange(get("/", joins));
  await using second = await traced.proxy.connect();
  second.send("BROKEN\r\n\r\n");
  await second.takeToEnd();
  assert.equal(traced.proxy.lastOutcome()?.code, 400);
  assert.equal(traced.proxy.spans.length, 1);
});

test("a client that leaves is a span without an answer", async () => {
  await using traced = await startTraced();
  traced.client.send(get("/", joins));
  const upstream = await traced.origin.connection();
  await upstream.takeThrough(endOfHead);
  traced.client.reset();
  await upstream.takeToEnd();
  const [span] = traced.proxy.spans;
  assert.deepEqual([span?.responseCode, span?.responseFlags, span?.attempts], [0, "DC", 1]);
});

test("long texts are cut", async () => {
  await using traced = await startTraced();
  await traced.exchange(get(`/${"p".repeat(300)}?${"q".repeat(300)}`, `${joins}user-agent: ${"u".repeat(300)}\r\n`));
  const [span] = traced.proxy.spans;
  assert.equal(span?.url, `http://a/${"p".repeat(255)}`);
  assert.equal(span.userAgent, "u".repeat(256));
});
