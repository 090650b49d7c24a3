// SPDX-License-Identifier: Apache-2.0
// That finding a free address is no scan: its steps do not grow with the range, and with its use as a logarithm does.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ip } from "../../../../src/core/index.ts";
import { countSteps } from "../../../support/count-steps.ts";
import { service } from "./builders.ts";
import { filledPool, fills, lowestFree } from "./fills.ts";

/** A binary search in 2^15 intervals takes 15 turns; each is a few blocks, and a few searches are needed. */
const maxSteps = 200;

suite("a free address is found in few steps", () => {
  for (const fill of fills) {
    test(`in ${fill.name}`, () => {
      const pool = filledPool(fill);
      const newcomer = service("newcomer");
      let found: ReturnType<typeof pool.lowest> = null;
      const steps = countSteps("/announce/allocator/", () => {
        found = pool.lowest(4, newcomer);
        if (found !== null) pool.take(found, newcomer);
      });
      assert.ok(found !== null);
      assert.equal(ip.format(found), lowestFree(fill));
      assert.ok(steps > 0 && steps <= maxSteps, `${steps} steps`);
    });
  }

  test("which are counted: a scan would be noticed", () => {
    const pool = filledPool({ name: "", cidr: "10.9.0.0/24", taken: [] });
    const steps = countSteps("/announce/allocator/", () => {
      for (let at = 0; at < 100; at++) pool.contains({ family: 4, value: BigInt(at) });
    });
    assert.ok(steps >= 100, `${steps} steps`);
  });
});
