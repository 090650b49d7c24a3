// SPDX-License-Identifier: Apache-2.0
// A thread waits for company when little is left of its core, and only then.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Coalescing } from "../../../../src/proxy/transport/uring/coalescing.ts";

const spanMs = 20;

/** Lets so many batches pass of a thread that was busy for that part of the time, and tells for how many it waits. */
function thread() {
  let nowMs = 5_000;
  let cpuMs = 70;
  const coalescing = new Coalescing({ nowMs: () => nowMs, cpuMs: () => cpuMs });
  return (share: number, open: number): number => {
    nowMs += spanMs;
    cpuMs += share * spanMs;
    for (let batch = 0; batch < 256; batch++) coalescing.note(open);
    return coalescing.wanted;
  };
}

test("a busy thread waits for a quarter of what is open, a thread with time to spare for nobody", () => {
  const pass = thread();
  assert.equal(pass(0.84, 128), 1);
  assert.equal(pass(0.86, 128), 32);
  assert.equal(pass(0.2, 128), 1);
});

test("once it waits it goes on with it until it has clearly less to do", () => {
  const pass = thread();
  assert.equal(pass(0.9, 100), 25);
  assert.equal(pass(0.81, 100), 25);
  assert.equal(pass(0.79, 100), 1);
  assert.equal(pass(0.81, 100), 1);
});

test("few connections are never waited for, and of many not too many", () => {
  const pass = thread();
  assert.equal(pass(1, 63), 1);
  assert.equal(pass(1, 64), 16);
  assert.equal(pass(1, 10_000), 32);
});

test("a moment is no reason: it takes 256 batches", () => {
  let looks = 0;
  const coalescing = new Coalescing({ nowMs: () => ++looks, cpuMs: () => looks });
  for (let batch = 0; batch < 255; batch++) coalescing.note(1_000);
  assert.equal(coalescing.wanted, 1);
  assert.equal(looks, 1);
  coalescing.note(1_000);
  assert.equal(coalescing.wanted, 32);
});
