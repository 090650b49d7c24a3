// SPDX-License-Identifier: Apache-2.0
// What clients see, operators read and pools keep when an upstream fails.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import {
  defaultAction,
  endpoint,
  eventually,
  nextTurn,
  startProxy,
  type Outcome,
} from "../support/proxy-under-test.ts";
import { RawOrigin, refusingPort } from "../support/raw-peer.ts";
import { silentAddress, silentTransport } from "../support/transports.ts";

const resetReason = "upstream connect error or disconnect/reset before headers. reset reason: ";
const beforeHead = (flags: string, reason: string, code = 503): Outcome => ({
  code,
  flags,
  details: `upstream_reset_before_response_started{${reason}}`,
});
const afterHead = (flags: string, reason: string): Outcome => ({
  code: 200,
  flags,
  details: `upstream_reset_after_response_started{${reason}}`,
});
const noRetries = { action: { retries: { ...defaultAction.retries, attempts: 0, on: [] } } };

test("a refused connect is tried again on another endpoint and nobody notices", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [await refusingPort(), origin.port] });
  await using client = await proxy.connect();
  client.send(post("hello"));
  const upstream = await origin.connection();
  assert.match(await upstream.takeThrough("hello"), /^POST \/ HTTP\/1\.1\r\n/);
  upstream.send(ok("done"));
  assert.equal(await client.takeThrough("done"), okRelayed("done"));
  assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "-", details: "via_upstream" });
  assert.equal(proxy.accessLog[0]?.upstreamHost, `127.0.0.1:${origin.port}`);
  assert.equal(proxy.sample("naru_retries_total"), 1);
  assert.deepEqual(
    proxy.cluster().endpoints.map(({ connectionsFailed }) => connectionsFailed),
    [1, 0],
  );
});

test("refused everywhere is UF, and URX once the retries are used up", async () => {
  await using proxy = await startProxy({ origins: [await refusingPort()] });
  await using client = await proxy.connect();
  client.send(get());
  const body = `${resetReason}connection failure`;
  const text = await client.takeThrough(body);
  assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.doesNotMatch(text, /ECONNREFUSED|127\.0\.0\.1|connection: close/);
  assert.deepEqual(proxy.lastOutcome(), beforeHead("UF,URX", "connection_failure"));
  assert.match(proxy.accessLog[0]?.upstreamTransportFailureReason ?? "", /ECONNREFUSED/);
  assert.equal(proxy.cluster().endpoints[0]?.connectionsFailed, 3);
  client.send(get());
  await client.takeThrough(body);
});

test("without a retry policy a refused connect is UF alone", async () => {
  await using proxy = await startProxy({ origins: [await refusingPort()], ...noRetries });
  await using client = await proxy.connect();
  client.send(get());
  await client.takeThrough("connection failure");
  assert.deepEqual(proxy.lastOutcome(), beforeHead("UF", "connection_failure"));
});

test("a connect nobody answers ends at the connect timeout", async () => {
  await using proxy = await startProxy({ transport: silentTransport(), ...noRetries });
  proxy.setEndpoints([endpoint(80, { address: silentAddress })]);
  await using client = await proxy.connect();
  client.send(get());
  await eventually(() => proxy.cluster().connectionsActive === 1, "naru connects");
  proxy.clock.advance(9_990);
  await nextTurn();
  assert.equal(client.received, "");
  proxy.clock.advance(50);
  await client.takeThrough("connection timeout");
  assert.deepEqual(proxy.lastOutcome(), beforeHead("UF", "connection_timeout"));
  assert.equal(proxy.cluster().connectionsActive, 0);
});

for (const [name, headers, setup] of [
  ["no endpoints", "", []],
  ["no ready endpoints", "", [endpoint(1, { ready: false })]],
] as const) {
  test(`${name}: 503 UH at once, the connection lives on`, async () => {
    await using proxy = await startProxy();
    proxy.setEndpoints(setup);
    await using client = await proxy.connect();
    for (let round = 0; round < 2; round++) {
      client.send(get("/", headers));
      assert.equal(
        await client.takeThrough("no healthy upstream"),
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 19\r\n" +
          "date: Fri, 02 Jan 2026 03:04:05 GMT\r\nserver: naru\r\n\r\nno healthy upstream",
      );
      assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "UH", details: "no_healthy_upstream" });
    }
  });
}

test("a route to a cluster that does not exist is 503 NC", async () => {
  await using proxy = await startProxy({ action: { destinations: [{ cluster: "outbound|80||gone", weight: 1 }] } });
  await using client = await proxy.connect();
  client.send(get());
  assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 503 Service Unavailable\r\ncontent-length: 0\r\n/);
  assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "NC", details: "cluster_not_found" });
  assert.equal(proxy.accessLog[0]?.upstreamCluster, "outbound|80||gone");
});

test("a HEAD that naru answers itself gets the length and no body", async () => {
  await using proxy = await startProxy();
  await using client = await proxy.connect();
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(await client.takeThrough(endOfHead), /\r\ncontent-length: 19\r\n/);
  client.send(get());
  assert.match(await client.takeThrough("no healthy upstream"), /^HTTP\/1\.1 503 /);
  assert.deepEqual(
    proxy.accessLog.map(({ bytesSent }) => bytesSent),
    [0, 19],
  );
});

test("an upstream that closes before its response head is 503 UC", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.1 200 O");
  upstream.finish();
  await client.takeThrough("connection termination");
  assert.deepEqual(proxy.lastOutcome(), beforeHead("UC", "connection_termination"));
  assert.equal(origin.accepted, 1, "a first use of a connection is not repeated");
});

test("an upstream that resets before its response head is 503 UR", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.reset();
  await client.takeThrough("connection termination");
  assert.deepEqual(proxy.lastOutcome(), beforeHead("UC", "connection_termination"));
});

for (const [name, bytes] of [
  ["a length not reached", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"],
  ["chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
  ["a chunk cut in two", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf"],
] as const) {
  for (const end of ["finish", "reset"] as const) {
    test(`${name} (${end}) breaks the client's connection: truncated is never complete`, async () => {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port] });
      await using client = await proxy.connect();
      client.send(get());
      const upstream = await origin.connection();
      await upstream.takeThrough(endOfHead);
      upstream.send(bytes);
      await client.takeThrough("half");
      upstream[end]();
      const rest = await client.takeToEnd();
      assert.doesNotMatch(rest, /0\r\n\r\n$/);
      assert.equal(client.errorCode, "ECONNRESET");
      assert.deepEqual(proxy.lastOutcome(), afterHead("UC", "connection_termination"));
    });
  }
}

test("a body until close that ends in a reset breaks the client's connection", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.0 200 OK\r\n\r\nhalf");
  await client.takeThrough("half");
  upstream.reset();
  await client.takeToEnd();
  assert.equal(client.errorCode, "ECONNRESET");
});

test("invalid chunks behind a good head break the client's connection: UPE", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  await client.takeThrough("half");
  upstream.send("nonsense\r\n");
  await client.takeToEnd();
  assert.equal(client.errorCode, "ECONNRESET");
  assert.deepEqual(proxy.lastOutcome(), afterHead("UPE", "protocol_error"));
  await upstream.takeToEnd();
});

for (const [name, head] of [
  ["no HTTP", "220 smtp.example.org ESMTP\r\n"],
  ["HTTP/2 preface", "HTTP/2.0 200 OK\r\n\r\n"],
  ["length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"],
  ["gzip coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["folded line", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n"],
  ["status 99", "HTTP/1.1 099 Odd\r\n\r\n"],
  ["a head beyond the limit", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(61 * 1024)}\r\n\r\n`],
  ["too many fields", `HTTP/1.1 200 OK\r\n${"X: 1\r\n".repeat(101)}\r\n`],
] as const) {
  test(`a malformed response (${name}) is 502 UPE and its connection is dropped`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(head);
    assert.match(await client.takeThrough("protocol error"), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.deepEqual(proxy.lastOutcome(), beforeHead("UPE", "protocol_error", 502));
    await upstream.takeToEnd();
    assert.equal(proxy.cluster().connectionsActive, 0);
    assert.equal(client.ended, false);
  });
}

test("a broken request body is 400 DPE, and its half never passes for a whole request", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough("half");
  client.send("nonsense\r\n");
  assert.match(await client.takeToEnd(), /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close\r\n\r\nBad Request$/s);
  assert.deepEqual(proxy.lastOutcome(), { code: 400, flags: "DPE", details: "http1.codec_error" });
  assert.doesNotMatch(await upstream.takeToEnd(), /0\r\n\r\n$/);
  assert.equal(upstream.errorCode, "ECONNRESET");
});

test("a GET on a kept-alive connection that turns out dead is repeated on a fresh one", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], ...noRetries });
  await using client = await proxy.connect();
  for (const end of ["finish", "reset"] as const) {
    client.send(get("/first", "Connection: keep-alive\r\n"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("1"));
    await client.takeThrough("\r\n\r\n1");
    client.send(get("/second"));
    await upstream.takeThrough(endOfHead);
    upstream[end]();
    const fresh = await origin.connection();
    assert.match(await fresh.takeThrough(endOfHead), /^GET \/second HTTP/);
    fresh.send(ok("2", "Connection: close\r\n"));
    assert.equal(await client.takeThrough("\r\n\r\n2"), okRelayed("2"));
    assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "-", details: "via_upstream" });
  }
  assert.equal(proxy.sample("naru_dead_connection_retries_total"), 2);
  assert.equal(proxy.sample("naru_retries_total"), 0);
});

test("an idempotent request with a body is repeated byte for byte when its connection turns out dead", async () => {
  const body = "0\r\n\r\n".repeat(1_000);
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n${body}\r\n`);
  await upstream.takeThrough("\r\n1388\r\n");
  await upstream.takeBytes(body.length + 2);
  upstream.reset();
  const fresh = await origin.connection();
  assert.match(await fresh.takeThrough(endOfHead), /^PUT \/ HTTP/);
  assert.equal(await fresh.takeBytes(body.length + 8), `1388\r\n${body}\r\n`);
  client.send("3\r\nend\r\n0\r\n\r\n");
  assert.equal(await fresh.takeThrough("0\r\n\r\n"), "3\r\nend\r\n0\r\n\r\n");
  fresh.send(ok("2"));
  assert.equal(await client.takeThrough("\r\n\r\n2"), okRelayed("2"));
});

test("the repeated GET is repeated only once", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  await upstream.takeThrough(endOfHead);
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.finish();
  const fresh = await origin.connection();
  await fresh.takeThrough(endOfHead);
  fresh.finish();
  await client.takeThrough("connection termination");
  assert.equal(origin.accepted, 2);
});

test("a GET whose kept-alive connection dies after the first byte of its answer is not repeated", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  await upstream.takeThrough(endOfHead);
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send("H");
  upstream.finish();
  await client.takeThrough("connection termination");
  assert.equal(origin.accepted, 1);
});

test("a POST on a kept-alive connection that turns out dead is 503 UC and never sent twice", async () => {
  for (const body of ["hello", ""]) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    upstream.send(ok("1"));
    await client.takeThrough("\r\n\r\n1");
    await upstream.takeThrough(endOfHead);
    client.send(post(body));
    await upstream.takeThrough(`content-length: ${body.length}${endOfHead}${body}`);
    upstream.finish();
    await client.takeThrough("connection termination");
    assert.deepEqual(proxy.lastOutcome(), beforeHead("UC", "connection_termination"));
    assert.equal(origin.accepted, 1);
  }
});

test("a POST that is half sent is not sent again, and its client is told", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  const upstream = await origin.connection();
  await upstream.takeThrough("half");
  upstream.reset();
  assert.match(await client.takeToEnd(), /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n\r\n.*connection termination$/s);
  assert.equal(origin.accepted, 1);
});
