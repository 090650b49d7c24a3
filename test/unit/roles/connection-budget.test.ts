// SPDX-License-Identifier: Apache-2.0
// File descriptors → connections.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { connectionBudget } from "../../../src/roles/connection-budget.ts";

const automatic = 0;

suite("how many connections file descriptors allow", () => {
  for (const { openFiles, threads, perSide } of [
    { openFiles: 1_048_576, threads: 1, perSide: 523_776 },
    { openFiles: 20_000, threads: 2, perSide: 9_488 },
    { openFiles: 4_096, threads: 2, perSide: 1_536 },
    { openFiles: 1_024, threads: 1, perSide: 384 },
    { openFiles: 1_024, threads: 64, perSide: 104 },
    { openFiles: 64, threads: 1, perSide: 2 },
    { openFiles: 16, threads: 1, perSide: 1 },
  ]) {
    test(`of ${openFiles} with ${threads} threads ${perSide} for each side`, () => {
      const budget = connectionBudget(automatic, openFiles, threads);
      assert.equal(budget.descriptorsPerSide, perSide);
      assert.equal(budget.maxConnections, Math.min(50_000, perSide));
      assert.equal(budget.neededFiles, null, "nobody asked for more");
    });
  }

  test("a configured number that fits is kept", () => {
    assert.deepEqual(connectionBudget(9_000, 20_000, 2), {
      maxConnections: 9_000,
      descriptorsPerSide: 9_488,
      neededFiles: null,
    });
    assert.equal(connectionBudget(500_000, 1_048_576, 2).maxConnections, 500_000);
  });

  test("one that does not fit is cut, and what it needs is said, and is enough", () => {
    for (const [configured, threads] of [
      [10_000, 2],
      [50_000, 1],
      [400, 64],
    ] as const) {
      const { maxConnections, descriptorsPerSide, neededFiles } = connectionBudget(configured, 1_024, threads);
      assert.equal(maxConnections, descriptorsPerSide);
      assert.ok(neededFiles !== null && neededFiles > 2 * configured);
      assert.deepEqual(connectionBudget(configured, neededFiles, threads).maxConnections, configured);
      assert.equal(connectionBudget(configured, neededFiles, threads).neededFiles, null);
    }
  });

  test("where the system does not say, nothing is cut", () => {
    assert.deepEqual(connectionBudget(automatic, null, 2), {
      maxConnections: 50_000,
      descriptorsPerSide: Infinity,
      neededFiles: null,
    });
    assert.equal(connectionBudget(1_000_000, null, 2).maxConnections, 1_000_000);
  });
});
