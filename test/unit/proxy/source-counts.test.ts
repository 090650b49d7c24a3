// SPDX-License-Identifier: Apache-2.0
// Connections by source address that several threads count together: never too few, and freed when a thread dies.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { allocateSources, releaseSources, SharedSourceCounts } from "../../../src/proxy/source-counts.ts";
import { seededRandom } from "../../support/load.ts";

const addressOf = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

/** How many places `source` can still take below `limit`; gives them back. */
function placesLeft(counts: SharedSourceCounts, source: string, limit: number): number {
  let taken = 0;
  while (counts.take(source, limit)) taken++;
  for (let place = 0; place < taken; place++) counts.giveBack(source);
  return taken;
}

suite("connections by source, counted by two threads", () => {
  test("a limit is one limit, whichever thread takes and gives back", () => {
    const memory = allocateSources(2, seededRandom(1));
    const [one, two] = [new SharedSourceCounts(memory, 0, "web"), new SharedSourceCounts(memory, 1, "web")];
    assert.deepEqual(
      [one.take("::1", 2), two.take("::1", 2), one.take("::1", 2), two.take("::1", 2)],
      [true, true, false, false],
    );
    assert.equal(one.take("::2", 2), true);
    two.giveBack("::1");
    assert.deepEqual([one.take("::1", 2), two.take("::1", 2)], [true, false]);
  });

  test("listeners do not count together", () => {
    const memory = allocateSources(1, seededRandom(1));
    const [web, api] = [new SharedSourceCounts(memory, 0, "web"), new SharedSourceCounts(memory, 0, "api")];
    assert.deepEqual([web.take("::1", 1), api.take("::1", 1), web.take("::1", 1)], [true, true, false]);
  });

  test("among 50,000 clients most can take all of their places and none too many", () => {
    const memory = allocateSources(1, seededRandom(7));
    const counts = new SharedSourceCounts(memory, 0, "web");
    for (let client = 0; client < 50_000; client++) assert.ok(counts.take(addressOf(client), 100), addressOf(client));
    const left = Array.from({ length: 2_000 }, (_, client) => placesLeft(counts, addressOf(client * 25), 10));
    // Nine are free. Never more; and only who shares both numbers with others finds fewer.
    assert.ok(left.every((places) => places <= 9));
    assert.ok(left.filter((places) => places === 9).length > 1_200, "most find all");
    assert.ok(
      left.every((places) => places >= 6),
      `${Math.min(...left)} places`,
    );
    for (let client = 0; client < 50_000; client++) counts.giveBack(addressOf(client));
    assert.ok(new Int32Array(memory).subarray(1).every((count) => count === 0));
  });

  test("what a thread had when it died is free again, and the other's is not", () => {
    const memory = allocateSources(2, seededRandom(1));
    const [one, two] = [new SharedSourceCounts(memory, 0, "web"), new SharedSourceCounts(memory, 1, "web")];
    for (let place = 0; place < 3; place++) assert.ok(one.take("::1", 5));
    for (let place = 0; place < 2; place++) assert.ok(two.take("::1", 5));
    assert.equal(two.take("::1", 5), false);
    releaseSources(memory, 0);
    releaseSources(memory, 0);
    assert.equal(placesLeft(two, "::1", 5), 3);
  });
});
