// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part seven: random sequences of operations on both ends of one connection. Whatever the
// order, bytes arrive in order, none lost and none twice, and the connection ends as it was asked to.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import * as fc from "fast-check";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { contract, pattern, type Ground } from "./support/ground.ts";

/** Small ones, and ones around the sizes of buffers. */
const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 5_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(16_383, 16_384, 16_385, 65_535, 65_536, 65_537) },
  { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 600_000 }) },
);
const step = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), bytes: size }),
  fc.record({ kind: fc.constant("peerSends" as const), bytes: size }),
  fc.record({ kind: fc.constantFrom("pause" as const, "resume" as const) }),
  fc.record({ kind: fc.constantFrom("peerPauses" as const, "peerResumes" as const) }),
  fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 5 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** How it goes on after the steps; the two halves of an orderly end may come in any order. */
const ending = fc.constantFrom(
  "we end first",
  "the peer ends first",
  "both end",
  "we close",
  "we reset",
  "the peer resets",
);
type Ending = typeof ending extends fc.Arbitrary<infer T> ? T : never;

const all = pattern(8 * 1024 * 1024);

async function play(ground: Ground, opening: "accepted" | "connected", steps: readonly Step[], how: Ending) {
  await using pair = await ground[opening]();
  const { tap, peer } = pair;
  let sent = 0;
  let peerSent = 0;
  for (const one of steps) {
    switch (one.kind) {
      case "send":
        tap.send(all.subarray(sent, sent + one.bytes));
        sent += one.bytes;
        break;
      case "peerSends":
        peer.socket.write(all.subarray(peerSent, peerSent + one.bytes));
        peerSent += one.bytes;
        break;
      case "pause":
        tap.pause();
        break;
      case "resume":
        tap.resume();
        break;
      case "peerPauses":
        peer.socket.pause();
        break;
      case "peerResumes":
        peer.socket.resume();
        break;
      case "turns":
        for (let turn = 0; turn < one.count; turn++) await nextTurn();
        break;
    }
    assert.ok(tap.received.equals(all.subarray(0, tap.receivedBytes)), "what has arrived is what was sent so far");
  }
  const isOrderly = how === "we end first" || how === "the peer ends first" || how === "both end";
  if (how === "we end first" || how === "both end") tap.end();
  if (how === "the peer ends first" || how === "both end") peer.finish();
  if (how === "we close") tap.close();
  if (how === "we reset") tap.destroy(true);
  if (how === "the peer resets") peer.reset();
  tap.resume();
  peer.socket.resume();
  if (isOrderly) {
    await eventually(() => tap.receivedBytes === peerSent, "we have all the peer sent");
    await eventually(() => peer.received.length === sent, "the peer has all we sent");
    if (how === "we end first") peer.finish();
    if (how === "the peer ends first") tap.end();
  }
  await eventually(() => tap.closed, "the connection is closed");
  await eventually(() => peer.ended, "the peer has seen it");
  assert.ok(tap.received.equals(all.subarray(0, tap.receivedBytes)), "what we have is the beginning of what was sent");
  const received = Buffer.from(peer.received, "latin1");
  assert.ok(received.equals(all.subarray(0, received.length)), "what the peer has is the beginning of what was sent");
  if (isOrderly) assert.equal(tap.error, null);
  ground.forgetClosed();
}

for (const opening of ["accepted", "connected"] as const) {
  contract(`an ${opening} connection keeps its promises in any order of calls`, async (ground) => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), ending, (steps, how) =>
      play(ground, opening, steps, how),
    );
    await fc.assert(property, { numRuns: 200, seed: 20_261_121, endOnFailure: true });
  });
}

contract("a big echo survives pauses at random on both sides", async (ground) => {
  const chances = fc.array(fc.nat({ max: 6 }), { minLength: 50, maxLength: 50 });
  const property = fc.asyncProperty(chances, async (pauses) => {
    let at = 0;
    const dice = (): number => pauses[at++ % pauses.length]!;
    let isFull = false;
    await using pair = await ground.accepted({
      data: (tap) => {
        isFull = !tap.send(tap.take());
        if (isFull || dice() === 0) tap.pause();
        setImmediate(() => {
          if (!isFull) tap.resume();
        });
      },
      drain: (tap) => {
        isFull = false;
        tap.resume();
      },
      end: (tap) => tap.end(),
    });
    const { tap, peer } = pair;
    const total = 3 * 1024 * 1024;
    peer.socket.end(all.subarray(0, total));
    let got = 0;
    while (got < total) {
      if (dice() === 1) peer.socket.pause();
      await nextTurn();
      peer.socket.resume();
      const bytes = Buffer.from(peer.take(peer.received.length), "latin1");
      assert.ok(bytes.equals(all.subarray(got, got + bytes.length)), `in order after ${got} bytes`);
      got += bytes.length;
      assert.ok(got === total || !peer.ended || peer.received !== "", `it ended after ${got} bytes`);
    }
    await eventually(() => tap.closed, "the connection is closed");
    assert.equal(tap.error, null);
    ground.forgetClosed();
  });
  await fc.assert(property, { numRuns: 15, seed: 20_261_121, endOnFailure: true });
});
