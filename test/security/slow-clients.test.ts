// SPDX-License-Identifier: Apache-2.0
// Slow loris and its kin: a head has a time by which it must be complete, and an exchange in which nothing moves ends.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok } from "../support/messages.ts";
import { eventually, nextTurn, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { Arena, assertRefusal, postWith, refusals } from "./support/arena.ts";

test("a head that drips in is answered 408 when its time is over, however lively it drips", async () => {
  await using arena = await Arena.start({ options: { requestHeaderTimeoutMs: 10_000 } });
  await using client = await arena.proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Drip: ");
  await eventually(() => arena.proxy.sample("naru_exchanges_active") === 1, "the head has begun");
  for (let second = 0; second < 9; second++) {
    client.send("x");
    arena.proxy.clock.advance(1_000);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    assert.equal(client.received, "");
  }
  arena.proxy.clock.advance(2_000);
  assertRefusal(await client.takeToEnd(), refusals.headTimeout, "a dripping head");
  const record = arena.proxy.accessLog.at(-1)!;
  assert.deepEqual([record.responseCode, record.responseCodeDetails], [408, "request_header_timeout"]);
  await arena.assertUnharmed("a dripping head");
});

test("the time counts from the first byte of each head, also behind an earlier request", async () => {
  await using arena = await Arena.start({ options: { requestHeaderTimeoutMs: 10_000 } });
  await using client = await arena.proxy.connect();
  client.send(get("/whole"));
  await client.takeThrough("\r\n\r\n/whole");
  arena.proxy.clock.advance(60_000);
  client.send("G");
  await eventually(() => arena.proxy.sample("naru_exchanges_active") === 1, "the second head has begun");
  arena.proxy.clock.advance(9_000);
  assert.equal(client.received, "");
  arena.proxy.clock.advance(2_000);
  assertRefusal(await client.takeToEnd(), refusals.headTimeout, "half a second head");
});

test("empty lines begin no head, and do not hold a connection open for nothing", async () => {
  const options = { requestHeaderTimeoutMs: 10_000, downstreamIdleTimeoutMs: 30_000 };
  await using arena = await Arena.start({ options });
  for (const before of ["", get("/whole")]) {
    await using client = await arena.proxy.connect();
    client.send(before);
    if (before !== "") await client.takeThrough("\r\n\r\n/whole");
    for (let second = 0; second < 29; second++) {
      // Also with the two bytes of a line apart.
      client.send(second % 2 === 0 ? "\r\n\r" : "\n");
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      assert.equal(arena.proxy.sample("naru_exchanges_active"), 0);
      arena.proxy.clock.advance(1_000);
    }
    assert.equal(client.ended, false);
    arena.proxy.clock.advance(2_000);
    assert.equal(await client.takeToEnd(), "", "closed without a word, as an idle connection is");
  }
  assert.equal(arena.proxy.accessLog.length, 1, "the one request");
});

test("a connection without a request is closed without a word after the idle time", async () => {
  await using proxy = await startProxy({ options: { downstreamIdleTimeoutMs: 30_000 } });
  await using client = await proxy.connect();
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "the connection is there");
  proxy.clock.advance(29_000);
  assert.equal(client.ended, false);
  proxy.clock.advance(2_000);
  assert.equal(await client.takeToEnd(), "");
  assert.equal(proxy.accessLog.length, 0);
});

test("a body that stops coming ends the exchange; its upstream is dropped", async () => {
  await using arena = await Arena.start({ options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await arena.proxy.connect();
  client.send(postWith("Content-Length: 100\r\n", "a few"));
  await eventually(() => arena.origin.unfinished === 1, "the head is with the origin");
  arena.proxy.clock.advance(15_000);
  client.send("bytes");
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  arena.proxy.clock.advance(15_000);
  assert.equal(client.received, "", "progress starts the time anew");
  arena.proxy.clock.advance(6_000);
  assertRefusal(await client.takeToEnd(), { status: 408, flags: "SI", details: "" }, "half a body");
  assert.equal(arena.proxy.accessLog.at(-1)?.responseFlags, "SI");
  await arena.assertUnharmed("half a body");
});

test("a body that drips in, always in time, is answered 408 when the request's time is over", async () => {
  await using arena = await Arena.start({ options: { requestTimeoutMs: 30_000 } });
  await using client = await arena.proxy.connect();
  client.send(postWith("Transfer-Encoding: chunked\r\n"));
  await eventually(() => arena.origin.unfinished === 1, "the head is with the origin");
  for (let second = 0; second < 29; second++) {
    client.send("1\r\nx\r\n");
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    arena.proxy.clock.advance(1_000);
    assert.equal(client.received, "");
  }
  arena.proxy.clock.advance(2_000);
  assertRefusal(await client.takeToEnd(), refusals.requestTimeout, "a dripping body");
  const record = arena.proxy.accessLog.at(-1)!;
  assert.deepEqual([record.responseCode, record.responseCodeDetails], [408, "request_overall_timeout"]);
  await arena.assertUnharmed("a dripping body");
});

test("an answered client that keeps sending is cut off by bytes, and by time", async () => {
  await using proxy = await startProxy({ routes: [], options: { lingerBytes: 100_000, lingerMs: 5_000 } });
  await using flooding = await proxy.connect();
  flooding.send(postWith("Content-Length: 10000000\r\n"));
  await flooding.takeToEnd();
  flooding.send("x".repeat(500_000));
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the flooding client is cut off");
  await using silent = await proxy.connect();
  silent.send(postWith("Content-Length: 10000000\r\n"));
  await silent.takeToEnd();
  assert.equal(proxy.sample("naru_downstream_connections_active"), 1);
  proxy.clock.advance(6_000);
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the silent client is cut off");
});

test("a client that never reads its answer is cut off, and its upstream with it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n${"x".repeat(50_000_000)}`);
  let queued = -1;
  while (queued !== upstream.socket.writableLength) {
    queued = upstream.socket.writableLength;
    for (let turn = 0; turn < 50; turn++) await nextTurn();
  }
  assert.ok(queued > 0, "the origin is held back");
  proxy.clock.advance(22_000);
  await eventually(() => proxy.sample("naru_exchanges_active") === 0, "the exchange has ended");
  assert.equal(proxy.lastOutcome()?.flags, "SI");
  await eventually(() => upstream.ended, "the upstream is dropped");
});

test("an idle client beside all this is served", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { requestHeaderTimeoutMs: 10_000 } });
  const slow = await Promise.all(Array.from({ length: 200 }, () => proxy.connect()));
  for (const client of slow) client.send("GET / HTTP/1.1\r\nX-");
  await eventually(() => proxy.sample("naru_exchanges_active") === 200, "200 heads have begun");
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("served"));
  await client.takeThrough("\r\n\r\nserved");
  proxy.clock.advance(11_000);
  for (const each of slow) {
    assertRefusal(await each.takeToEnd(), refusals.headTimeout, "one of 200");
    await each[Symbol.asyncDispose]();
  }
});
