// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { editDistance, suggestWord } from "../../../src/core/suggest.ts";

suite("suggestWord", () => {
  const commands = ["gateway", "up", "validate", "routes", "version"];

  for (const { typed, meant } of [
    { typed: "gatway", meant: "gateway" },
    { typed: "gatewya", meant: "gateway" },
    { typed: "valid", meant: "validate" },
    { typed: "route", meant: "routes" },
    { typed: "pu", meant: "up" },
    { typed: "zebra", meant: null },
    { typed: "", meant: null },
  ]) {
    test(`${typed} → ${meant}`, () => assert.equal(suggestWord(typed, commands), meant));
  }
});

suite("editDistance", () => {
  for (const { left, right, distance } of [
    { left: "", right: "abc", distance: 3 },
    { left: "abc", right: "abc", distance: 0 },
    { left: "abc", right: "acb", distance: 1 },
    { left: "kitten", right: "sitting", distance: 3 },
  ]) {
    test(`${left} and ${right}: ${distance}`, () => {
      assert.equal(editDistance(left, right), distance);
      assert.equal(editDistance(right, left), distance);
    });
  }
});
