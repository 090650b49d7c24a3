// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part two: how connections end, by whoever and in whatever order.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { requireTransport } from "../support/requires.ts";
import { transportKinds, type Connection, type ConnectionHandler } from "../support/transport-under-test.ts";
import { contract, pattern, type Event, type Ground, type Pair, type Reactions, type Tap } from "./support/ground.ts";

const bigBytes = 8 * 1024 * 1024;

type Opening = (ground: Ground, reactions?: Reactions) => Promise<Pair>;
const openings: readonly (readonly [string, Opening])[] = [
  ["an accepted connection", (ground, reactions) => ground.accepted(reactions)],
  ["an outgoing connection", (ground, reactions) => ground.connected(reactions)],
];

function closed(tap: Tap): Promise<void> {
  return eventually(() => tap.closed, "the connection is closed");
}

/** How the peer sees the end: "end", or the code of the error. */
async function howPeerSees({ peer }: Pair): Promise<string> {
  peer.socket.resume();
  await eventually(() => peer.ended, "the peer sees the end");
  await eventually(() => peer.socket.readableEnded || peer.socket.closed, "the peer has read everything");
  return peer.errorCode ?? "end";
}

for (const [whose, open] of openings) {
  contract(`${whose} is half open after the peer's end, and takes its own time`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    peer.send("bye");
    peer.finish();
    await eventually(() => tap.events.includes("end"), "the peer's end is heard of");
    assert.equal(tap.received.toString(), "bye");
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    assert.ok(!tap.closed);
    tap.send(Buffer.from("still here"));
    assert.equal(await peer.takeBytes(10), "still here");
    tap.end();
    await closed(tap);
    assert.equal(tap.error, null);
    assert.equal(await howPeerSees(pair), "end");
  });

  contract(`${whose} is half open after its own end, and hears the peer out`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    tap.send(Buffer.from("bye"));
    tap.end();
    assert.equal(await peer.takeToEnd(), "bye");
    peer.send("still here");
    await eventually(() => tap.receivedBytes === 10, "the peer is heard");
    assert.ok(!tap.closed);
    peer.finish();
    await closed(tap);
    assert.equal(tap.error, null);
    assert.deepEqual(tap.events.slice(-2), ["end", "close"]);
  });

  contract(`${whose} flushes what is queued before its end`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    const bytes = pattern(bigBytes);
    peer.socket.pause();
    assert.equal(tap.send(bytes), false);
    tap.end();
    tap.send(Buffer.from("too late"));
    peer.socket.resume();
    assert.ok(Buffer.from(await peer.takeToEnd(), "latin1").equals(bytes));
    assert.equal(tap.count("drain"), 0, "no onDrain after end");
    assert.ok(!tap.closed);
    peer.finish();
    await closed(tap);
    assert.equal(tap.error, null);
  });

  contract(`${whose} flushes what is queued before it closes`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    const bytes = pattern(bigBytes);
    peer.socket.pause();
    tap.send(bytes);
    tap.close();
    tap.send(Buffer.from("too late"));
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    assert.ok(!tap.closed, "what is queued is not dropped");
    peer.socket.resume();
    assert.ok(Buffer.from(await peer.takeToEnd(), "latin1").equals(bytes));
    await closed(tap);
    assert.equal(tap.error, null);
    assert.equal(peer.errorCode, null);
  });

  contract(`${whose} that closes with nothing queued is seen to end`, async (ground) => {
    await using pair = await open(ground);
    pair.tap.close();
    await closed(pair.tap);
    assert.equal(pair.tap.error, null);
    assert.equal(await howPeerSees(pair), "end");
  });

  contract(`${whose} that is destroyed drops what is queued, and is seen to end`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    peer.socket.pause();
    tap.send(pattern(bigBytes));
    tap.destroy(false);
    await closed(tap);
    assert.equal(tap.error, null);
    peer.socket.resume();
    const received = await peer.takeToEnd();
    assert.ok(received.length < bigBytes, "the rest was dropped");
    assert.ok(Buffer.from(received, "latin1").equals(pattern(bigBytes).subarray(0, received.length)));
  });

  contract(`${whose} that is reset is seen to be`, async (ground) => {
    await using pair = await open(ground);
    pair.tap.destroy(true);
    await closed(pair.tap);
    assert.equal(pair.tap.error, null);
    assert.equal(await howPeerSees(pair), "ECONNRESET");
  });

  contract(`${whose} can be reset with bytes queued`, async (ground) => {
    await using pair = await open(ground);
    pair.peer.socket.pause();
    pair.tap.send(pattern(bigBytes));
    pair.tap.destroy(true);
    await closed(pair.tap);
    assert.equal(await howPeerSees(pair), "ECONNRESET");
  });

  for (const before of ["end", "close"] as const) {
    contract(`${whose} can be reset while it flushes for ${before}`, async (ground) => {
      await using pair = await open(ground);
      const { tap, peer } = pair;
      peer.socket.pause();
      tap.send(pattern(bigBytes));
      tap[before]();
      await nextTurn();
      tap.destroy(true);
      await closed(tap);
      assert.equal(tap.error, null);
      assert.equal(await howPeerSees(pair), "ECONNRESET");
    });
  }

  contract(`${whose} can be reset right after its end`, async (ground) => {
    await using pair = await open(ground);
    const { tap } = pair;
    tap.end();
    tap.destroy(true);
    await closed(tap);
    assert.equal(tap.error, null);
  });

  contract(`${whose} whose peer resets it says why it is closed`, async (ground) => {
    await using pair = await open(ground);
    pair.peer.reset();
    await closed(pair.tap);
    assert.equal(pair.tap.error?.code, "ECONNRESET");
    assert.ok(!pair.tap.events.includes("end"));
  });

  contract(`${whose} whose peer resets it while it sends says so`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    peer.socket.pause();
    tap.pause();
    tap.send(pattern(bigBytes));
    peer.reset();
    await closed(tap);
    assert.match(tap.error?.code ?? "", /^(?:ECONNRESET|EPIPE)$/);
  });

  contract(`${whose} whose peer resets it while it closes has closed`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    peer.socket.pause();
    tap.send(pattern(bigBytes));
    tap.close();
    await nextTurn();
    peer.reset();
    await closed(tap);
    assert.equal(tap.error, null);
  });

  contract(`${whose} that is paused hears of the end when it resumes`, async (ground) => {
    await using pair = await open(ground);
    const { tap, peer } = pair;
    tap.pause();
    peer.send("last words");
    peer.finish();
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    assert.ok(!tap.events.includes("data") && !tap.events.includes("end"));
    tap.resume();
    await eventually(() => tap.events.includes("end"), "the end is heard of");
    assert.equal(tap.received.toString(), "last words");
  });

  contract(`${whose} keeps back the end when it pauses at the last bytes`, async (ground) => {
    await using pair = await open(ground, { data: (tap) => tap.pause() });
    const { tap, peer } = pair;
    peer.socket.end("last words");
    await eventually(() => tap.receivedBytes === 10, "the bytes arrive");
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    assert.ok(!tap.events.includes("end"));
    tap.resume();
    await eventually(() => tap.events.includes("end"), "the end is heard of");
  });

  contract(`${whose} keeps its addresses when it is closed`, async (ground) => {
    await using pair = await open(ground);
    const { connection } = pair.tap;
    const addresses = () => [
      connection.localAddress,
      connection.localPort,
      connection.remoteAddress,
      connection.remotePort,
    ];
    const { localPort, remotePort } = pair.peer.socket;
    pair.peer.reset();
    await closed(pair.tap);
    assert.deepEqual(addresses(), ["127.0.0.1", remotePort, "127.0.0.1", localPort]);
  });

  contract(`${whose} may be called in any way after it is closed`, async (ground) => {
    await using pair = await open(ground);
    const { tap } = pair;
    tap.destroy(false);
    await closed(tap);
    assert.equal(tap.send(Buffer.from("x")), true);
    tap.pause();
    tap.resume();
    tap.end();
    tap.close();
    tap.destroy(true);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    assert.equal(tap.count("close"), 1);
  });

  contract(`${whose} closes once, whatever is called in whatever order`, async (ground) => {
    const calls = {
      end: (tap: Tap) => tap.end(),
      close: (tap: Tap) => tap.close(),
      drop: (tap: Tap) => tap.destroy(false),
      reset: (tap: Tap) => tap.destroy(true),
    };
    const names = Object.keys(calls) as readonly (keyof typeof calls)[];
    for (const first of names) {
      for (const second of names) {
        for (const queued of [0, bigBytes / 4]) {
          await using pair = await open(ground);
          pair.tap.send(pattern(queued));
          calls[first](pair.tap);
          calls[second](pair.tap);
          pair.peer.finish();
          await closed(pair.tap);
          assert.equal(pair.tap.error, null, `${first}, then ${second}`);
        }
      }
    }
  });
}

const leavings: readonly (readonly [string, (tap: Tap) => void])[] = [
  ["closed", (tap) => tap.close()],
  ["destroyed", (tap) => tap.destroy(false)],
  ["reset", (tap) => tap.destroy(true)],
];
for (const [how, leave] of leavings) {
  for (const event of ["connect", "data", "drain", "end"] satisfies Event[]) {
    contract(`a connection can be ${how} inside ${event}`, async (ground) => {
      await using pair = await ground.connected({ [event]: leave });
      const { tap, peer } = pair;
      if (event === "data") peer.send("x");
      if (event === "end") peer.finish();
      if (event === "drain") tap.send(pattern(bigBytes));
      await closed(tap);
      assert.equal(tap.error, null);
      assert.deepEqual(tap.events.slice(-2), [event, "close"]);
    });
  }
}

contract("a connection can be called in any way inside onClose", async (ground) => {
  await using pair = await ground.accepted({
    close: (tap) => {
      tap.send(Buffer.from("x"));
      tap.pause();
      tap.resume();
      tap.end();
      tap.close();
      tap.destroy(true);
    },
  });
  pair.peer.finish();
  pair.tap.end();
  await closed(pair.tap);
});

contract("a connection that is closing does not hear what the peer still sends", async (ground) => {
  await using pair = await ground.accepted();
  const { tap, peer } = pair;
  peer.socket.pause();
  tap.send(pattern(bigBytes));
  tap.close();
  peer.socket.write(pattern(bigBytes));
  peer.finish();
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  assert.deepEqual(tap.events, []);
  peer.socket.resume();
  await closed(tap);
});

contract("a connection destroyed from another one's callback is silent from then on", async (ground) => {
  let victim: Tap | null = null;
  const listener = await ground.listen({}, () => ({
    data: (tap) => {
      if (victim !== null && tap !== victim) victim.destroy(false);
    },
  }));
  for (let round = 0; round < 30; round++) {
    await using first = await ground.pair(listener);
    await using second = await ground.pair(listener);
    victim = second.tap;
    second.peer.send("2");
    first.peer.send("1");
    await closed(second.tap);
  }
});

for (const kind of transportKinds) {
  test(`${kind.name}: a transport's close waits until the last connection is through`, async (t) => {
    if (!requireTransport(t, kind)) return;
    const transport = kind.create();
    const connections: Connection[] = [];
    let gone = 0;
    const handler: ConnectionHandler = {
      onConnect: () => undefined,
      onData: () => undefined,
      onDrain: () => undefined,
      onEnd: () => undefined,
      onClose: () => void gone++,
    };
    const options = { host: "127.0.0.1", port: 0, backlog: 511, reusePort: false, onAcceptError: assert.ifError };
    const listener = await transport.listen(options, (connection) => {
      connections.push(connection);
      return handler;
    });
    for (let count = 0; count < 3; count++) {
      connections.push(transport.connect({ host: "127.0.0.1", port: listener.port }, handler));
    }
    await eventually(() => connections.length === 6, "all are accepted");
    await listener.close();
    for (const connection of connections) connection.destroy(true);
    assert.equal(gone, 0);
    await transport.close();
    assert.equal(gone, 6);
  });
}
