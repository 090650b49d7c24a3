// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part six: many connections, one after the other and at once. What belongs to one never
// reaches another that was given the same file descriptor, and nothing is left behind.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { messageOf } from "../../src/core/index.ts";
import { seededRandom } from "../support/load.ts";
import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { connectRaw, RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { requireTransport } from "../support/requires.ts";
import { transportKinds } from "../support/transport-under-test.ts";
import { contract, pattern, type Tap } from "./support/ground.ts";

/** Echoes, in order; what the peer does not take yet waits in the kernel. */
const echo = {
  data: (tap: Tap): void => {
    const received = tap.take();
    if (!tap.send(received)) tap.pause();
  },
  drain: (tap: Tap): void => tap.resume(),
  end: (tap: Tap): void => tap.close(),
};

contract("500 connections at once are accepted, and each gets its own bytes back", async (ground) => {
  const listener = await ground.listen({}, () => echo);
  const peers = await Promise.all(Array.from({ length: 500 }, () => connectRaw(listener.port)));
  for (const [index, peer] of peers.entries()) peer.send(`connection ${index};`);
  for (const [index, peer] of peers.entries()) {
    assert.equal(await peer.takeThrough(";"), `connection ${index};`);
  }
  await eventually(() => ground.taps.length === 500, "all are accepted");
  for (const peer of peers) peer.finish();
  await eventually(() => ground.taps.every(({ closed }) => closed), "all are closed");
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
});

contract("1,000 short connections leave nothing behind", async (ground) => {
  const listener = await ground.listen({}, () => ({
    data: (tap) => void tap.send(tap.take()),
    end: (tap) => tap.close(),
  }));
  const round = async (): Promise<void> => {
    await using peer = await connectRaw(listener.port);
    peer.send("ping");
    assert.equal(await peer.takeBytes(4), "ping");
    peer.finish();
    assert.equal(await peer.takeToEnd(), "");
  };
  await round();
  await eventually(() => ground.taps.every(({ closed }) => closed), "the first one is closed");
  const before = whatIsOpen();
  for (let count = 0; count < 1_000; count++) {
    await round();
    ground.forgetClosed();
  }
  await eventually(() => ground.taps.every(({ closed }) => closed), "all are closed");
  await eventually(() => whatIsOpen() === before, `what is open is what was: ${before}`);
});

contract("1,000 short outgoing connections leave nothing behind", async (ground) => {
  await using origin = await RawOrigin.start();
  const round = async (how: number): Promise<void> => {
    const tap = ground.connect("127.0.0.1", origin.port);
    await using peer = await origin.connection();
    await eventually(() => tap.events.includes("connect"), "it is established");
    tap.send(Buffer.from("ping"));
    assert.equal(await peer.takeBytes(4), "ping");
    if (how === 0) tap.close();
    else tap.destroy(how === 1);
    await eventually(() => tap.closed && peer.ended, "it is closed");
  };
  await round(0);
  const before = whatIsOpen();
  for (let count = 0; count < 1_000; count++) {
    await round(count % 3);
    ground.forgetClosed();
  }
  await eventually(() => whatIsOpen() === before, `what is open is what was: ${before}`);
});

contract("a connection with the descriptor of another one hears nothing of that one", async (ground) => {
  const random = seededRandom(7);
  const listener = await ground.listen();
  await using origin = await RawOrigin.start();
  let number = 0;
  for (let round = 0; round < 60; round++) {
    // Bytes are on their way in both directions while these are closed, and others opened at once.
    const peers = await Promise.all(Array.from({ length: 8 }, () => connectRaw(listener.port)));
    const tapOf = ({ socket }: RawPeer) =>
      ground.taps.find(({ connection }) => connection.remotePort === socket.localPort);
    await eventually(() => peers.every((peer) => tapOf(peer) !== undefined), "all are accepted");
    const pairs = peers.map((peer) => ({ peer, tap: tapOf(peer)!, name: `<${number++}>` }));
    for (const { peer, tap, name } of pairs) {
      peer.send(name.repeat(1 + Math.floor(random() * 2_000)));
      tap.send(pattern(Math.floor(random() * 50_000)));
    }
    if (random() < 0.5) await nextTurn();
    for (const { tap } of pairs) {
      const dice = random();
      if (dice < 0.3) tap.close();
      else if (dice < 0.8) tap.destroy(dice < 0.5);
    }
    const fresh = Array.from({ length: 8 }, () => ground.connect("127.0.0.1", origin.port));
    await eventually(() => fresh.every(({ events }) => events.includes("connect")), "the new ones are established");
    for (let count = 0; count < 3; count++) await nextTurn();
    for (const tap of fresh) assert.deepEqual(tap.events, ["connect"], "nobody has sent anything to it");
    for (const { tap, name } of pairs) {
      const text = tap.received.toString();
      assert.equal(text, name.repeat(2_001).slice(0, text.length), "its own peer's bytes and no others");
    }
    for (const { tap } of pairs) tap.destroy(true);
    for (const tap of fresh) tap.destroy(true);
    await eventually(() => ground.taps.every(({ closed }) => closed), "all are closed");
    await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
    ground.forgetClosed();
  }
});

for (const kind of transportKinds) {
  test(`${kind.name}: a listener goes on when there are files again`, async (t) => {
    if (!requireTransport(t, kind)) return;
    await using child = startWithFewFiles(kind.name);
    const port = Number(await child.line());
    let lost = 0;
    const crowd = Array.from({ length: 2 * fewFiles }, () =>
      connect(port, "127.0.0.1")
        .on("error", () => undefined)
        .on("close", () => lost++),
    );
    // io_uring says so and lets them wait; libuv turns them away without a word.
    if (kind.name === "uring") assert.equal(await child.line(), "EMFILE");
    else await eventually(() => lost >= fewFiles, "they are turned away");
    for (const socket of crowd) socket.destroy();
    let answer = "";
    // libuv turns away whoever comes before it has heard that the crowd is gone.
    for (let attempt = 0; answer !== "hello" && attempt < (kind.name === "node" ? 1_000 : 1); attempt++) {
      await using peer = await connectRaw(port);
      peer.send("hello");
      answer = await peer.takeBytes(5).catch(messageOf);
    }
    assert.equal(answer, "hello");
  });
}

const fewFiles = 64;

/** few-files-child.ts; disposing lets it end, which it must do in good order. */
function startWithFewFiles(transport: string) {
  const entry = fileURLToPath(new URL("./support/few-files-child.ts", import.meta.url));
  const command = ["-c", `ulimit -n ${fewFiles}; exec "$0" "$@"`, process.execPath, entry];
  const child = spawn("/bin/sh", command, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NARU_TEST_TRANSPORT: transport },
    signal: AbortSignal.timeout(20_000),
    killSignal: "SIGKILL",
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    line: async () => (await lines.next()).value,
    async [Symbol.asyncDispose]() {
      const closed = once(child, "close");
      child.stdin.end();
      assert.deepEqual(await closed, [0, null]);
    },
  };
}

/** Files, sockets and requests of the process; timers come and go. */
function whatIsOpen(): string {
  const resources = process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate/.test(name));
  return `${readdirSync("/proc/self/fd").length} files, ${resources.toSorted().join()}`;
}
