// SPDX-License-Identifier: Apache-2.0
// Whoever does not read makes naru stop reading, not keep; and small pieces cost in proportion to their number. Work is
// counted, never timed.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";

import { defaultDataPlaneOptions } from "../../src/proxy/index.ts";
import { endOfHead, get, ok } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { postWith } from "./support/arena.ts";
import { CountingTransport } from "./support/counting-transport.ts";

/** Far more than the kernel keeps for the two connections of an exchange (at most some 20 MB on Linux). */
const floodBytes = 64_000_000;
/** naru's own share: the mark at which it stops, and what one read can add to it. */
const mostQueued = 256 * 1024;
const xs = Buffer.alloc(65_536, "x");
const requests = Buffer.from(get().repeat(2_000));

/** Sends far more than fits, and returns what is left once the kernel takes no more. */
async function flood(socket: Socket, piece: Buffer): Promise<number> {
  for (let written = 0; written < floodBytes; written += piece.length) socket.write(piece);
  for (let left = -1; left !== socket.writableLength;) {
    left = socket.writableLength;
    for (let turn = 0; turn < 200; turn++) await nextTurn();
  }
  return socket.writableLength;
}

/** Nothing moves any more, and after the idle time both sides are let go. */
async function endByIdling(proxy: ProxyUnderTest): Promise<void> {
  proxy.clock.advance(defaultDataPlaneOptions.streamIdleTimeoutMs + 2_000);
  await eventually(() => proxy.sample("naru_exchanges_active") === 0, "the exchange is given up");
}

test("a client that never reads a large answer holds back the origin", async () => {
  const transport = new CountingTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport });
  for (const lines of [`Content-Length: ${floodBytes}\r\n`, "Connection: close\r\n"]) {
    await using client = await proxy.connect();
    client.socket.pause();
    client.send(get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
    assert.ok((await flood(upstream.socket, xs)) > floodBytes / 4, "the origin could not send it all");
    assert.ok(transport.mostQueuedBytes < mostQueued, `${transport.mostQueuedBytes} bytes held`);
    await endByIdling(proxy);
  }
});

test("an origin that never reads a large request holds back the client", async () => {
  const transport = new CountingTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport });
  for (const lines of [`Content-Length: ${floodBytes}\r\n`, "Transfer-Encoding: chunked\r\n"]) {
    await using client = await proxy.connect();
    client.send(postWith(lines));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.socket.pause();
    if (lines.startsWith("Transfer")) client.send(`${floodBytes.toString(16)}\r\n`);
    assert.ok((await flood(client.socket, xs)) > floodBytes / 4, "the client could not send it all");
    assert.ok(transport.mostQueuedBytes < mostQueued, `${transport.mostQueuedBytes} bytes held`);
    await endByIdling(proxy);
  }
});

test("a client that sends requests and never reads the answers is not read on", async () => {
  for (const routes of [[], undefined]) {
    const transport = new CountingTransport();
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], transport, ...(routes && { routes }) });
    await using client = await proxy.connect();
    client.socket.pause();
    client.send(get());
    if (routes === undefined) void answerAll(await origin.connection());
    assert.ok((await flood(client.socket, requests)) > floodBytes / 4, "the client could not send it all");
    assert.ok(transport.mostQueuedBytes < mostQueued, `${transport.mostQueuedBytes} bytes held`);
    client.socket.destroy();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client is gone");
  }
});

/** Answers every request of a connection with 4 KB, until it ends. */
async function answerAll(upstream: Awaited<ReturnType<RawOrigin["connection"]>>): Promise<void> {
  const body = "x".repeat(4_096);
  while (!upstream.ended) {
    if (!upstream.received.includes(endOfHead)) {
      await nextTurn();
      continue;
    }
    await upstream.takeThrough(endOfHead);
    upstream.send(ok(body));
  }
}

/** What it costs to pass on a body of `count` chunks of one byte, in either direction. */
async function costOfChunks(count: number, way: "request" | "response"): Promise<CountingTransport> {
  const transport = new CountingTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport });
  await using client = await proxy.connect();
  const chunks = `${"1\r\nx\r\n".repeat(count)}0\r\n\r\n`;
  client.send(way === "request" ? postWith("Transfer-Encoding: chunked\r\n", chunks) : get());
  const upstream = await origin.connection();
  const head = await upstream.takeThrough(endOfHead);
  const [receiver, prefix] =
    way === "request" ? [upstream, ""] : [client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"];
  if (way === "response") upstream.send(prefix + chunks);
  const body = await receiver.takeThrough("\r\n0\r\n\r\n");
  assert.equal(payloadOf(way === "request" ? body : body.slice(body.indexOf(endOfHead) + 4)), "x".repeat(count), head);
  if (way === "request") {
    upstream.send(ok("1"));
    await client.takeThrough("\r\n\r\n1");
  }
  return transport;
}

function payloadOf(chunked: string): string {
  let payload = "";
  let at = 0;
  for (;;) {
    const lineEnd = chunked.indexOf("\r\n", at);
    const size = Number.parseInt(chunked.slice(at, lineEnd), 16);
    if (size === 0) return payload;
    payload += chunked.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + size + 4;
  }
}

for (const way of ["request", "response"] as const) {
  test(`a flood of one-byte chunks in a ${way} costs in proportion and leaves in fewer`, async () => {
    const small = await costOfChunks(16_384, way);
    const large = await costOfChunks(65_536, way);
    assert.ok(large.sends <= 4.5 * small.sends + 50, `${small.sends} and ${large.sends} sends`);
    assert.ok(
      large.reservedBytes <= 4.5 * small.reservedBytes,
      `${small.reservedBytes} and ${large.reservedBytes} bytes`,
    );
    assert.ok(large.sentBytes < 65_536 * 3, `${large.sentBytes} bytes for 64k of payload`);
    assert.ok(large.mostQueuedBytes < mostQueued);
  });
}

test("a head that comes byte by byte is sent once", async () => {
  const transport = new CountingTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport });
  await using client = await proxy.connect();
  for (const byte of get("/", `X-Long: ${"y".repeat(2_000)}\r\n`)) {
    client.send(byte);
    await nextTurn();
  }
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  assert.equal(transport.sends, 1);
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
});

test("connections that wait with a head, or with nothing, hold no exchange of theirs afterwards", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const clients = await Promise.all(Array.from({ length: 300 }, () => proxy.connect()));
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 300, "300 connections are there");
  assert.equal(proxy.sample("naru_exchanges_active"), 0);
  for (const client of clients) client.send("GET / HTTP/1.1\r\n");
  await eventually(() => proxy.sample("naru_exchanges_active") === 300, "300 heads have begun");
  for (const client of clients) client.reset();
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "all are gone");
  assert.equal(proxy.sample("naru_exchanges_active"), 0);
});
