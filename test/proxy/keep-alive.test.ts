// SPDX-License-Identifier: Apache-2.0
// Which connections are used again, on either side, and which must never be.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";

const idle = (proxy: ProxyUnderTest): number => proxy.cluster().connectionsActive - proxy.cluster().requestsActive;

/** One request and its answer over connections that are there. */
async function roundTrip(client: RawPeer, upstream: RawPeer, path = "/"): Promise<void> {
  client.send(get(path));
  await upstream.takeThrough(endOfHead);
  upstream.send(ok(path));
  assert.equal(await client.takeThrough(`\r\n\r\n${path}`), okRelayed(path));
}

test("of several idle upstream connections the one used last is used next", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const older = await origin.connection();
  await older.takeThrough(endOfHead);
  second.send(get("/2"));
  const newer = await origin.connection();
  await newer.takeThrough(endOfHead);
  newer.send(ok("2"));
  await second.takeThrough("\r\n\r\n2");
  older.send(ok("1"));
  await first.takeThrough("\r\n\r\n1");
  assert.equal(idle(proxy), 2);
  await roundTrip(second, older, "/3");
  await roundTrip(first, older, "/4");
  assert.equal(origin.accepted, 2);
});

test("an upstream that says Connection: close is closed in an orderly way and not used again", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("one", "Connection: close\r\n"));
  assert.equal(await client.takeThrough("one"), okRelayed("one"));
  await upstream.takeToEnd();
  assert.equal(upstream.errorCode, null);
  client.send(get());
  const next = await origin.connection();
  next.send(ok("two"));
  assert.equal(await client.takeThrough("two"), okRelayed("two"));
});

test("an HTTP/1.0 upstream is used again only when it says keep-alive", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send("HTTP/1.0 200 OK\r\nDate: now\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n1");
  await client.takeThrough("\r\n\r\n1");
  assert.equal(idle(proxy), 1);
  await upstream.takeThrough(endOfHead);
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.0 200 OK\r\nDate: now\r\nContent-Length: 1\r\n\r\n2");
  await client.takeThrough("\r\n\r\n2");
  assert.equal(idle(proxy), 0);
});

test("a client that says Connection: close gets the announcement, the answer and the end", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/", "Connection: close\r\n"));
  const upstream = await origin.connection();
  assert.doesNotMatch(await upstream.takeThrough(endOfHead), /connection/i);
  upstream.send(ok("bye"));
  assert.equal(
    await client.takeToEnd(),
    "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbye",
  );
  assert.equal(client.errorCode, null);
  assert.equal(idle(proxy), 1, "the upstream connection is kept all the same");
});

test("an HTTP/1.0 client is closed on, unless it asks to be kept", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  const upstream = await origin.connection();
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/ HTTP\/1\.1\r\nHost: a\r\n/);
  upstream.send(ok("kept"));
  assert.equal(
    await client.takeThrough("kept"),
    "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 4\r\nconnection: keep-alive\r\n\r\nkept",
  );
  client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("gone"));
  assert.equal(
    await client.takeToEnd(),
    "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngone",
  );
});

test("a chunked answer reaches an HTTP/1.0 client without chunks and ends with the connection", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  const upstream = await origin.connection();
  upstream.send(
    "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
  );
  assert.equal(await client.takeToEnd(), "HTTP/1.1 200 OK\r\nDate: now\r\nconnection: close\r\n\r\nabcde");
  assert.equal(client.errorCode, null);
  assert.equal(idle(proxy), 1);
});

test("an HTTP/1.0 request without Host goes on with the service's name", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.0\r\n\r\n");
  const upstream = await origin.connection();
  // RFC 9112 §3.2: no HTTP/1.1 request goes without Host.
  assert.match(await upstream.takeThrough(endOfHead), /\r\nhost: web\.default\.svc\.cluster\.local\r\n/);
  upstream.send(ok("1"));
  assert.match(await client.takeToEnd(), /^HTTP\/1\.1 200 OK\r\n/);
});

test("pipelined requests are answered in order, one at a time, wherever their bytes are split", async () => {
  const requests = get("/one") + post("a body", "", "/two") + get("/three");
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  let upstream: RawPeer | null = null;
  for (let split = 1; split < requests.length; split++) {
    await using client = await proxy.connect();
    client.send(requests.slice(0, split));
    await nextTurn();
    client.send(requests.slice(split));
    upstream ??= await origin.connection();
    for (const path of ["/one", "/two", "/three"]) {
      const head = await upstream.takeThrough(path === "/two" ? "a body" : endOfHead);
      assert.match(head, new RegExp(`^(GET|POST) ${path} HTTP/1\\.1\r\n`));
      assert.equal(upstream.received, "", "nothing is sent ahead of the answer");
      upstream.send(ok(path));
      assert.equal(await client.takeThrough(`\r\n\r\n${path}`), okRelayed(path));
    }
  }
  assert.equal(origin.accepted, 1);
  assert.equal(proxy.exchanges.length, 3 * (requests.length - 1));
});

test("a bad request behind a good one: the good one's answer arrives first, then 400 and the end", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(`${get()}GET / HTTP/1.1\nHost: a\r\n\r\n`);
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("good"));
  const all = await client.takeToEnd();
  assert.ok(all.startsWith(`${okRelayed("good")}HTTP/1.1 400 Bad Request\r\n`), all);
  assert.match(all, /\r\nconnection: close\r\n\r\nBad Request$/);
  assert.equal(client.errorCode, null);
  assert.deepEqual(
    proxy.outcomes().map(({ code, flags }) => `${code} ${flags}`),
    ["200 -", "400 DPE"],
  );
});

test("requests behind one that closes the connection are not read", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/", "Connection: close\r\n") + get("/late"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("last"));
  assert.match(await client.takeToEnd(), /\r\nconnection: close\r\n\r\nlast$/);
  assert.equal(upstream.received, "");
  assert.equal(proxy.exchanges.length, 1);
});

test("maxRequestsPerConnection closes the upstream connection after so many", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxRequestsPerConnection: 2 } });
  await using client = await proxy.connect();
  client.send(get("/first"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("/first"));
  await client.takeThrough("\r\n\r\n/first");
  await roundTrip(client, upstream, "/second");
  await upstream.takeToEnd();
  assert.equal(upstream.errorCode, null);
  client.send(get("/third"));
  const next = await origin.connection();
  next.send(ok("/third"));
  await client.takeThrough("\r\n\r\n/third");
  assert.equal(origin.accepted, 2);
});

test("no more than maxIdlePerEndpoint upstream connections are kept", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { maxIdlePerEndpoint: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get());
  const one = await origin.connection();
  second.send(get());
  const two = await origin.connection();
  one.send(ok("1"));
  await first.takeThrough("\r\n\r\n1");
  two.send(ok("2"));
  await second.takeThrough("\r\n\r\n2");
  await two.takeToEnd();
  assert.equal(idle(proxy), 1);
});

test("an upstream connection is closed once it has been idle for the cluster's idle timeout", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { idleTimeoutMs: 5_000 } });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  proxy.clock.advance(4_000);
  assert.equal(idle(proxy), 1);
  await roundTrip(client, upstream, "/again");
  proxy.clock.advance(4_000);
  assert.equal(idle(proxy), 1, "use starts the time anew");
  proxy.clock.advance(2_000);
  assert.equal(idle(proxy), 0);
  assert.equal(await upstream.takeToEnd(), "");
  assert.equal(upstream.errorCode, null);
});

test("the upstream's own Keep-Alive: timeout is kept with a second to spare, also between two sweeps", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  proxy.clock.advance(500);
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("1", "Keep-Alive: timeout=5, max=100\r\n"));
  await client.takeThrough("\r\n\r\n1");
  proxy.clock.advance(3_900);
  await roundTrip(client, upstream, "/in-time");
  proxy.clock.advance(4_050);
  // No sweep since four seconds passed, yet a POST must not run into the upstream's close.
  client.send(post("x"));
  const fresh = await origin.connection();
  fresh.send(ok("2"));
  await client.takeThrough("\r\n\r\n2");
  assert.equal(await upstream.takeToEnd(), "");
  proxy.clock.advance(60_000);
  assert.equal(idle(proxy), 1, "the second connection has no such limit");
});

test("Keep-Alive: timeout=0 means never again", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  for (let round = 1; round <= 2; round++) {
    client.send(get());
    const upstream = await origin.connection();
    upstream.send(ok("1", "Keep-Alive: timeout=0\r\n"));
    await client.takeThrough("\r\n\r\n1");
  }
  assert.equal(origin.accepted, 2);
});

test("a client that says nothing is closed after the idle timeout, not while it is answered", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { downstreamIdleTimeoutMs: 10_000 } });
  await using silent = await proxy.connect();
  await using busy = await proxy.connect();
  busy.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(12_000);
  assert.equal(await silent.takeToEnd(), "");
  assert.equal(silent.errorCode, null);
  upstream.send(ok("late"));
  assert.equal(await busy.takeThrough("late"), okRelayed("late"));
  proxy.clock.advance(9_000);
  await nextTurn();
  assert.equal(busy.ended, false);
  proxy.clock.advance(2_000);
  await busy.takeToEnd();
});

test("a request that crosses the close of its idle connection is not acted on", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { downstreamIdleTimeoutMs: 10_000 } });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  client.send(post("pay"));
  proxy.clock.advance(12_000);
  await client.takeToEnd();
  assert.equal(upstream.received, "", "its client could not tell whether it was");
  assert.equal(proxy.exchanges.length, 1);
});

test("bytes on an idle upstream connection end it: nobody asked for them", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
  await upstream.takeToEnd();
  assert.equal(idle(proxy), 0);
  client.send(get());
  const next = await origin.connection();
  next.send(ok("2"));
  assert.equal(await client.takeThrough("\r\n\r\n2"), okRelayed("2"));
});

for (const [name, whole] of [
  ["length", `${ok("1")}HTTP/1.1 200 OK\r\n`],
  ["chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\nX"],
  ["no body", "HTTP/1.1 204 No Content\r\n\r\nbody after all"],
] as const) {
  test(`bytes behind a complete answer (${name}) are dropped with their connection`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    upstream.send(whole);
    await upstream.takeThrough(endOfHead);
    await upstream.takeToEnd();
    assert.equal(idle(proxy), 0);
    assert.equal(proxy.lastOutcome()?.flags, "-");
    assert.doesNotMatch(client.received, /X$|HTTP\/1\.1 200 OK.*HTTP\/1\.1/s);
    client.take(client.received.length);
    client.send(get());
    const next = await origin.connection();
    next.send(ok("clean"));
    assert.match(await client.takeThrough("clean"), /clean$/);
  });
}

test("an upstream that closes an idle connection is not asked again on it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  upstream.finish();
  await eventually(() => idle(proxy) === 0, "the idle connection is gone");
  client.send(post("x"));
  const next = await origin.connection();
  next.send(answer(201));
  assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 201 /);
});

test("a client that pipelines without reading is not served ahead of what it reads", async () => {
  await using proxy = await startProxy({ routes: [] });
  await using client = await proxy.connect();
  client.socket.pause();
  const requests = 200_000;
  client.send(get().repeat(requests));
  let before = -1;
  await eventually(() => {
    const stopped = proxy.exchanges.length === before && before > 0;
    before = proxy.exchanges.length;
    return stopped;
  }, "naru stops answering");
  assert.ok(before < requests, `answered ${before} of ${requests} requests that nobody reads`);
  client.socket.resume();
  const seen = /HTTP\/1\.1 404 Not Found\r\n/g;
  let answers = 0;
  await eventually(() => {
    // An answer may come in two pieces: what follows the last empty line waits for the rest.
    const end = client.received.lastIndexOf(endOfHead);
    if (end >= 0) answers += client.take(end + endOfHead.length).match(seen)?.length ?? 0;
    return answers >= requests;
  }, "every request is answered");
  assert.equal(answers, requests);
});
