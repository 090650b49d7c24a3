// SPDX-License-Identifier: Apache-2.0
// A fast side and a slow one: what naru holds is bounded, the fast side is stopped, and all of it arrives in the end.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { endOfHead, get, ok, okRelayed } from "../support/messages.ts";
import { defaultAction, endpoint, eventually, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { MeasuredTransport, silentAddress, silentTransport } from "../support/transports.ts";

/** More than the kernel buffers of two loopback connections ever take (tcp_wmem and tcp_rmem end at 4 and 6 MiB). */
const size = 48 * 1024 * 1024;
const pieceBytes = 1024 * 1024;
/** One read that was on its way when the mark was reached, the mark, and framing. */
const mostQueuedBytes = (128 + 64) * 1024 + 4 * 1024;

const piece = Buffer.from(Array.from({ length: pieceBytes }, (_, index) => (index * 7 + (index >> 8)) & 255));
const wholeDigest = ((): string => {
  const hash = createHash("sha256");
  for (let sent = 0; sent < size; sent += pieceBytes) hash.update(piece);
  return hash.digest("hex");
})();

function sendAll(peer: RawPeer): void {
  for (let sent = 0; sent < size; sent += pieceBytes) peer.socket.write(piece);
}

const takenByKernel = (peer: RawPeer): number => peer.socket.bytesWritten - peer.socket.writableLength;

/** Waits until nothing more can be sent; how much could. */
async function untilStopped(peer: RawPeer): Promise<number> {
  let before = -1;
  let quietTurns = 0;
  await eventually(() => {
    const now = takenByKernel(peer);
    quietTurns = now === before ? quietTurns + 1 : 0;
    before = now;
    return quietTurns === 100;
  }, "the fast side is stopped");
  return before;
}

/** Reads on and hashes `size` bytes, after a head that ends with an empty line. */
async function digestBody(peer: RawPeer): Promise<string> {
  const hash = createHash("sha256");
  let left = size;
  await peer.takeThrough(endOfHead);
  await eventually(() => {
    const bytes = peer.take(Math.min(left, peer.received.length));
    hash.update(bytes, "latin1");
    left -= bytes.length;
    return left === 0;
  }, "the whole body is there");
  return hash.digest("hex");
}

test("a slow client stops a fast origin", async () => {
  const measured = new MeasuredTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport: measured.transport });
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  sendAll(upstream);
  const stoppedAt = await untilStopped(upstream);
  assert.ok(stoppedAt < size, `the origin could send ${stoppedAt} bytes to nobody`);
  assert.ok(measured.maxQueuedBytes <= mostQueuedBytes, `naru held ${measured.maxQueuedBytes} bytes`);
  client.socket.resume();
  assert.equal(await digestBody(client), wholeDigest);
  assert.ok(measured.maxQueuedBytes <= mostQueuedBytes, `naru held ${measured.maxQueuedBytes} bytes`);
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("next"));
  assert.match(await client.takeThrough("next"), /next$/);
  assert.equal(origin.accepted, 1);
});

test("a slow origin stops a fast client", async () => {
  const measured = new MeasuredTransport();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport: measured.transport });
  await using client = await proxy.connect();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  const upstream = await origin.connection();
  upstream.socket.pause();
  sendAll(client);
  const stoppedAt = await untilStopped(client);
  assert.ok(stoppedAt < size, `the client could send ${stoppedAt} bytes to nobody`);
  assert.ok(measured.maxQueuedBytes <= mostQueuedBytes, `naru held ${measured.maxQueuedBytes} bytes`);
  upstream.socket.resume();
  assert.equal(await digestBody(upstream), wholeDigest);
  upstream.send(ok("thanks"));
  assert.equal(await client.takeThrough("thanks"), okRelayed("thanks"));
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("next"));
  await client.takeThrough("next");
});

test("a client whose upstream does not connect is stopped, and may leave", async () => {
  const retries = { ...defaultAction.retries, attempts: 0 };
  await using proxy = await startProxy({ transport: silentTransport(), action: { retries } });
  proxy.setEndpoints([endpoint(80, { address: silentAddress })]);
  await using client = await proxy.connect();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  sendAll(client);
  const stoppedAt = await untilStopped(client);
  assert.ok(stoppedAt < size, `the client could send ${stoppedAt} bytes to nobody`);
  client.reset();
  // Nothing is read from it meanwhile, so it is found gone when it is answered.
  proxy.clock.advance(10_100);
  await eventually(() => proxy.sample("naru_exchanges_active") === 0, "the exchange is over");
});

test("a slow client that leaves frees the origin it had stopped", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  sendAll(upstream);
  await untilStopped(upstream);
  client.reset();
  await upstream.takeToEnd();
  assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "DC", details: "downstream_remote_disconnect" });
});

test("one slow client does not slow another", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using slow = await proxy.connect();
  slow.socket.pause();
  slow.send(get());
  const stopped = await origin.connection();
  await stopped.takeThrough(endOfHead);
  stopped.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  sendAll(stopped);
  await untilStopped(stopped);
  await using quick = await proxy.connect();
  quick.send(get());
  const upstream = await origin.connection();
  for (let round = 0; round < 10; round++) {
    if (round > 0) quick.send(get());
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("quick"));
    assert.equal(await quick.takeThrough("quick"), okRelayed("quick"));
  }
});
