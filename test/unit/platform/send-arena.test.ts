// SPDX-License-Identifier: Apache-2.0
// Memory to send from: nobody writes where something is still being sent.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import * as fc from "fast-check";

import { openLibc, SendArena } from "../../../src/platform/index.ts";
import { requireTransport } from "../../support/requires.ts";
import { transportKinds } from "../../support/transport-under-test.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;
const blockBytes = 256 * 1024;

function open(t: TestContext, blocks: number): SendArena | null {
  if (!requireTransport(t, uring)) return null;
  const libc = openLibc();
  assert.ok(typeof libc !== "string");
  return new SendArena(libc, blocks);
}

test("what was lent and not kept is lent again", (t) => {
  const arena = open(t, 1);
  if (arena === null) return;
  const first = arena.lend(100)!;
  assert.equal(arena.lend(200), first);
  arena.keep(100);
  assert.notEqual(arena.lend(100), first);
  assert.equal(arena.kept, 1);
});

test("more than a block is never lent, and nothing when every block is in use", (t) => {
  const arena = open(t, 2);
  if (arena === null) return;
  assert.equal(arena.lend(blockBytes + 1), null);
  const kept = [0, 1].map(() => {
    assert.ok(arena.lend(blockBytes)!.length >= blockBytes);
    return arena.keep(blockBytes);
  });
  assert.equal(arena.lend(1), null);
  arena.release(kept[0]!);
  assert.ok(arena.lend(1));
  arena.release(kept[1]!);
  assert.equal(arena.kept, 0);
});

test("a block is used from its start when all of it is back", (t) => {
  const arena = open(t, 2);
  if (arena === null) return;
  const first = arena.lend(10)!;
  const at = [10, 5_000].map((bytes) => {
    arena.lend(bytes);
    return arena.keep(bytes);
  });
  arena.release(at[1]!);
  assert.notEqual(arena.lend(10), first);
  arena.release(at[0]!);
  assert.equal(arena.lend(10), first);
});

test("pieces that are kept never overlap, in any order of release", (t) => {
  const arena = open(t, 4);
  if (arena === null) return;
  const steps = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 100_000 }), releases: fc.nat({ max: 5 }) }));
  const held: { at: number; length: number; mark: number }[] = [];
  let mark = 0;
  const releaseOldestBut = (index: number): void => {
    const [piece] = held.splice(index % held.length, 1);
    const view = arena.view(piece!.at).subarray(0, piece!.length);
    assert.ok(
      view.every((byte) => byte === piece!.mark),
      "somebody else wrote here",
    );
    arena.release(piece!.at);
  };
  fc.assert(
    fc.property(steps, (list) => {
      for (const { bytes, releases } of list) {
        const lent = arena.lend(bytes);
        if (lent === null) {
          assert.ok(held.length > 0, "nothing is lent although nothing is kept");
        } else {
          mark = (mark + 1) & 0xff;
          lent.fill(mark, 0, bytes);
          held.push({ at: arena.keep(bytes), length: bytes, mark });
        }
        for (let count = 0; count < releases && held.length > 0; count++) releaseOldestBut(bytes);
      }
    }),
    { numRuns: 100, seed: 20_261_121 },
  );
  while (held.length > 0) releaseOldestBut(0);
  assert.equal(arena.kept, 0);
});

test("how much was touched and is in use is known, and how often there was nothing", (t) => {
  const arena = open(t, 2);
  if (arena === null) return;
  assert.equal(arena.limitBytes, 2 * blockBytes);
  assert.deepEqual([arena.touchedBytes, arena.usedBytes, arena.shortages], [blockBytes, 0, 0]);
  assert.ok(arena.lend(blockBytes));
  const first = arena.keep(blockBytes);
  assert.ok(arena.lend(1));
  const second = arena.keep(1);
  assert.deepEqual([arena.touchedBytes, arena.usedBytes, arena.shortages], [2 * blockBytes, 2 * blockBytes, 0]);
  assert.equal(arena.lend(blockBytes), null);
  assert.equal(arena.shortages, 1);
  assert.equal(arena.lend(2 * blockBytes), null, "which no arena has");
  assert.equal(arena.shortages, 1, "so that it is no shortage");
  arena.release(first);
  arena.release(second);
  assert.deepEqual([arena.touchedBytes, arena.usedBytes], [2 * blockBytes, 0]);
});
