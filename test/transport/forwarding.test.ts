// SPDX-License-Identifier: Apache-2.0
// The transport's contract: bytes that are meant for another connection and may go there unseen.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { contract, pattern, type Ground, type Pair, type Reactions, type Tap } from "./support/ground.ts";

/** More than the kernel buffers of two loopback connections ever take. */
const hugeBytes = 48 * 1024 * 1024;
/** A read that was on its way when the mark was reached, and the mark. */
const mostQueuedBytes = (128 + 64) * 1024;
const firstBytes = 1_000;

interface Route extends AsyncDisposable {
  readonly from: Pair;
  readonly to: Pair;
}

/**
 * A connection whose bytes all go to another one, with `head` in front: with the first of them it is told that so many
 * may go unseen. It is paused while the other one is slow.
 */
async function route(ground: Ground, forwarded: number, head = Buffer.from("head"), more: Reactions = {}) {
  await using started = new AsyncDisposableStack();
  const listener = await ground.listen({}, () => ({ drain: () => from.tap.resume() }));
  const to = started.use(await ground.pair(listener));
  const data = (tap: Tap): void => {
    const isFirst = tap.count("data") === 1;
    const goesOn = tap.passOn(isFirst ? head : Buffer.alloc(0), to.tap);
    if (isFirst) tap.forward(to.tap, forwarded);
    if (!goesOn) tap.pause();
  };
  const from: Pair = started.use(await ground.connected({ data, ...more }));
  const owner = started.move();
  return { from, to, [Symbol.asyncDispose]: () => owner.disposeAsync() } satisfies Route;
}

async function arrived(to: Pair, length: number): Promise<Buffer> {
  to.peer.socket.resume();
  return Buffer.from(await to.peer.takeBytes(length), "latin1");
}

/** The kernel has all of it. */
async function written(from: Pair, bytes: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  from.peer.socket.write(bytes, () => resolve());
  await promise;
}

const passed = ({ tap }: Pair): number => tap.receivedBytes + tap.forwardedBytes;

for (const size of [firstBytes + 1, 20_000, 100_000, 1024 * 1024, 8 * 1024 * 1024]) {
  contract(`${size} bytes reach the other connection, seen or not, behind what was sent there`, async (ground) => {
    const bytes = pattern(size);
    await using routed = await route(ground, size - firstBytes);
    const { from, to } = routed;
    from.peer.socket.write(bytes.subarray(0, firstBytes));
    await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
    from.peer.socket.write(bytes.subarray(firstBytes));
    const expected = Buffer.concat([Buffer.from("head"), bytes]);
    assert.ok((await arrived(to, expected.length)).equals(expected));
    await eventually(() => passed(from) === size, "each byte was told of once");
    if (size >= 1024 * 1024) assert.equal(from.tap.forwardedBytes > 0, ground.transport.name === "uring");
  });
}

contract("no more than was said goes unseen, and what follows comes by onData", async (ground) => {
  const size = 1024 * 1024;
  const bytes = pattern(firstBytes + size);
  const behind = Buffer.from("not for the other one");
  const seen: Buffer[] = [];
  const listener = await ground.listen();
  await using to = await ground.pair(listener);
  await using from = await ground.connected({
    data(tap) {
      const left = bytes.length - tap.forwardedBytes - tap.receivedBytes + tap.lastBytes;
      if (tap.count("data") === 1) {
        tap.passOn(Buffer.alloc(0), to.tap);
        tap.forward(to.tap, size);
      } else if (left >= tap.lastBytes) {
        if (!tap.passOn(Buffer.alloc(0), to.tap)) assert.fail("it is read all the time");
      } else {
        const all = tap.received;
        const last = all.subarray(all.length - tap.lastBytes);
        to.tap.send(Buffer.from(last.subarray(0, left)));
        seen.push(last.subarray(left));
      }
    },
  });
  to.peer.socket.resume();
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  // In small steps, so that the other one never is full.
  for (let at = firstBytes; at < bytes.length; at += 64 * 1024) {
    const end = Math.min(bytes.length, at + 64 * 1024);
    const isLast = end === bytes.length;
    from.peer.socket.write(isLast ? Buffer.concat([bytes.subarray(at), behind]) : bytes.subarray(at, end));
    await eventually(() => passed(from) >= end, `${end} bytes are through`);
  }
  await eventually(() => Buffer.concat(seen).equals(behind), "what follows is seen");
  assert.ok((await arrived(to, bytes.length)).equals(bytes));
  assert.equal(to.peer.received, "");
});

contract("what has arrived behind the bytes is seen together with the last of them", async (ground) => {
  const bytes = pattern(40_000);
  const behind = Buffer.from("not for the other one");
  await using routed = await route(ground, bytes.length - firstBytes, Buffer.alloc(0));
  const { from } = routed;
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  from.tap.pause();
  await written(from, Buffer.concat([bytes.subarray(firstBytes), behind]));
  from.tap.resume();
  await eventually(() => passed(from) === bytes.length + behind.length, "all of it is through");
  assert.ok(from.tap.lastBytes > behind.length);
  assert.ok(
    from.tap.received
      .subarray(-from.tap.lastBytes)
      .equals(Buffer.concat([bytes, behind]).subarray(-from.tap.lastBytes)),
  );
});

contract("messages of any size follow each other, and of long ones all but the start goes unseen", async (ground) => {
  const listener = await ground.listen();
  await using to = await ground.pair(listener);
  let left = 0;
  let size = 0;
  await using from = await ground.connected({
    data(tap) {
      if (!tap.passOn(Buffer.alloc(0), to.tap)) assert.fail("it is read all the time");
      const isFirst = left === size;
      left -= tap.lastBytes;
      if (isFirst && left > 0) tap.forward(to.tap, left);
    },
  });
  let before = 0;
  let unseen = 0;
  const one = async (length: number): Promise<void> => {
    size = left = length;
    from.tap.pause();
    const bytes = pattern(length, before);
    await written(from, bytes);
    const unseenBefore = from.tap.forwardedBytes;
    from.tap.resume();
    assert.ok((await arrived(to, length)).equals(bytes), `${length} bytes behind ${before}`);
    await eventually(() => passed(from) === before + length, "each byte was told of once");
    before += length;
    unseen = from.tap.forwardedBytes - unseenBefore;
  };
  // Long ones, small ones until it is not expected to be long any more, ones in between, and all of it again.
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 20; count++) await one(160_000);
    assert.equal(unseen > 100_000, ground.transport.name === "uring", `${unseen} bytes went unseen`);
    for (let count = 0; count < 12; count++) await one(round === 1 ? 5_000 : 100);
    for (const length of [2_047, 2_048, 2_049, 40_000, 98_304, 100_352, 100_353, 131_072, 131_073]) await one(length);
  }
});

contract("messages that nobody forwards are not cut in pieces", async (ground) => {
  await using from = await ground.connected();
  // Two reads of the longest kind.
  const size = 160_000;
  const rounds = 40;
  for (let round = 1; round <= rounds; round++) {
    from.tap.pause();
    await written(from, pattern(size));
    from.tap.resume();
    await eventually(() => from.tap.receivedBytes === round * size, "it is there");
  }
  // A few are, to learn whether that has changed.
  if (ground.transport.name === "uring")
    assert.ok(from.tap.count("data") < rounds * 2.2, `${from.tap.count("data")} pieces`);
});

contract("a slow reader stops what goes unseen, and gets all of it in the end", async (ground) => {
  const bytes = pattern(hugeBytes);
  await using routed = await route(ground, bytes.length - 1, Buffer.alloc(0));
  const { from, to } = routed;
  to.peer.socket.pause();
  from.peer.socket.write(bytes.subarray(0, 1));
  await eventually(() => from.tap.receivedBytes === 1, "the first of them is there");
  from.peer.socket.write(bytes.subarray(1));
  let before = -1;
  let quietTurns = 0;
  await eventually(() => {
    quietTurns = passed(from) === before ? quietTurns + 1 : 0;
    before = passed(from);
    return quietTurns === 100;
  }, "nothing moves");
  assert.ok(before < bytes.length, `${before} bytes went to nobody`);
  assert.ok(to.tap.connection.queuedBytes > 0 && to.tap.connection.queuedBytes <= mostQueuedBytes);
  assert.ok((await arrived(to, bytes.length)).equals(bytes));
  await eventually(() => passed(from) === bytes.length, "each byte was told of once");
});

contract("a paused connection forwards nothing, and after resume everything", async (ground) => {
  const bytes = pattern(500_000);
  await using routed = await route(ground, bytes.length - firstBytes, Buffer.alloc(0));
  const { from, to } = routed;
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  from.tap.pause();
  from.peer.socket.write(bytes.subarray(firstBytes));
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  assert.equal(passed(from), firstBytes);
  from.tap.resume();
  assert.ok((await arrived(to, bytes.length)).equals(bytes));
});

contract("the end comes after what went unseen, also when that is less than was said", async (ground) => {
  const bytes = pattern(3_000_000);
  await using routed = await route(ground, 10 * bytes.length, Buffer.alloc(0));
  const { from, to } = routed;
  to.peer.socket.resume();
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  from.peer.socket.end(bytes.subarray(firstBytes));
  await eventually(() => from.tap.events.includes("end"), "the end is there");
  assert.equal(passed(from), bytes.length);
  assert.ok((await arrived(to, bytes.length)).equals(bytes));
});

for (const how of ["destroyed", "closed", "ended", "reset by its peer"] as const) {
  contract(`what was meant for a connection that is ${how} comes by onData`, async (ground) => {
    const bytes = pattern(2_000_000);
    await using routed = await route(ground, bytes.length - firstBytes, Buffer.alloc(0));
    const { from, to } = routed;
    from.peer.socket.write(bytes.subarray(0, firstBytes));
    await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
    if (how === "destroyed") to.tap.destroy(true);
    else if (how === "closed") to.tap.close();
    else if (how === "ended") to.tap.end();
    else to.peer.reset();
    if (how === "reset by its peer") await eventually(() => to.tap.closed, "it is gone");
    from.peer.socket.write(bytes.subarray(firstBytes));
    await eventually(() => from.tap.receivedBytes === bytes.length, "all of it is seen");
    assert.equal(from.tap.forwardedBytes, 0);
    assert.ok(from.tap.received.equals(bytes));
  });
}

contract("what was meant for a connection that is reset halfway comes by onData", async (ground) => {
  const bytes = pattern(2_000_000);
  await using routed = await route(ground, bytes.length - firstBytes, Buffer.alloc(0));
  const { from, to } = routed;
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  to.peer.socket.resume();
  from.peer.socket.write(bytes.subarray(firstBytes, 1_000_000));
  await eventually(() => passed(from) === 1_000_000, "half of it is through");
  to.peer.reset();
  await eventually(() => to.tap.closed, "it is gone");
  const unseen = from.tap.forwardedBytes;
  from.tap.resume();
  from.peer.socket.write(bytes.subarray(1_000_000));
  await eventually(() => passed(from) === bytes.length, "all of it is seen");
  assert.equal(from.tap.forwardedBytes, unseen);
  assert.ok(from.tap.received.subarray(-1_000_000).equals(bytes.subarray(-1_000_000)));
});

contract("a connection may be destroyed when it hears of what went unseen", async (ground) => {
  const bytes = pattern(2_000_000);
  await using routed = await route(ground, bytes.length, Buffer.alloc(0), {
    forwarded: (tap) => {
      tap.destroy(true);
    },
  });
  const { from, to } = routed;
  to.peer.socket.pause();
  from.peer.socket.on("error", () => undefined);
  from.peer.socket.write(bytes.subarray(0, firstBytes));
  await eventually(() => from.tap.receivedBytes === firstBytes, "the first of them are there");
  from.peer.socket.write(bytes.subarray(firstBytes));
  if (ground.transport.name !== "uring") return;
  await eventually(() => from.tap.closed, "it is closed");
  const all = await arrived(to, firstBytes + from.tap.forwardedBytes);
  assert.ok(all.equals(bytes.subarray(0, all.length)));
});
