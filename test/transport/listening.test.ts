// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part four: listeners, what they accept, refuse and leave behind.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { connectRaw, RawPeer, refusingPort } from "../support/raw-peer.ts";
import { contract } from "./support/ground.ts";

contract("an accepted connection knows both its ends, and is not told that it is connected", async (ground) => {
  const listener = await ground.listen();
  assert.equal(listener.address, "127.0.0.1");
  assert.ok(listener.port > 0);
  await using pair = await ground.pair(listener);
  const { connection } = pair.tap;
  assert.equal(connection.remoteAddress, "127.0.0.1");
  assert.equal(connection.remotePort, pair.peer.socket.localPort);
  assert.equal(connection.localAddress, "127.0.0.1");
  assert.equal(connection.localPort, listener.port);
  pair.peer.send("x");
  await eventually(() => pair.tap.receivedBytes === 1, "the byte arrives");
  assert.deepEqual(pair.tap.events, ["data"]);
});

contract("a listener on all addresses takes IPv4 and IPv6, and tells them apart", async (ground) => {
  const listener = await ground.listen({ host: "" });
  assert.equal(listener.address, "::");
  for (const host of ["127.0.0.1", "::1"]) {
    const before = ground.taps.length;
    await using peer = await connectRaw(listener.port, host);
    await eventually(() => ground.taps.length > before, "it is accepted");
    const { connection } = ground.taps[before]!;
    assert.equal(connection.remoteAddress, host);
    assert.equal(connection.localAddress, host);
    peer.send("x");
    await eventually(() => ground.taps[before]!.receivedBytes === 1, "the byte arrives");
  }
});

contract("a listener on ::1 takes no IPv4", async (ground) => {
  const listener = await ground.listen({ host: "::1" });
  assert.equal(listener.address, "::1");
  await using pair = await ground.pair(listener);
  assert.equal(pair.tap.connection.remoteAddress, "::1");
  await assert.rejects(connectRaw(listener.port, "127.0.0.1"), { code: "ECONNREFUSED" });
});

contract("a listener's name is looked up", async (ground) => {
  const listener = await ground.listen({ host: "localhost" });
  assert.match(listener.address, /^(?:127\.0\.0\.1|::1)$/);
  await using pair = await ground.pair(listener);
  assert.equal(pair.tap.connection.localPort, listener.port);
});

contract("a port that is taken is the system's error", async (ground) => {
  const listener = await ground.listen();
  await assert.rejects(ground.listen({ port: listener.port }), { code: "EADDRINUSE" });
  await using pair = await ground.pair(listener);
  assert.ok(pair.tap, "the first one still accepts");
});

contract("an address that is not ours is the system's error", async (ground) => {
  await assert.rejects(ground.listen({ host: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
});

contract("two listeners share a port when both ask for it, and both get connections", async (ground) => {
  const counts = [0, 0];
  const listenAs = (which: number, port: number) =>
    ground.listen({ port, reusePort: true }, () => {
      counts[which]!++;
      return {};
    });
  const first = await listenAs(0, 0);
  const second = await listenAs(1, first.port);
  assert.equal(second.port, first.port);
  const peers: RawPeer[] = [];
  while (counts.includes(0) && peers.length < 200) peers.push(await connectRaw(first.port));
  await eventually(() => ground.taps.length === peers.length, "all are accepted");
  assert.ok(counts[0]! > 0 && counts[1]! > 0, `the kernel spreads them: ${counts.join()}`);
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
});

contract("a refused connection is reset, and does not keep the listener", async (ground) => {
  const listener = await ground.listen({}, () => null);
  for (let round = 0; round < 20; round++) {
    const peer = new RawPeer(connect({ port: listener.port, host: "127.0.0.1" }));
    await eventually(() => peer.ended, "it is refused");
    assert.equal(peer.errorCode, "ECONNRESET");
  }
  assert.equal(ground.taps.length, 0);
  await ground.close(listener);
  await listener.ended;
});

contract("a listener that closes leaves its connections alone, and refuses new ones", async (ground) => {
  const listener = await ground.listen();
  await using pair = await ground.pair(listener);
  let hasEnded = false;
  void listener.ended.then(() => (hasEnded = true));
  await ground.close(listener);
  await assert.rejects(connectRaw(listener.port), { code: "ECONNREFUSED" });
  pair.peer.send("still here");
  await eventually(() => pair.tap.receivedBytes === 10, "the connection lives on");
  pair.tap.send(Buffer.from("so am I"));
  assert.equal(await pair.peer.takeBytes(7), "so am I");
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  assert.equal(hasEnded, false, "a connection is left");
  pair.tap.close();
  await listener.ended;
  assert.ok(pair.tap.closed);
});

contract("a listener that never had a connection ends with its close", async (ground) => {
  const listener = await ground.listen();
  await ground.close(listener);
  await listener.ended;
  const again = await ground.listen({ port: listener.port });
  assert.equal(again.port, listener.port, "the port is free");
});

contract("a listener whose connections are all gone ends with its close", async (ground) => {
  const listener = await ground.listen();
  for (let round = 0; round < 5; round++) {
    await using pair = await ground.pair(listener);
    pair.tap.destroy(round % 2 === 0);
    await eventually(() => pair.tap.closed, "it is closed");
  }
  await ground.close(listener);
  await listener.ended;
});

contract("a listener accepts whoever was connected when it began to close", async (ground) => {
  const listener = await ground.listen();
  const peers = await Promise.all(Array.from({ length: 100 }, () => connectRaw(listener.port)));
  await ground.close(listener);
  await eventually(() => ground.taps.length === peers.length, "all are accepted");
  for (const [index, peer] of peers.entries()) {
    peer.send("x");
    await eventually(() => ground.taps[index]!.receivedBytes === 1, "each one is served");
  }
  assert.ok(peers.every((peer) => !peer.ended));
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
});

contract("a connection can be destroyed as soon as it is accepted", async (ground) => {
  const listener = await ground.listen();
  for (const reset of [true, false]) {
    const before = ground.taps.length;
    await using peer = await connectRaw(listener.port);
    await eventually(() => ground.taps.length > before, "it is accepted");
    ground.taps[before]!.destroy(reset);
    await eventually(() => peer.ended, "the peer sees it");
    assert.equal(peer.errorCode, reset ? "ECONNRESET" : null);
  }
});

contract("a client that is gone before it is accepted is accepted and closed, or never seen", async (ground) => {
  const listener = await ground.listen();
  for (let round = 0; round < 50; round++) {
    const socket = connect({ port: listener.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.on("connect", () => socket.resetAndDestroy());
  }
  await using pair = await ground.pair(listener);
  pair.peer.send("x");
  await eventually(() => ground.taps.some(({ receivedBytes }) => receivedBytes === 1), "the next one is served");
  await eventually(() => ground.taps.filter(({ closed }) => !closed).length <= 1, "the others are closed");
});

contract("listening on a port that refused connections is possible", async (ground) => {
  const port = await refusingPort();
  const listener = await ground.listen({ port });
  assert.equal(listener.port, port);
});
