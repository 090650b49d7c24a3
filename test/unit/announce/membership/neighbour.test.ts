// SPDX-License-Identifier: Apache-2.0
// What is remembered of one node from packet to packet.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AddressList } from "../../../../src/announce/membership/address-list.ts";
import { Neighbour } from "../../../../src/announce/membership/neighbour.ts";
import { heartbeat } from "./heartbeats.ts";

test("addresses of a list that comes in parts are there as they come, with the old ones until all are there", () => {
  const list = new AddressList();
  const take = (revision: number, part: number, parts: number, ...addresses: readonly string[]) => {
    const isOther = list.take({ revision, part, parts }, addresses);
    return [isOther, [...list.addresses].toSorted().join(" ")];
  };
  assert.deepEqual(take(1, 0, 2, "a", "b"), [true, "a b"]);
  assert.deepEqual(take(1, 0, 2, "a", "b"), [false, "a b"]);
  assert.deepEqual(take(1, 1, 2, "c"), [true, "a b c"]);
  assert.deepEqual(take(2, 1, 2, "d"), [true, "a b c d"]);
  assert.deepEqual(take(2, 0, 2, "a"), [true, "a d"]);
  assert.deepEqual(take(3, 0, 1, "d", "a"), [false, "a d"]);
  assert.deepEqual(take(4, 0, 1), [true, ""]);
});

test("the packet that was fastest tells since when a node is ready, so that it is not seasoned twice", () => {
  const run = new Neighbour(heartbeat(), 0);
  const seasonedAtMs = (sequence: number, sentMs: number, lateMs: number): number | null => {
    run.take(heartbeat({ sequence, readyMs: sentMs }), sentMs + lateMs);
    return run.seasonedAtMs(60_000);
  };
  assert.equal(seasonedAtMs(1, 1_000, 90), 60_090);
  assert.equal(seasonedAtMs(2, 1_200, 5), 60_005);
  assert.equal(seasonedAtMs(3, 1_400, 80), 60_005);
});

test("a node that was not ready in between starts anew, also when nobody heard that it was not", () => {
  const run = new Neighbour(heartbeat(), 0);
  run.take(heartbeat({ sequence: 1, readyMs: 50_000 }), 50_000);
  run.take(heartbeat({ sequence: 2, ready: false, readyMs: 0 }), 50_200);
  assert.equal(run.seasonedAtMs(60_000), null);
  run.take(heartbeat({ sequence: 3, readyMs: 100 }), 50_400);
  assert.equal(run.seasonedAtMs(60_000), 110_300);
  run.take(heartbeat({ sequence: 4, readyMs: 10 }), 70_010);
  assert.equal(run.seasonedAtMs(60_000), 130_000);
});
