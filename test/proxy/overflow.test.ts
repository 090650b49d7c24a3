// SPDX-License-Identifier: Apache-2.0
// Limits of a cluster: who waits, in which order, and who is turned away.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { defaultAction, endpoint, eventually, nextTurn, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin, refusingPort } from "../support/raw-peer.ts";

const overflowDetails = "upstream_reset_before_response_started{overflow}";
const overflowReply =
  "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 81\r\n" +
  "date: Fri, 02 Jan 2026 03:04:05 GMT\r\nserver: naru\r\nx-envoy-overloaded: true\r\n\r\n" +
  "upstream connect error or disconnect/reset before headers. reset reason: overflow";

test("beyond maxConnections requests wait and are served in their order over the same connection", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  await using third = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(post("second body", "", "/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  third.send(get("/3"));
  await eventually(() => proxy.cluster().requestsPending === 2, "the third waits");
  upstream.send(ok("one"));
  assert.equal(await first.takeThrough("one"), okRelayed("one"));
  assert.match(await upstream.takeThrough("second body"), /^POST \/2 /);
  assert.equal(upstream.received, "");
  upstream.send(ok("two"));
  assert.equal(await second.takeThrough("two"), okRelayed("two"));
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/3 /);
  upstream.send(ok("three"));
  assert.equal(await third.takeThrough("three"), okRelayed("three"));
  assert.equal(origin.accepted, 1);
});

test("a waiting request gets a new connection when the old one cannot be kept", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  upstream.send(ok("one", "Connection: close\r\n"));
  const next = await origin.connection();
  next.send(ok("two"));
  assert.equal(await second.takeThrough("two"), okRelayed("two"));
  assert.equal(await first.takeThrough("one"), okRelayed("one"));
});

test("a waiting request gets a connection when the exchange before it fails", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  first.reset();
  const next = await origin.connection();
  next.send(ok("two"));
  assert.equal(await second.takeThrough("two"), okRelayed("two"));
});

test("an idle connection to one endpoint makes room for another at the limit", async () => {
  await using one = await RawOrigin.start();
  await using other = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [one.port, other.port],
    cluster: { maxConnections: 1, loadBalancer: "ROUND_ROBIN" },
  });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await one.connection();
  upstream.send(ok("one"));
  await client.takeThrough("\r\n\r\none");
  client.send(get());
  const next = await other.connection();
  await upstream.takeThrough(endOfHead);
  assert.equal(await upstream.takeToEnd(), "");
  next.send(ok("two"));
  await client.takeThrough("\r\n\r\ntwo");
});

test("beyond maxPendingRequests the answer is 503 UO and says overloaded", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    cluster: { maxConnections: 1, maxPendingRequests: 1 },
  });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  await using third = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  third.send(get("/3"));
  assert.equal(await third.takeThrough("overflow"), overflowReply);
  assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "UO", details: overflowDetails });
  assert.equal(proxy.cluster().requestsActive, 2);
});

test("beyond maxRequests the answer is 503 UO", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxRequests: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  assert.equal(await second.takeThrough("overflow"), overflowReply);
  upstream.send(ok("one"));
  await first.takeThrough("one");
  second.send(get("/3"));
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("three"));
  assert.equal(await second.takeThrough("three"), okRelayed("three"));
});

const retry503 = { action: { retries: { ...defaultAction.retries, attempts: 1, on: ["5xx"] as const } } };

test("beyond maxRetries a failure is passed on with UO", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    cluster: { maxRetries: 1 },
    random: () => 0.5,
    ...retry503,
  });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const one = await origin.connection();
  await one.takeThrough(endOfHead);
  second.send(get("/2"));
  const two = await origin.connection();
  await two.takeThrough(endOfHead);
  one.send(answer(503));
  await one.takeToEnd();
  two.send(answer(503));
  assert.match(await second.takeThrough(endOfHead), /^HTTP\/1\.1 503 Status\r\n/);
  assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "UO", details: "via_upstream" });
  proxy.clock.advance(50);
  await two.takeThrough(endOfHead);
  two.send(ok("fine"));
  assert.equal(await first.takeThrough("fine"), okRelayed("fine"));
});

for (const [name, obstacle] of [
  ["endpoints vanish", "endpoints"],
  ["the cluster is full", "requests"],
] as const) {
  test(`a retry that cannot start because ${name} gives its place back`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({
      origins: [origin.port],
      cluster: { maxRetries: 1, maxRequests: 1 },
      random: () => 0.5,
      ...retry503,
    });
    await using client = await proxy.connect();
    await using other = await proxy.connect();
    client.send(get("/1"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(503));
    await upstream.takeToEnd();
    if (obstacle === "endpoints") proxy.setEndpoints([]);
    else {
      other.send(get("/other"));
      await (await origin.connection()).takeThrough(endOfHead);
    }
    proxy.clock.advance(50);
    await client.takeThrough(obstacle === "endpoints" ? "no healthy upstream" : "overflow");
    other.reset();
    await eventually(() => proxy.cluster().requestsActive === 0, "nothing is in flight");
    proxy.setEndpoints([endpoint(origin.port)]);
    client.send(get("/2"));
    const next = await origin.connection();
    await next.takeThrough(endOfHead);
    next.send(answer(503));
    await next.takeToEnd();
    proxy.clock.advance(50);
    const retried = await origin.connection();
    retried.send(ok("fine"));
    assert.equal(await client.takeThrough("fine"), okRelayed("fine"));
  });
}

test("a client that leaves while it waits gives up its place in the queue", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  await using third = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  third.send(get("/3"));
  await eventually(() => proxy.cluster().requestsPending === 2, "the third waits");
  second.finish();
  await eventually(() => proxy.cluster().requestsPending === 1, "the second has left");
  assert.deepEqual(proxy.lastOutcome(), { code: 0, flags: "DC", details: "downstream_remote_disconnect" });
  upstream.send(ok("one"));
  await first.takeThrough("one");
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/3 /);
  upstream.send(ok("three"));
  assert.equal(await third.takeThrough("three"), okRelayed("three"));
});

test("a route timeout in the queue gives up the place", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    cluster: { maxConnections: 1 },
    action: { timeoutMs: 1_000 },
  });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  proxy.clock.advance(1_100);
  assert.match(await second.takeThrough("upstream request timeout"), /^HTTP\/1\.1 504 /);
  assert.equal(proxy.lastOutcome()?.flags, "UT");
  assert.equal(proxy.cluster().requestsPending, 0);
  first.send("hello");
  await upstream.takeThrough("hello");
  upstream.send(ok("one"));
  assert.equal(await first.takeThrough("one"), okRelayed("one"));
  await nextTurn();
  assert.equal(upstream.received, "", "nobody is served who is no longer there");
});

test("a refused connect lets the next in the queue try", async () => {
  await using proxy = await startProxy({
    origins: [await refusingPort()],
    cluster: { maxConnections: 1 },
    action: { retries: { ...defaultAction.retries, attempts: 0, on: [] } },
  });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get());
  second.send(get());
  await first.takeThrough("connection failure");
  await second.takeThrough("connection failure");
  assert.deepEqual(
    proxy.outcomes().map(({ flags }) => flags),
    ["UF", "UF"],
  );
});
