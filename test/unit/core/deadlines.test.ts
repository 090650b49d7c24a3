// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { Deadline, Deadlines } from "../../../src/core/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const tickMs = 10;

function setup(): { readonly clock: FakeClock; readonly deadlines: Deadlines; readonly fired: string[] } {
  const clock = new FakeClock();
  return { clock, deadlines: new Deadlines(clock, tickMs), fired: [] };
}

test("a deadline fires no earlier than asked and at most two ticks late", () => {
  for (const delayMs of [0, 1, 9, 10, 11, 99, 100, 5_119, 5_120, 5_121, 60_000]) {
    const { clock, deadlines } = setup();
    const startMs = clock.nowMs();
    let firedMs = -1;
    deadlines.schedule(new Deadline(() => (firedMs = clock.nowMs() - startMs)), delayMs);
    for (let step = 0; step < delayMs / tickMs + 5; step++) clock.advance(tickMs);
    assert.ok(firedMs >= delayMs && firedMs <= delayMs + 2 * tickMs, `${delayMs} ms fired after ${firedMs} ms`);
    assert.equal(deadlines.size, 0);
  }
});

test("a cancelled deadline never fires, and the clock is left alone when none is pending", () => {
  const { clock, deadlines, fired } = setup();
  const deadline = new Deadline(() => fired.push("late"));
  deadlines.schedule(deadline, 50);
  deadlines.cancel(deadline);
  deadlines.cancel(deadline);
  clock.advance(1_000);
  assert.deepEqual(fired, []);
  assert.equal(deadlines.size, 0);
  assert.equal(clock.pending, 0);
});

test("scheduling again moves the deadline", () => {
  const { clock, deadlines, fired } = setup();
  const deadline = new Deadline(() => fired.push("once"));
  deadlines.schedule(deadline, 50);
  deadlines.schedule(deadline, 500);
  clock.advance(400);
  assert.deepEqual(fired, []);
  clock.advance(200);
  assert.deepEqual(fired, ["once"]);
});

test("a callback may cancel or move others that expired in the same tick", () => {
  const { clock, deadlines, fired } = setup();
  const cancelled = new Deadline(() => fired.push("cancelled"));
  const moved = new Deadline(() => fired.push("moved"));
  const actor = new Deadline(() => {
    fired.push("actor");
    deadlines.cancel(cancelled);
    deadlines.schedule(moved, 1_000);
  });
  // The slot is a stack, so what is scheduled last fires first.
  deadlines.schedule(cancelled, 50);
  deadlines.schedule(moved, 50);
  deadlines.schedule(actor, 50);
  clock.advance(100);
  assert.deepEqual(fired, ["actor"]);
  clock.advance(1_100);
  assert.deepEqual(fired, ["actor", "moved"]);
});

test("a loop that stalled for longer than a turn of the wheel fires what is due and nothing else", () => {
  const { clock, deadlines, fired } = setup();
  deadlines.schedule(new Deadline(() => fired.push("due")), 7_000);
  deadlines.schedule(new Deadline(() => fired.push("far")), 60_000);
  stall(clock, 20_000);
  assert.deepEqual(fired, ["due"]);
  stall(clock, 41_000);
  assert.deepEqual(fired, ["due", "far"]);
});

/** Time passes without the clock's timer being served in between. */
function stall(clock: FakeClock, milliseconds: number): void {
  const before = clock.nowMs();
  clock.jump(milliseconds);
  assert.equal(clock.nowMs(), before + milliseconds);
  clock.advance(tickMs);
}
