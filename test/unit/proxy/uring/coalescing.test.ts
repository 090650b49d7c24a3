// SPDX-License-Identifier: Apache-2.0
// A thread waits for company when little is left of its core and many talk, and only then.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Coalescing } from "../../../../src/proxy/transport/uring/coalescing.ts";

const spanMs = 20;

/**
 * Lets 256 batches pass of a thread that was busy for that part of the time and heard from so many slots, and tells for how many
 * it waits, and how many microseconds.
 */
function thread(isOn = true) {
  let nowMs = 5_000;
  let cpuMs = 70;
  const coalescing = new Coalescing({ nowMs: () => nowMs, cpuMs: () => cpuMs }, isOn);
  return (share: number, talking: number): readonly [wanted: number, waitUs: number] => {
    nowMs += spanMs;
    cpuMs += share * spanMs;
    for (let batch = 0; batch < 256; batch++) {
      for (let slot = 0; slot < talking; slot++) if (batch < 2) coalescing.hear(slot);
      coalescing.note();
    }
    return [coalescing.wanted, coalescing.waitUs];
  };
}

const forNobody = [1, 0];

test("a busy thread waits for a quarter of those that talk, a thread with time to spare for nobody", () => {
  const pass = thread();
  assert.deepEqual(pass(0.84, 128), forNobody);
  assert.deepEqual(pass(0.86, 128), [32, 52]);
  assert.deepEqual(pass(0.2, 128), forNobody);
});

test("the more talk, the longer it waits, and never longer than 400 µs", () => {
  const pass = thread();
  assert.deepEqual(pass(1, 64), [16, 26]);
  assert.deepEqual(pass(1, 500), [125, 200]);
  assert.deepEqual(pass(1, 1_025), [128, 400]);
  assert.deepEqual(pass(1, 10_000), [128, 400]);
});

test("few are never waited for, however many are connected and silent", () => {
  const pass = thread();
  assert.deepEqual(pass(1, 1_000), [128, 400]);
  assert.deepEqual(pass(1, 63), forNobody);
});

test("once it waits it goes on with it until it would have time to spare without", () => {
  const pass = thread();
  assert.deepEqual(pass(0.9, 100), [25, 40]);
  assert.deepEqual(pass(0.78, 100), [25, 40]);
  assert.deepEqual(pass(0.77, 100), forNobody);
  assert.deepEqual(pass(0.78, 100), forNobody);
  assert.deepEqual(pass(0.9, 1_000), [128, 400]);
  assert.deepEqual(pass(0.56, 1_000), [128, 400]);
  assert.deepEqual(pass(0.54, 1_000), forNobody);
});

test("a thread that is told so waits for nobody", () => {
  assert.deepEqual(thread(false)(1, 1_000), forNobody);
});

test("a moment is no reason: it takes 256 batches", () => {
  let looks = 0;
  const coalescing = new Coalescing({ nowMs: () => ++looks, cpuMs: () => looks }, true);
  for (let slot = 0; slot < 1_000; slot++) coalescing.hear(slot);
  for (let batch = 0; batch < 255; batch++) coalescing.note();
  assert.equal(coalescing.wanted, 1);
  assert.equal(looks, 1);
  coalescing.note();
  assert.equal(coalescing.wanted, 128);
});
