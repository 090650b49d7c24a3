// SPDX-License-Identifier: Apache-2.0
// Going away in peace: what is in flight is finished and told that it was the last, and nothing waits for ever.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

import { createNodeTransport } from "../../src/proxy/index.ts";
import { endOfHead, get, ok } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

/** Moves time while a drain goes on. */
async function finished(proxy: ProxyUnderTest, drained: Promise<{ readonly abandoned: number }>): Promise<number> {
  let abandoned = -1;
  void drained.then((result) => (abandoned = result.abandoned));
  await eventually(() => {
    proxy.clock.advance(100);
    return abandoned >= 0;
  }, "the drain is over");
  return abandoned;
}

async function connectError(port: number): Promise<unknown> {
  const socket = connect({ port, host: "127.0.0.1" });
  const [event] = await Promise.race([once(socket, "connect"), once(socket, "error")]).catch((error: unknown) => [
    error,
  ]);
  socket.destroy();
  return event;
}

test("a drain finishes what is in flight, closes what is idle and refuses what is new", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using idle = await proxy.connect();
  await using busy = await proxy.connect();
  busy.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(2_000);
  const port = proxy.port;
  const drained = proxy.dataPlane.drain(600_000);
  assert.equal(await idle.takeToEnd(), "");
  assert.equal(idle.errorCode, null);
  const error = await connectError(port);
  assert.ok(error instanceof Error && "code" in error && error.code === "ECONNREFUSED", String(error));
  assert.equal(busy.ended, false);
  upstream.send(ok("in peace"));
  assert.equal(
    await busy.takeToEnd(),
    "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 8\r\nconnection: close\r\n\r\nin peace",
  );
  assert.equal(busy.errorCode, null);
  assert.equal(await finished(proxy, drained), 0);
  assert.deepEqual(
    proxy.outcomes().map(({ code, flags }) => `${code} ${flags}`),
    ["200 -"],
  );
});

test("a request that meets the drain on a connection just used is answered as the last one", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/before"));
  const upstream = await origin.connection();
  upstream.send(ok("before"));
  await client.takeThrough("\r\n\r\nbefore");
  await upstream.takeThrough(endOfHead);
  const drained = proxy.dataPlane.drain(600_000);
  client.send(get("/after"));
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/after /);
  upstream.send(ok("after"));
  assert.match(await client.takeToEnd(), /\r\nconnection: close\r\n\r\nafter$/);
  assert.equal(await finished(proxy, drained), 0);
});

test("an answer that has begun before the drain is completed, and its connection ends too", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
  await client.takeThrough("half");
  const drained = proxy.dataPlane.drain(600_000);
  await nextTurn();
  upstream.send("half");
  await client.takeThrough("half");
  assert.equal(await finished(proxy, drained), 0);
  assert.equal(await client.takeToEnd(), "");
  assert.equal(client.errorCode, null);
  assert.ok(proxy.clock.nowMs() < 60_000, "without waiting for the deadline");
});

test("requests that were waiting for a connection are served", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/2"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  const drained = proxy.dataPlane.drain(600_000);
  upstream.send(ok("one"));
  await first.takeToEnd();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("two"));
  assert.match(await second.takeToEnd(), /\r\nconnection: close\r\n\r\ntwo$/);
  assert.equal(await finished(proxy, drained), 0);
});

test("what is left at the deadline is cut off, answered where that is possible, and counted", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using waiting = await proxy.connect();
  await using halfway = await proxy.connect();
  waiting.send(get("/waiting"));
  const one = await origin.connection();
  await one.takeThrough(endOfHead);
  halfway.send("GET /halfway HTTP/1.0\r\nHost: a\r\n\r\n");
  const two = await origin.connection();
  await two.takeThrough(endOfHead);
  two.send("HTTP/1.1 200 OK\r\n\r\nhalf");
  await halfway.takeThrough("half");
  assert.deepEqual(await proxy.drain(5_000), { abandoned: 2 });
  assert.match(await waiting.takeToEnd(), /^HTTP\/1\.1 503 Service Unavailable\r\n.*\r\nconnection: close\r\n\r\n$/s);
  await halfway.takeToEnd();
  assert.equal(halfway.errorCode, "ECONNRESET", "half a body until close must not look complete");
  await one.takeToEnd();
  await two.takeToEnd();
  const details = "downstream_local_disconnect(drain)";
  assert.deepEqual(
    [...proxy.outcomes()].sort((left, right) => left.code - right.code),
    [
      { code: 200, flags: "LR", details },
      { code: 503, flags: "LR", details },
    ],
  );
});

test("a client that never finishes its head does not outlive the deadline", async () => {
  await using proxy = await startProxy();
  await using client = await proxy.connect();
  client.send("GET / HT");
  await eventually(() => proxy.sample("naru_exchanges_active") === 1, "the head has begun");
  assert.deepEqual(await proxy.drain(5_000), { abandoned: 1 });
  await client.takeToEnd();
  assert.deepEqual(proxy.outcomes(), []);
});

test("a drain with nothing to do is over at once, and idle upstream connections go too", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  await client[Symbol.asyncDispose]();
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client is gone");
  const before = proxy.clock.nowMs();
  assert.deepEqual(await proxy.dataPlane.drain(600_000), { abandoned: 0 });
  assert.equal(proxy.clock.nowMs(), before);
  await upstream.takeThrough(endOfHead);
  assert.equal(await upstream.takeToEnd(), "");
  proxy.clock.advance(100);
  assert.equal(proxy.clock.pending, 0, "no timer is left");
});

test("listeners are closed one after the other, the one opened last first", async () => {
  const transport = createNodeTransport();
  const events: string[] = [];
  let opened = 0;
  const anyPort = { host: "127.0.0.1", port: 0 };
  await using proxy = await startProxy({
    transport: {
      ...transport,
      async listen(options, accept) {
        const listener = await transport.listen(options, accept);
        const number = ++opened;
        events.push(`open ${number}`);
        const close = async () => {
          events.push(`close ${number}`);
          await listener.close();
          events.push(`closed ${number}`);
        };
        return { ...listener, close };
      },
    },
    options: { portMap: new Map([80, 81, 82].map((port) => [port, anyPort])) },
  });
  const snapshot = proxy.snapshot();
  const [first] = snapshot.listeners;
  const others = [81, 82].map((port) => ({ ...first!, name: `gateway_${port}`, port }));
  await proxy.dataPlane.applyRouting({ ...snapshot, listeners: [first!, ...others] });
  assert.equal((await proxy.drain()).abandoned, 0);
  assert.deepEqual(events, [
    ...["open 1", "open 2", "open 3"],
    ...["close 3", "closed 3", "close 2", "closed 2", "close 1", "closed 1"],
  ]);
});
