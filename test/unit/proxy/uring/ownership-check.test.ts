// SPDX-License-Identifier: Apache-2.0
// The check finds each breach it is there for.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";

import type { ReceiveBuffers } from "../../../../src/platform/index.ts";
import { OwnershipCheck } from "../../../../src/proxy/transport/uring/ownership-check.ts";

function buffers(): ReceiveBuffers {
  const known = { group: 1, bytesEach: 4, circulating: 2, count: 2, bytes: Buffer.from("12345678") };
  return known as unknown as ReceiveBuffers;
}

test("a buffer that changes hands is overwritten, and others are not", () => {
  const check = new OwnershipCheck();
  const group = buffers();
  check.received(group, 1, 4);
  check.gives(group, 1);
  assert.equal(group.bytes.toString("latin1"), "1234\xdd\xdd\xdd\xdd");
});

test("buffers have one owner at a time", () => {
  const check = new OwnershipCheck();
  const group = buffers();
  assert.throws(() => check.received(group, 2, 1), /never given to the kernel/);
  assert.throws(() => check.received(group, 0, 5), /5 bytes in a buffer of 4/);
  check.received(group, 0, 1);
  assert.throws(() => check.received(group, 0, 1), /filled while it was being read/);
  assert.throws(() => check.atRest(), /1 buffers were never given back/);
  check.gives(group, 0);
  assert.throws(() => check.gives(group, 0), /given back twice/);
  check.atRest();
});

test("memory that was sent is overwritten", () => {
  const bytes = Buffer.from("abcd");
  new OwnershipCheck().sent(bytes.subarray(1, 3));
  assert.equal(bytes.toString("latin1"), "a\xdd\xddd");
});

test("completions meet the owner of their operation", () => {
  const check = new OwnershipCheck();
  check.completion({}, 3, 3);
  assert.throws(() => check.completion({}, 3, 2), /generation 2 in a slot of generation 3/);
  assert.throws(() => check.completion(null, 3, 3), /nobody owns/);
  check.slotEnds(0);
  assert.throws(() => check.slotEnds(1), /given up with 1 operations/);
});
