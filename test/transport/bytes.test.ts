// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part one: bytes, backpressure and pausing.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import type { RawPeer } from "../support/raw-peer.ts";
import { contract, pattern, type Pair, type Tap } from "./support/ground.ts";

/** More than the kernel buffers of two loopback connections ever take. */
const hugeBytes = 48 * 1024 * 1024;

/** Sends until the kernel takes no more; returns what was sent. */
function fill(tap: Tap): number {
  const piece = pattern(64 * 1024);
  for (let sent = piece.length; sent < hugeBytes; sent += piece.length) if (!tap.send(piece)) return sent;
  throw new Error("the kernel takes everything");
}

async function readThrough(peer: RawPeer, length: number): Promise<Buffer> {
  peer.socket.resume();
  return Buffer.from(await peer.takeBytes(length), "latin1");
}

for (const [whose, open] of [
  ["an accepted", "accepted"],
  ["an outgoing", "connected"],
] as const) {
  for (const size of [1, 1024, 64 * 1024, 1024 * 1024, 8 * 1024 * 1024]) {
    contract(`${whose} connection sends and receives ${size} bytes`, async (ground) => {
      await using pair: Pair = await ground[open]();
      const { tap, peer } = pair;
      const bytes = pattern(size);
      tap.send(bytes);
      assert.ok((await readThrough(peer, size)).equals(bytes), "what was sent arrives");
      await eventually(() => tap.connection.queuedBytes === 0, "nothing is queued");
      peer.socket.write(bytes);
      await eventually(() => tap.receivedBytes === size, "all is received");
      assert.ok(tap.received.equals(bytes), "what was received is what the peer sent");
    });
  }

  contract(`${whose} connection sends from one reserve after another`, async (ground) => {
    await using pair: Pair = await ground[open]();
    const { tap, peer } = pair;
    const whole = pattern(400_000);
    const sizes = [1, 7, 4_096, 65_535, 65_536, 65_537, 0, 100_000];
    let sent = 0;
    for (const size of sizes) {
      tap.send(whole.subarray(sent, sent + size));
      sent += size;
    }
    assert.ok((await readThrough(peer, sent)).equals(whole.subarray(0, sent)));
  });
}

contract("sends only as much of the reserved memory as it is told", async (ground) => {
  await using pair = await ground.accepted();
  ground.inCall(() => {
    const memory = pair.tap.connection.reserve(100);
    assert.ok(memory.length >= 100);
    memory.fill("x");
    memory.write("abc");
    return pair.tap.connection.send(3);
  });
  pair.tap.send(Buffer.from("d"));
  assert.equal(await pair.peer.takeBytes(4), "abcd");
  assert.equal(pair.peer.received, "");
});

for (const [reader, reads] of [
  ["reads", true],
  ["does not read at first", false],
] as const) {
  contract(`what arrives is passed on behind other bytes to a peer that ${reader}`, async (ground) => {
    const passed: Buffer[] = [];
    await using to = await ground.connected();
    if (!reads) to.peer.socket.pause();
    await using from = await ground.accepted({
      data: (tap) => {
        const head = pattern(passed.length % 3 === 0 ? 0 : 100 * passed.length);
        passed.push(head, tap.take());
        tap.passOn(head, to.tap);
      },
    });
    const bytes = pattern(12 * 1024 * 1024);
    let written = 0;
    for (const size of [1, 100, 10_000, 70_000, 1_000_000, bytes.length]) {
      from.peer.socket.write(bytes.subarray(written, Math.max(written, size)));
      written = Math.max(written, size);
      const target = written;
      await eventually(() => from.tap.receivedBytes === target, `${target} bytes have arrived`);
    }
    const all = Buffer.concat(passed);
    assert.ok((await readThrough(to.peer, all.length)).equals(all));
    await eventually(() => to.tap.connection.queuedBytes === 0, "nothing is queued");
  });
}

contract("what never arrived is sent behind other bytes, too, in the order of the calls", async (ground) => {
  await using pair = await ground.accepted();
  const bytes = pattern(300_000);
  pair.tap.send(bytes.subarray(0, 10));
  pair.tap.sendWith(bytes.subarray(10, 20), bytes, 20, 100_000);
  pair.tap.sendWith(bytes.subarray(0, 0), bytes, 100_000, 100_001);
  pair.tap.send(bytes.subarray(100_001, 200_000));
  pair.tap.sendWith(bytes.subarray(200_000, 250_000), bytes, 250_000, 300_000);
  assert.ok((await readThrough(pair.peer, bytes.length)).equals(bytes));
});

contract("sending nothing sends nothing", async (ground) => {
  await using pair = await ground.accepted();
  assert.equal(pair.tap.send(Buffer.alloc(0)), true);
  assert.equal(pair.tap.connection.queuedBytes, 0);
  pair.tap.end();
  assert.equal(await pair.peer.takeToEnd(), "");
});

contract("memory lent to one connection is not what another one is still sending", async (ground) => {
  const listener = await ground.listen();
  await using first = await ground.pair(listener);
  await using second = await ground.pair(listener);
  first.peer.socket.pause();
  let filled = fill(first.tap);
  const piece = pattern(64 * 1024);
  for (let count = 0; count < 3; count++) {
    first.tap.send(piece);
    filled += piece.length;
  }
  const more = pattern(1000, 5);
  for (let round = 0; round < 200; round++) {
    second.tap.send(more);
    await second.peer.takeBytes(more.length);
  }
  const received = await readThrough(first.peer, filled);
  for (let at = 0; at < filled; at += piece.length) {
    assert.ok(received.subarray(at, at + piece.length).equals(piece), `the piece at ${at} is whole`);
  }
});

contract("a full connection says so, and says once when it is empty again", async (ground) => {
  await using pair = await ground.accepted();
  const { tap, peer } = pair;
  peer.socket.pause();
  const filled = fill(tap);
  assert.ok(tap.connection.queuedBytes > 0);
  assert.equal(tap.send(Buffer.from("x")), false, "still full");
  assert.equal(tap.count("drain"), 0);
  await readThrough(peer, filled + 1);
  await eventually(() => tap.events.includes("drain"), "it is empty");
  assert.equal(tap.connection.queuedBytes, 0);
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  assert.equal(tap.count("drain"), 1);
  fill(tap);
  await eventually(() => tap.count("drain") === 2, "it is empty a second time");
});

contract(
  "a connection says that it is empty as often as it said that it was full, however much is sent",
  async (ground) => {
    await using pair = await ground.accepted();
    const { tap, peer } = pair;
    let full = 0;
    for (const size of [1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 200 * 1024, 1024 * 1024]) {
      const bytes = pattern(size);
      for (let round = 0; round < 20; round++) {
        if (!tap.send(bytes)) full++;
        await peer.takeBytes(size);
        await eventually(() => tap.count("drain") >= full, "it is empty");
        await nextTurn();
        assert.equal(tap.count("drain"), full, `after ${round} times ${size} bytes`);
      }
    }
  },
);

contract("what is sent inside onData and onDrain arrives", async (ground) => {
  let left = 20;
  await using pair = await ground.accepted({
    data: (tap) => void tap.send(tap.received.subarray(-1)),
    drain: (tap) => {
      left--;
      tap.send(left > 0 ? pattern(8 * 1024 * 1024) : Buffer.from("end"));
    },
  });
  const { tap, peer } = pair;
  let received = 0;
  peer.send("?");
  assert.equal(await peer.takeBytes(1), "?");
  tap.send(pattern(8 * 1024 * 1024));
  await eventually(() => {
    received += peer.take(peer.received.length).length;
    return left === 0 && received === 20 * 8 * 1024 * 1024 + 3;
  }, "twenty rounds are done");
});

contract("a paused connection receives nothing, and after resume everything", async (ground) => {
  await using pair = await ground.accepted();
  const { tap, peer } = pair;
  const bytes = pattern(200_000);
  tap.pause();
  peer.socket.write(bytes);
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  assert.equal(tap.receivedBytes, 0);
  tap.resume();
  await eventually(() => tap.receivedBytes === bytes.length, "all is received");
  assert.ok(tap.received.equals(bytes));
});

contract("a pause inside onData holds back what has arrived already", async (ground) => {
  await using pair = await ground.accepted({ data: (tap) => tap.pause() });
  const { tap, peer } = pair;
  const bytes = pattern(1024 * 1024);
  peer.socket.write(bytes);
  let rounds = 0;
  while (tap.receivedBytes < bytes.length) {
    rounds++;
    const before = tap.count("data");
    await eventually(() => tap.count("data") > before, "the next bytes arrive");
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    assert.equal(tap.count("data"), before + 1, "one callback between two pauses");
    tap.resume();
  }
  assert.ok(rounds > 1, "the test saw several reads");
  assert.ok(tap.received.equals(bytes));
});

contract("pause and resume in one breath change nothing", async (ground) => {
  await using pair = await ground.accepted({
    data: (tap) => {
      tap.pause();
      tap.resume();
    },
  });
  const { tap, peer } = pair;
  const bytes = pattern(500_000);
  for (let round = 0; round < 3; round++) {
    tap.pause();
    tap.pause();
    tap.resume();
    tap.resume();
  }
  peer.socket.write(bytes);
  await eventually(() => tap.receivedBytes === bytes.length, "all is received");
  assert.ok(tap.received.equals(bytes));
});

contract("a pause from another connection's callback holds as well", async (ground) => {
  let victim: Tap | null = null;
  const listener = await ground.listen({}, () => ({
    data: (tap) => {
      if (victim !== null && tap !== victim) victim.pause();
    },
  }));
  await using first = await ground.pair(listener);
  await using second = await ground.pair(listener);
  for (let round = 0; round < 50; round++) {
    const { tap } = second;
    victim = tap;
    // Both are readable in the same turn; whichever comes first, nothing may reach a paused one.
    first.peer.send("1");
    second.peer.send("2");
    await eventually(() => first.tap.receivedBytes === round + 1, "the first one received");
    await nextTurn();
    victim = null;
    tap.resume();
    await eventually(() => tap.receivedBytes === round + 1, "the second one received");
  }
});

contract("a peer that sends without end is stopped by a pause", async (ground) => {
  await using pair = await ground.accepted();
  const { tap, peer } = pair;
  tap.pause();
  const piece = pattern(1024 * 1024);
  for (let sent = 0; sent < hugeBytes; sent += piece.length) peer.socket.write(piece);
  for (let turn = 0; turn < 200; turn++) await nextTurn();
  assert.ok(peer.socket.writableLength > 0, "the peer is stuck");
  assert.equal(tap.receivedBytes, 0);
  tap.resume();
  await eventually(() => tap.receivedBytes === hugeBytes, "all is received");
});

contract("sending goes on while receiving is paused", async (ground) => {
  await using pair = await ground.accepted();
  const { tap, peer } = pair;
  tap.pause();
  peer.socket.write(pattern(100_000));
  tap.send(pattern(1024 * 1024));
  assert.ok((await readThrough(peer, 1024 * 1024)).equals(pattern(1024 * 1024)));
  assert.equal(tap.receivedBytes, 0);
});
