// SPDX-License-Identifier: Apache-2.0
// When naru stops waiting for a request, an answer, or any sign of life.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { eventually, nextTurn, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

test("the route timeout is 504 UT; the upstream is reset and the client's connection lives on", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], action: { timeoutMs: 1_000 } });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(990);
  await nextTurn();
  assert.equal(client.received, "");
  proxy.clock.advance(40);
  assert.equal(
    await client.takeThrough("upstream request timeout"),
    "HTTP/1.1 504 Gateway Timeout\r\ncontent-type: text/plain\r\ncontent-length: 24\r\n" +
      "date: Fri, 02 Jan 2026 03:04:06 GMT\r\nserver: naru\r\n\r\nupstream request timeout",
  );
  assert.deepEqual(proxy.lastOutcome(), { code: 504, flags: "UT", details: "upstream_response_timeout" });
  assert.equal(proxy.cluster().endpoints[0]?.requestsTimedOut, 1);
  assert.equal(await upstream.takeToEnd(), "");
  assert.equal(upstream.errorCode, "ECONNRESET");
  client.send(get());
  const next = await origin.connection();
  next.send(ok("quick"));
  assert.match(await client.takeThrough("quick"), /^HTTP\/1\.1 200 OK\r\n/);
});

test("the route timeout starts once the request is complete", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], action: { timeoutMs: 1_000 } });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(30_000);
  client.send("a");
  await upstream.takeThrough("a");
  proxy.clock.advance(30_000);
  client.send("b");
  await upstream.takeThrough("b");
  proxy.clock.advance(900);
  await nextTurn();
  assert.equal(client.received, "");
  proxy.clock.advance(200);
  await client.takeThrough("upstream request timeout");
});

test("the route timeout in the middle of an answer breaks it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], action: { timeoutMs: 1_000 } });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  await client.takeThrough("half");
  proxy.clock.advance(1_100);
  assert.doesNotMatch(await client.takeToEnd(), /0\r\n\r\n/);
  assert.equal(client.errorCode, "ECONNRESET");
  assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "UT", details: "upstream_response_timeout" });
});

test("without a route timeout an answer may take its time", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(299_000);
  upstream.send(ok("late"));
  assert.match(await client.takeThrough("late"), /late$/);
});

test("a head that does not arrive in time is answered 408, however it trickles", async () => {
  await using proxy = await startProxy({ options: { requestHeaderTimeoutMs: 10_000 } });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.1\r\n");
  await eventually(() => proxy.sample("naru_exchanges_active") === 1, "the head has begun");
  for (let second = 1; second <= 11; second++) {
    client.send(`X-${second}: 1\r\n`);
    await nextTurn();
    if (second === 10) assert.equal(client.received, "");
    proxy.clock.advance(1_000);
  }
  assert.match(
    await client.takeToEnd(),
    /^HTTP\/1\.1 408 Request Timeout\r\n.*\r\nconnection: close\r\n\r\nRequest Timeout$/s,
  );
  assert.deepEqual(proxy.lastOutcome(), { code: 408, flags: "-", details: "request_header_timeout" });
});

test("a complete request without an answer ends: 504 SI, as in Envoy, and the connection goes on", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(21_000);
  const timedOut = await client.takeThrough("stream timeout");
  assert.match(timedOut, /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  assert.doesNotMatch(timedOut, /connection: close/);
  assert.deepEqual(proxy.lastOutcome(), { code: 504, flags: "SI", details: "stream_idle_timeout" });
  await upstream.takeToEnd();
  client.send(get("/next"));
  const next = await origin.connection();
  await next.takeThrough(endOfHead);
  next.send(ok("next"));
  assert.equal(await client.takeThrough("\r\n\r\nnext"), okRelayed("next"));
});

test("half a request that stops moving ends: 408 SI", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.send(post("12345").slice(0, -2));
  const upstream = await origin.connection();
  await upstream.takeThrough("123");
  proxy.clock.advance(21_000);
  assert.match(
    await client.takeToEnd(),
    /^HTTP\/1\.1 408 Request Timeout\r\n.*connection: close\r\n.*stream timeout$/s,
  );
  assert.deepEqual(proxy.lastOutcome(), { code: 408, flags: "SI", details: "stream_idle_timeout" });
  await upstream.takeToEnd();
});

test("a stream that moves now and then is not idle, in either direction", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  for (let round = 0; round < 5; round++) {
    proxy.clock.advance(15_000);
    client.send("1\r\na\r\n");
    await upstream.takeThrough("1\r\na\r\n");
  }
  client.send("0\r\n\r\n");
  await upstream.takeThrough("0\r\n\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  await client.takeThrough(endOfHead);
  for (let round = 0; round < 5; round++) {
    proxy.clock.advance(15_000);
    upstream.send("1\r\nb\r\n");
    await client.takeThrough("1\r\nb\r\n");
  }
  proxy.clock.advance(25_000);
  await client.takeToEnd();
  assert.equal(client.errorCode, "ECONNRESET");
  assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "SI", details: "stream_idle_timeout" });
});

test("a client that does not take its last answer is dropped after the stream idle timeout", async () => {
  const body = "x".repeat(16 * 1024 * 1024);
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get("/", "Connection: close\r\n"));
  const upstream = await origin.connection();
  // Ends with what naru still holds for the client.
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await upstream.takeThrough(endOfHead);
  let before = -1;
  await eventually(() => {
    const stopped = upstream.socket.bytesWritten - upstream.socket.writableLength === before;
    before = upstream.socket.bytesWritten - upstream.socket.writableLength;
    return stopped;
  }, "the origin is stopped");
  proxy.clock.advance(22_000);
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client is dropped");
  assert.equal(proxy.lastOutcome()?.flags, "SI");
});

test("after an early answer a client that goes on sending is read for a moment, then cut", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { lingerMs: 3_000 } });
  await using client = await proxy.connect();
  proxy.clock.advance(900);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin");
  const upstream = await origin.connection();
  await upstream.takeThrough("begin");
  upstream.send(answer(413));
  await client.takeThrough(endOfHead);
  for (let second = 0; second < 3; second++) {
    client.send("more");
    await nextTurn();
    assert.equal(proxy.sample("naru_downstream_connections_active"), 1, `after ${second} s`);
    proxy.clock.advance(second === 2 ? 900 : 1_000);
  }
  await nextTurn();
  assert.equal(proxy.sample("naru_downstream_connections_active"), 1, "never less than the time given");
  for (let second = 0; second < 2; second++) {
    client.send("more");
    await nextTurn();
    proxy.clock.advance(1_000);
  }
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the connection is cut");
});

test("after an early answer no more than lingerBytes are read", async () => {
  await using proxy = await startProxy({ routes: [], options: { lingerBytes: 1_000 } });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 404 /);
  client.send("x".repeat(1_000));
  await nextTurn();
  await nextTurn();
  assert.equal(proxy.sample("naru_downstream_connections_active"), 1);
  client.send("x");
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the connection is cut");
});

test("a client that never reads its answers is dropped, although nothing is in flight", async () => {
  await using proxy = await startProxy({ routes: [], options: { streamIdleTimeoutMs: 20_000 } });
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get().repeat(200_000));
  let before = -1;
  let quietTurns = 0;
  await eventually(() => {
    quietTurns = proxy.exchanges.length === before && before > 0 ? quietTurns + 1 : 0;
    before = proxy.exchanges.length;
    // A transport may need turns of its own between two answers.
    return quietTurns === 20;
  }, "naru stops answering");
  proxy.clock.advance(18_000);
  await nextTurn();
  assert.equal(proxy.sample("naru_downstream_connections_active"), 1);
  proxy.clock.advance(4_000);
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client is dropped");
});
