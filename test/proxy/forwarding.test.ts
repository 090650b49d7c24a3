// SPDX-License-Identifier: Apache-2.0
// What reaches the origin and what reaches the client, byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

const requestId = "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a";

test("a GET is forwarded with forwarding headers and nothing hop-by-hop", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(
    "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nX-Custom:  Kept \r\nConnection: keep-alive, x-secret\r\nX-Secret: 1\r\n" +
      "Keep-Alive: timeout=5\r\nX-Forwarded-For: 10.0.0.1\r\nX-Envoy-Max-Retries: 9\r\nX-Request-Id: forged\r\n\r\n",
  );
  const upstream = await origin.connection();
  assert.equal(
    await upstream.takeThrough("\r\n\r\n"),
    "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nX-Custom:  Kept \r\nx-forwarded-for: 10.0.0.1,127.0.0.1\r\n" +
      `x-forwarded-proto: http\r\nx-request-id: ${requestId}\r\n\r\n`,
  );
  upstream.send("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nConnection: keep-alive\r\nX-Up: 1\r\n\r\nhello");
  assert.equal(
    await client.takeThrough("hello"),
    "HTTP/1.1 200 OK\r\nDate: now\r\nX-Up: 1\r\ncontent-length: 5\r\n\r\nhello",
  );
});

test("both connections are kept for the next request", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const upstream = await origin.connection();
  for (let round = 0; round < 3; round++) {
    if (round > 0) client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await upstream.takeThrough("\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.match(await client.takeThrough("ok"), /^HTTP\/1\.1 200 OK\r\n/);
  }
  assert.equal(origin.accepted, 1);
});

test("a chunked request is framed anew and its trailers follow", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
  );
  const upstream = await origin.connection();
  assert.match(await upstream.takeThrough("\r\n\r\n"), /\r\ntransfer-encoding: chunked\r\n\r\n$/);
  assert.equal(await upstream.takeThrough("0\r\nX-T: 1\r\n\r\n"), "5\r\nabcde\r\n0\r\nX-T: 1\r\n\r\n");
  upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
  assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 204 No Content\r\n/);
});

test("no route is answered 404 NR without a body", async () => {
  await using proxy = await startProxy({ routes: [] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 404 Not Found\r\ncontent-length: 0\r\n/);
  assert.equal(proxy.exchanges[0]?.labels.responseFlags, "NR");
  assert.equal(proxy.accessLog[0]?.responseCodeDetails, "route_not_found");
});
