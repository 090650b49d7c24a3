// SPDX-License-Identifier: Apache-2.0
// Memory to send from: nobody writes where something is still being sent.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import * as fc from "fast-check";

import { openLibc, SendArena } from "../../../src/platform/index.ts";
import { requireTransport } from "../../support/requires.ts";
import { transportKinds } from "../../support/transport-under-test.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;
const bytes = 256 * 1024;

function open(t: TestContext): SendArena | null {
  if (!requireTransport(t, uring)) return null;
  const libc = openLibc();
  assert.ok(typeof libc !== "string");
  return new SendArena(libc, bytes);
}

test("what was lent and not kept is lent again", (t) => {
  const arena = open(t);
  if (arena === null) return;
  const first = arena.lend(100)!;
  assert.equal(arena.lend(200), first);
  arena.keep(100);
  assert.notEqual(arena.lend(100), first);
});

test("more than there is is never lent, and nothing when all is kept", (t) => {
  const arena = open(t);
  if (arena === null) return;
  assert.equal(arena.lend(bytes + 1), null);
  assert.ok(arena.lend(bytes)!.length >= bytes);
  assert.equal(arena.keep(bytes), 0);
  assert.equal(arena.used.length, bytes);
  assert.equal(arena.lend(1), null);
  arena.reset();
  assert.ok(arena.lend(bytes));
});

test("what was lent before a reset may be kept after it, and is not lent to others", (t) => {
  const arena = open(t);
  if (arena === null) return;
  arena.lend(10);
  arena.keep(10);
  const lent = arena.lend(10)!.fill(7, 0, 10);
  arena.reset();
  const at = arena.keep(10);
  assert.equal(arena.view(at), lent);
  arena.lend(bytes / 2)!.fill(8);
  assert.ok(
    arena
      .view(at)
      .subarray(0, 10)
      .every((byte) => byte === 7),
    "somebody else wrote here",
  );
});

test("pieces that are kept never overlap", (t) => {
  const arena = open(t);
  if (arena === null) return;
  const steps = fc.array(fc.record({ length: fc.integer({ min: 1, max: 100_000 }), resets: fc.boolean() }));
  fc.assert(
    fc.property(steps, (list) => {
      arena.reset();
      let held: { at: number; length: number; mark: number }[] = [];
      for (const [mark, { length, resets }] of list.entries()) {
        const lent = arena.lend(length);
        if (lent === null) {
          assert.ok(held.length > 0, "nothing is lent although nothing is kept");
        } else {
          lent.fill(mark, 0, length);
          held.push({ at: arena.keep(length), length, mark: mark & 0xff });
        }
        for (const piece of held) {
          const view = arena.view(piece.at).subarray(0, piece.length);
          assert.ok(
            view.every((byte) => byte === piece.mark),
            "somebody else wrote here",
          );
        }
        if (!resets) continue;
        arena.reset();
        held = [];
      }
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});

test("it says what is in use, what ever was, and how often there was too little", (t) => {
  const arena = open(t);
  if (arena === null) return;
  const figures = () => [arena.limitBytes, arena.usedBytes, arena.touchedBytes, arena.shortages];
  assert.deepEqual(figures(), [bytes, 0, 0, 0]);
  arena.lend(5_000);
  arena.keep(5_000);
  assert.deepEqual(figures(), [bytes, 5_120, 5_120, 0]);
  assert.equal(arena.lend(bytes - 5_000), null);
  arena.reset();
  arena.lend(10);
  arena.keep(10);
  assert.deepEqual(figures(), [bytes, 1_024, 5_120, 1]);
});
