// SPDX-License-Identifier: Apache-2.0
// What the access log is told of exchanges, one after the other: the record is filled anew for each, so nothing of one
// may show in the next.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { LoggedExchange } from "../support/access-log-record.ts";
import { startProxy, webCluster, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

const madeId = "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a";

type Parts = Partial<LoggedExchange>;

/** The parts that come from the bytes of the request. */
function received({ method, path, protocol, authority, userAgent, xForwardedFor, requestId }: LoggedExchange): Parts {
  return { method, path, protocol, authority, userAgent, xForwardedFor, requestId };
}

async function exchange(proxy: ProxyUnderTest, origin: RawOrigin, request: string): Promise<LoggedExchange> {
  await using client = await proxy.connect();
  const before = proxy.accessLog.length;
  client.send(request);
  const upstream = await origin.connection();
  await upstream.takeThrough("\r\n\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  await client.takeThrough("ok");
  assert.equal(proxy.accessLog.length, before + 1);
  const record = proxy.accessLog.at(-1)!;
  assert.equal(record.upstreamHost, `127.0.0.1:${origin.port}`);
  assert.equal(record.upstreamCluster, webCluster);
  // The port that the origin saw: the kernel may well have given the client's connection the same number.
  assert.equal(record.upstreamLocalAddress, `127.0.0.1:${upstream.socket.remotePort}`);
  assert.equal(record.downstreamLocalAddress, `127.0.0.1:${proxy.port}`);
  assert.equal(record.downstreamRemoteAddress, `127.0.0.1:${client.socket.localPort}`);
  return record;
}

const bare = "GET / HTTP/1.0\r\nHost: b\r\n\r\n";
const list = Array.from({ length: 50 }, (_, index) => `10.0.0.${index}`).join(", ");
const full =
  `POST /a/b?c=d HTTP/1.1\r\nHost: shop.example:80\r\nUser-Agent: \xe9 x\r\nX-Forwarded-For: ${list}\r\n` +
  "X-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n";

test("a gateway logs its own request id and the list of addresses as it forwards it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const fullParts: Parts = {
    method: "POST",
    path: "/a/b?c=d",
    protocol: "HTTP/1.1",
    authority: "shop.example:80",
    userAgent: "\xe9 x",
    xForwardedFor: `${list},127.0.0.1`,
    requestId: madeId,
  };
  const bareParts: Parts = {
    method: "GET",
    path: "/",
    protocol: "HTTP/1.0",
    authority: "b",
    userAgent: null,
    xForwardedFor: "127.0.0.1",
    requestId: madeId,
  };
  for (const [request, expected] of [
    [full, fullParts],
    [bare, bareParts],
    [full, fullParts],
  ] as const) {
    assert.deepEqual(received(await exchange(proxy, origin, request)), expected);
  }
});

test("a mesh listener logs what it received, and makes a request id only where there is none", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], role: "mesh" });
  const first = await exchange(proxy, origin, full);
  assert.deepEqual([first.requestId, first.xForwardedFor], ["theirs", list]);
  const second = await exchange(proxy, origin, bare);
  assert.deepEqual([second.requestId, second.xForwardedFor], [madeId, null]);
});

test("several x-forwarded-for lines are one list, as Envoy's %REQ(X-FORWARDED-FOR)% shows them", async () => {
  const lines = "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Other: a\r\nX-FORWARDED-FOR: 10.0.0.3\r\n";
  const several = `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
  const one = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.4\r\n\r\n";
  const joined = "10.0.0.1, 10.0.0.2,10.0.0.3";
  for (const [role, added] of [
    ["gateway", ",127.0.0.1"],
    ["mesh", ""],
  ] as const) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], role });
    assert.equal((await exchange(proxy, origin, several)).xForwardedFor, joined + added, role);
    assert.equal((await exchange(proxy, origin, one)).xForwardedFor, `10.0.0.4${added}`, role);
    assert.equal((await exchange(proxy, origin, bare)).xForwardedFor, role === "gateway" ? "127.0.0.1" : null, role);
  }
});

test("a request refused before its head was read shows nothing of the one before", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await exchange(proxy, origin, full);
  await using client = await proxy.connect();
  client.send("GET /secret HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nbad line\r\n\r\n");
  assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 400 /);
  const record = proxy.accessLog.at(-1)!;
  assert.equal(record.responseCode, 400);
  assert.deepEqual(received(record), {
    method: null,
    path: null,
    protocol: null,
    authority: null,
    userAgent: null,
    xForwardedFor: "127.0.0.1",
    requestId: null,
  });
  const { upstreamHost, upstreamCluster, upstreamLocalAddress, upstreamServiceTimeMs, routeName } = record;
  assert.deepEqual(
    [upstreamHost, upstreamCluster, upstreamLocalAddress, upstreamServiceTimeMs, routeName],
    [null, null, null, null, null],
  );
});
