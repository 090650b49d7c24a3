// SPDX-License-Identifier: Apache-2.0
// How the ring waits, asked of the kernel itself.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { openLibc, Ring } from "../../src/platform/index.ts";
import { requireTransport } from "../support/requires.ts";
import { transportKinds } from "../support/transport-under-test.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;
const never = 900_000;

function withRing(t: TestContext, body: (ring: Ring, after: (...delaysUs: readonly number[]) => void) => void): void {
  if (!requireTransport(t, uring)) return;
  const libc = openLibc();
  if (typeof libc === "string") throw new Error(libc);
  const ring = new Ring(libc, 8, 16);
  let id = 0;
  // Each is handed in at once, for all of them share the memory that says how long.
  const after = (...delaysUs: readonly number[]): void =>
    delaysUs.forEach((delayUs) => {
      ring.timeout(delayUs, ++id, 0);
      ring.submit();
    });
  try {
    body(ring, after);
  } finally {
    ring.dispose();
  }
}

function taken(ring: Ring): number[] {
  const ids: number[] = [];
  while (ring.next()) ids.push(ring.id);
  ring.free();
  return ids;
}

test("a ring that waits for several goes on as soon as they are there", (t) => {
  withRing(t, (ring, after) => {
    after(1, 1_000, never);
    ring.waitFor(2, never);
    assert.deepEqual(taken(ring), [1, 2]);
  });
});

test("it goes on with fewer when no more have come in time", (t) => {
  withRing(t, (ring, after) => {
    after(1, never);
    ring.waitFor(2, 1_000);
    assert.deepEqual(taken(ring), [1]);
  });
});

test("when none has come in time it waits for the first, and does not spin meanwhile", (t) => {
  withRing(t, (ring, after) => {
    after(50_000, never);
    const before = ring.enters;
    ring.waitFor(2, 1);
    assert.deepEqual(taken(ring), [1]);
    assert.equal(ring.enters - before, 2);
  });
});

test("what was queued is handed in by it", (t) => {
  withRing(t, (ring) => {
    ring.timeout(1, 7, 0);
    ring.waitFor(1, never);
    assert.equal(ring.queued, 0);
    assert.deepEqual(taken(ring), [7]);
  });
});
