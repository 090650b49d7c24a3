// SPDX-License-Identifier: Apache-2.0
// What naru bounds, seen from outside: the answer, how it is flagged, and that it is counted under the limit's name.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";

import { limitNames, type LimitName } from "../../src/model/index.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { answer, endOfHead, get, ok, post } from "../support/messages.ts";
import {
  defaultAction,
  endpoint,
  eventually,
  nextTurn,
  startProxy,
  type ProxyUnderTest,
} from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { MeasuredTransport, silentAddress, silentTransport } from "../support/transports.ts";

function hits(proxy: ProxyUnderTest, limit: LimitName): number {
  const found = proxy.dataPlane
    .samples()
    .find(({ name, labels }) => name === "naru_limit_hits_total" && labels["limit"] === limit);
  return found?.value ?? assert.fail(`no counter for ${limit}`);
}

const reached = new Set<string>();

/** Exactly these limits were reached, each so often. */
function assertHits(proxy: ProxyUnderTest, expected: Partial<Record<LimitName, number>>): void {
  for (const limit of Object.keys(expected)) reached.add(limit);
  const all = limitNames.map((name) => [name, hits(proxy, name)] as const);
  assert.deepEqual(Object.fromEntries(all.filter(([, count]) => count > 0)), expected);
}

/** The reset may come before or after the client sees its connection. */
async function assertRefused(proxy: ProxyUnderTest): Promise<void> {
  const socket = connect({ port: proxy.port, host: "127.0.0.1" });
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNRESET");
}

suite("heads", () => {
  for (const { limit, options, request, status, details } of [
    {
      limit: "header-bytes",
      options: { maxHeadBytes: 1_024 },
      request: get("/", `X: ${"x".repeat(1_024)}\r\n`),
      status: 431,
      details: "request_headers_too_large",
    },
    {
      limit: "header-count",
      options: { maxHeaders: 8 },
      request: get("/", "X: 1\r\n".repeat(8)),
      status: 431,
      details: "request_headers_too_large",
    },
    {
      limit: "target-bytes",
      options: { maxTargetBytes: 256 },
      request: get(`/${"x".repeat(256)}`),
      status: 414,
      details: "uri_too_long",
    },
  ] as const) {
    test(`${limit}: beyond it ${status}, counted`, async () => {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port], options });
      await using client = await proxy.connect();
      client.send(request);
      const reply = await client.takeToEnd();
      assert.match(reply, new RegExp(`^HTTP/1.1 ${status} .*connection: close\r\n`, "s"));
      assert.deepEqual(proxy.lastOutcome(), { code: status, flags: "DPE", details });
      assertHits(proxy, { [limit]: 1 });
      assert.equal(origin.accepted, 0);
    });
  }

  for (const { limit, options, headers } of [
    { limit: "header-bytes", options: { maxHeadBytes: 1_024 }, headers: `X: ${"x".repeat(1_024)}\r\n` },
    { limit: "header-count", options: { maxHeaders: 8 }, headers: "X: 1\r\n".repeat(9) },
  ] as const) {
    test(`${limit}: an answer beyond it is 502, counted`, async () => {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port], options });
      await using client = await proxy.connect();
      client.send(get());
      (await origin.connection()).send(answer(200, headers));
      assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 502 /);
      assert.equal(proxy.lastOutcome()?.flags, "UPE");
      assertHits(proxy, { [limit]: 1 });
    });
  }

  test("a head that is just within every limit is served, and nothing is counted", async () => {
    const request = get(`/${"x".repeat(255)}`, "X: 1\r\n".repeat(7));
    const options = { maxHeadBytes: request.length, maxHeaders: 8, maxTargetBytes: 256 };
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options });
    await using client = await proxy.connect();
    client.send(request);
    (await origin.connection()).send(ok("yes"));
    await client.takeThrough("yes");
    assertHits(proxy, {});
  });

  test("header-timeout is counted, and Infinity switches it off", async () => {
    await using proxy = await startProxy({ options: { requestHeaderTimeoutMs: 5_000 } });
    await using client = await proxy.connect();
    client.send("GET / HTTP/1.1\r\n");
    await eventually(() => proxy.sample("naru_exchanges_active") === 1, "the head has begun");
    proxy.clock.advance(6_000);
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 408 /);
    assertHits(proxy, { "header-timeout": 1 });

    const off = { requestHeaderTimeoutMs: Infinity, requestTimeoutMs: Infinity };
    await using patient = await startProxy({ options: off });
    await using slow = await patient.connect();
    slow.send("GET / HTTP/1.1\r\n");
    await eventually(() => patient.sample("naru_exchanges_active") === 1, "the head has begun");
    patient.clock.advance(86_400_000);
    await nextTurn();
    assert.equal(slow.received, "");
    assertHits(patient, {});
  });
});

suite("request-timeout", () => {
  const unfinished = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

  test("a body that trickles for ever is answered 408", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { requestTimeoutMs: 60_000 } });
    await using client = await proxy.connect();
    client.send(unfinished);
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    for (let second = 0; second < 59; second++) {
      client.send("x");
      await upstream.takeBytes(1);
      proxy.clock.advance(1_000);
    }
    assert.equal(client.received, "");
    proxy.clock.advance(2_000);
    const reply = await client.takeToEnd();
    assert.match(reply, /^HTTP\/1\.1 408 Request Timeout\r\n.*connection: close\r\n.*request timeout$/s);
    assert.deepEqual(proxy.lastOutcome(), { code: 408, flags: "-", details: "request_overall_timeout" });
    assertHits(proxy, { "request-timeout": 1 });
    await upstream.takeToEnd();
    assert.equal(upstream.errorCode, "ECONNRESET");
  });

  test("covers the head, too, where that has no limit of its own", async () => {
    const options = { requestHeaderTimeoutMs: Infinity, requestTimeoutMs: 60_000 };
    await using proxy = await startProxy({ options });
    await using client = await proxy.connect();
    client.send("GET / HTTP/1.1\r\n");
    await eventually(() => proxy.sample("naru_exchanges_active") === 1, "the head has begun");
    proxy.clock.advance(61_000);
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 408 /);
    assertHits(proxy, { "request-timeout": 1 });
  });

  test("a complete request has all the time it needs for its answer", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { requestTimeoutMs: 60_000 } });
    await using client = await proxy.connect();
    client.send(post("body"));
    const upstream = await origin.connection();
    await upstream.takeThrough("body");
    proxy.clock.advance(120_000);
    upstream.send(ok("late"));
    await client.takeThrough("late");
    assertHits(proxy, {});
  });

  test("an answer that has begun ends it", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { requestTimeoutMs: 60_000 } });
    await using client = await proxy.connect();
    client.send(unfinished);
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    await client.takeThrough("half");
    proxy.clock.advance(120_000);
    client.send("more");
    await upstream.takeThrough("more");
    assertHits(proxy, {});
  });
});

suite("idle", () => {
  test("stream-idle-timeout is counted", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 10_000 } });
    await using client = await proxy.connect();
    client.send(get());
    await (await origin.connection()).takeThrough(endOfHead);
    proxy.clock.advance(12_000);
    await client.takeThrough("stream timeout");
    assert.equal(proxy.lastOutcome()?.flags, "SI");
    assertHits(proxy, { "stream-idle-timeout": 1 });
  });

  test("idle-timeout closes a connection between requests, and is counted once", async () => {
    await using proxy = await startProxy({ options: { downstreamIdleTimeoutMs: 10_000 } });
    await using client = await proxy.connect();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "it is accepted");
    proxy.clock.advance(9_000);
    await nextTurn();
    assert.equal(client.ended, false);
    proxy.clock.advance(2_000);
    assert.equal(await client.takeToEnd(), "");
    assertHits(proxy, { "idle-timeout": 1 });
  });

  test("a drain that closes idle connections is not counted as their limit", async () => {
    await using proxy = await startProxy();
    await using client = await proxy.connect();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "it is accepted");
    await proxy.drain(10_000);
    await client.takeToEnd();
    assertHits(proxy, {});
  });
});

suite("connections", () => {
  test("one too many is reset, and a place that is left can be taken again", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { maxConnections: 2 } });
    await using first = await proxy.connect();
    await using second = await proxy.connect();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 2, "both are accepted");
    await assertRefused(proxy);
    assertHits(proxy, { connections: 1 });

    second.finish();
    await second.takeToEnd();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "the second is gone");
    await using fourth = await proxy.connect();
    fourth.send(get());
    (await origin.connection()).send(ok("fourth"));
    await fourth.takeThrough("fourth");
    assertHits(proxy, { connections: 1 });
    assert.equal(first.ended, false);
  });

  test("connections-per-source counts by address and forgets who has left", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { maxConnectionsPerSource: 1 } });
    for (let round = 1; round <= 3; round++) {
      await using client = await proxy.connect();
      await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "it is accepted");
      await assertRefused(proxy);
      assertHits(proxy, { "connections-per-source": round });
      client.finish();
      await client.takeToEnd();
      await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "it is gone");
    }
  });

  test("requests-per-connection announces the end with the last one", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { maxRequestsPerConnection: 2 } });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(200));
    assert.doesNotMatch(await client.takeThrough(endOfHead), /connection: close/);
    // A third one is pipelined behind it and must not be served.
    client.send(get("/second") + get("/third"));
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(200));
    assert.match(await client.takeThrough(endOfHead), /connection: close\r\n/);
    assert.equal(await client.takeToEnd(), "");
    assert.equal(upstream.received, "");
    assertHits(proxy, { "requests-per-connection": 1 });
  });
});

test("retry-buffer: a longer body is not sent again, and that is counted", async () => {
  for (const { retryBufferBytes, attempts } of [
    { retryBufferBytes: 4, attempts: 2 },
    { retryBufferBytes: 3, attempts: 1 },
  ]) {
    await using origin = await RawOrigin.start();
    const retries = { ...defaultAction.retries, attempts: 1, backoffMs: 0, statusCodes: [500] };
    await using proxy = await startProxy({
      origins: [origin.port],
      action: { retries },
      options: { retryBufferBytes },
    });
    await using client = await proxy.connect();
    client.send(post("body"));
    const first = await origin.connection();
    await first.takeThrough("body");
    first.send(answer(500));
    if (attempts === 2) {
      const second = await origin.connection();
      await second.takeThrough("body");
      second.send(answer(500));
    }
    await client.takeThrough(endOfHead);
    assert.equal(origin.accepted, attempts);
    assertHits(proxy, attempts === 2 ? {} : { "retry-buffer": 1 });
  }
});

suite("buffered-bytes", () => {
  const bytes = "b".repeat(4_000_000);
  /** One read more than the limit may be held. */
  const mostRead = 4_000 + 128 * 1024;

  /** Until nothing leaves the client's socket any more, and nothing arrives. */
  async function untilStopped(client: RawPeer): Promise<void> {
    for (let left = -1; left !== client.socket.writableLength;) {
      left = client.socket.writableLength;
      for (let turn = 0; turn < 100; turn++) await nextTurn();
    }
  }

  test("a client is not read on while more is held for an upstream that is not there yet", async () => {
    const read = new MeasuredTransport(silentTransport());
    await using proxy = await startProxy({ transport: read.transport, options: { maxBufferedBytes: 4_000 } });
    proxy.setEndpoints([endpoint(80, { address: silentAddress })]);
    await using client = await proxy.connect();
    client.send(post(bytes));
    await untilStopped(client);
    assert.ok(read.receivedBytes >= 4_000 && read.receivedBytes <= mostRead, `${read.receivedBytes} bytes read`);
    assertHits(proxy, { "buffered-bytes": 1 });
  });

  test("requests behind the one in progress are bounded, and all are served in the end", async () => {
    const read = new MeasuredTransport();
    const count = 5_000;
    let held = true;
    await using origin = await LoadOrigin.start({ onRequest: () => (held ? "ignore" : "answer") });
    await using proxy = await startProxy({
      origins: [origin.port],
      transport: read.transport,
      options: { maxBufferedBytes: 4_000 },
      action: { timeoutMs: 1_000 },
    });
    await using client = await proxy.connect();
    client.send(get().repeat(count));
    await untilStopped(client);
    assert.ok(read.receivedBytes >= 4_000 && read.receivedBytes <= mostRead, `${read.receivedBytes} bytes read`);
    assertHits(proxy, { "buffered-bytes": 1 });
    held = false;
    // The first one times out, and is answered for that.
    proxy.clock.advance(1_100);
    await eventually(() => proxy.exchanges.length === count, "every request is answered");
    assert.equal(proxy.exchanges.filter(({ labels }) => labels.responseCode === 200).length, count - 1);
  });

  test("what is within it costs nothing", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
    await using first = await proxy.connect();
    first.send(get() + get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    await using second = await proxy.connect();
    second.send(post("body"));
    await eventually(() => proxy.cluster().requestsPending === 1, "the second client waits");
    upstream.send(ok("done"));
    await upstream.takeThrough("body");
    upstream.send(ok("done"));
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("done"));
    await first.takeThrough("done");
    await second.takeThrough("done");
    await first.takeThrough("done");
    assertHits(proxy, {});
  });
});

suite("linger", () => {
  test("what is too much is reset", async () => {
    await using proxy = await startProxy({ routes: [], options: { lingerBytes: 1_000 } });
    await using client = await proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    await client.takeThrough(endOfHead);
    client.send("x".repeat(2_000));
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "it is gone");
    assertHits(proxy, { "linger-bytes": 1 });
  });

  test("what takes too long is closed", async () => {
    await using proxy = await startProxy({ routes: [], options: { lingerMs: 5_000 } });
    await using client = await proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    await client.takeThrough(endOfHead);
    proxy.clock.advance(4_000);
    await nextTurn();
    assert.equal(proxy.sample("naru_downstream_connections_active"), 1);
    proxy.clock.advance(3_000);
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "it is gone");
    assertHits(proxy, { "linger-timeout": 1 });
  });
});

suite("memory", () => {
  const enough = { heapUsed: 10, heapLimit: 100, processUsed: 10, processLimit: 100 };

  for (const [what, full, nearlyFull] of [
    ["heap", { ...enough, heapUsed: 95 }, { ...enough, heapUsed: 90 }],
    ["process", { ...enough, processUsed: 95 }, { ...enough, processUsed: 90 }],
  ] as const) {
    test(`from 95 % of the ${what} new requests are refused, until below 90 %`, async () => {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port] });
      await using early = await proxy.connect();
      early.send(get("/early"));
      const upstream = await origin.connection();
      await upstream.takeThrough(endOfHead);

      proxy.memory = full;
      proxy.clock.advance(1_000);
      assert.equal(proxy.sample("naru_overloaded"), 1);
      await using refused = await proxy.connect();
      refused.send(get());
      const reply = await refused.takeToEnd();
      assert.match(reply, /^HTTP\/1\.1 503 Service Unavailable\r\n.*connection: close\r\n\r\noverload$/s);
      assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "OM", details: "overload" });
      assertHits(proxy, { memory: 1 });
      // What had begun is finished.
      upstream.send(ok("early"));
      await early.takeThrough("early");

      proxy.memory = nearlyFull;
      proxy.clock.advance(1_000);
      await using again = await proxy.connect();
      again.send(get());
      assert.match(await again.takeToEnd(), /^HTTP\/1\.1 503 /);

      proxy.memory = enough;
      proxy.clock.advance(1_000);
      assert.equal(proxy.sample("naru_overloaded"), 0);
      await using served = await proxy.connect();
      served.send(get());
      await upstream.takeThrough(endOfHead);
      upstream.send(ok("served"));
      await served.takeThrough("served");
      assertHits(proxy, { memory: 2 });
      const said = proxy.logs.filter(({ message }) => message.startsWith("memory is"));
      assert.deepEqual(
        said.map(({ level }) => level),
        ["warning", "info"],
      );
    });
  }

  test("what only waits for the garbage collector is not in use", async () => {
    await using proxy = await startProxy({ routes: [] });
    proxy.onCollectGarbage = () => (proxy.memory = enough);
    for (let round = 0; round < 3; round++) {
      proxy.memory = { ...enough, processUsed: 99 };
      proxy.clock.advance(5_000);
      assert.equal(proxy.sample("naru_overloaded"), 0);
    }
    assert.ok(!proxy.logs.some(({ message }) => message.startsWith("memory is")));
  });

  test("while requests are refused garbage is collected every five seconds, and what that frees ends it", async () => {
    let collections = 0;
    await using proxy = await startProxy({ routes: [] });
    proxy.onCollectGarbage = () => collections++;
    proxy.memory = { ...enough, processUsed: 99 };
    proxy.clock.advance(1_000);
    assert.equal(proxy.sample("naru_overloaded"), 1);
    assert.equal(collections, 1);
    proxy.clock.advance(4_000);
    assert.equal(collections, 1);
    proxy.clock.advance(11_000);
    assert.equal(collections, 4);
    proxy.onCollectGarbage = () => (proxy.memory = enough);
    proxy.clock.advance(5_000);
    assert.equal(proxy.sample("naru_overloaded"), 0);
  });

  test("below 95 % nothing is refused", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    proxy.memory = { ...enough, heapUsed: 94, processUsed: 94 };
    proxy.clock.advance(5_000);
    await using client = await proxy.connect();
    client.send(get());
    (await origin.connection()).send(ok("served"));
    await client.takeThrough("served");
    assertHits(proxy, {});
  });

  test("a budget of our own takes the place of what there is", async () => {
    await using proxy = await startProxy({ options: { memoryBytes: 20 } });
    proxy.memory = { ...enough, processUsed: 19 };
    proxy.clock.advance(1_000);
    assert.equal(proxy.sample("naru_overloaded"), 1);
  });
});

test("every limit of the table was reached here", () => {
  assert.deepEqual([...reached].toSorted(), limitNames.toSorted());
});
