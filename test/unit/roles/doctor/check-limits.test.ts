// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { checkLimits } from "../../../../src/roles/doctor/check-limits.ts";
import type { Facts } from "../../../../src/roles/doctor/facts.ts";
import { complaints, facts } from "./builders.ts";

const rows: readonly (readonly [name: string, changes: Partial<Facts>, says: readonly string[]])[] = [
  ["nothing is short", {}, []],
  ["nothing is known", { openFiles: null, longestBacklog: null }, []],
  ["as many files as 50,000 connections need", { openFiles: 101_024 }, []],
  ["two fewer", { openFiles: 101_022 }, ["warning open-files: ulimit -n is 101022"]],
  ["a short queue", { longestBacklog: 128 }, ["warning somaxconn: net.core.somaxconn is 128"]],
  [
    "connections that do not move",
    { migratesConnections: false },
    ["info take-over: net.ipv4.tcp_migrate_req is not 1"],
  ],
  ["no io_uring", { uring: { available: false, reason: "too old" } }, ["info io_uring: too old"]],
];

suite("limits", () => {
  for (const [name, changes, says] of rows) {
    test(name, () => assert.deepEqual(complaints(checkLimits(facts(changes), 4_096)), says));
  }

  test("says how many files are needed", () => {
    const [finding] = checkLimits(facts({ openFiles: 20_000 }), 4_096);
    assert.match(finding!.why, / 9488 clients/);
    assert.match(finding!.fix, / 101024:/);
  });
});
