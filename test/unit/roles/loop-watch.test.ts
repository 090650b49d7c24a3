// SPDX-License-Identifier: Apache-2.0
// A loop that stalled says so once it turns again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LoopWatch } from "../../../src/roles/loop-watch.ts";
import { createLogger } from "../../../src/telemetry/index.ts";

test("a stall of more than a second is counted and logged once; less is not", () => {
  let nowMs = 5_000;
  let look = () => {};
  let stopped = false;
  const clock = {
    nowMs: () => nowMs,
    wallMs: () => 0,
    after: () => assert.fail("nothing waits once"),
    every: (_: number, callback: () => void) => {
      look = callback;
      return () => void (stopped = true);
    },
  };
  const log: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    colour: false,
    write: (line) => void log.push(line),
    clock,
  });
  const watch = new LoopWatch(clock, logger);
  const cancel = watch.start();
  const stalls = () => watch.samples().map(({ name, labels, value }) => [name, labels["thread"], value]);
  for (const elapsedMs of [250, 1_250, 251, 250]) {
    nowMs += elapsedMs;
    look();
  }
  assert.deepEqual(stalls(), [["naru_event_loop_stalls_total", "main", 0]]);
  for (const elapsedMs of [1_251, 250, 250, 4_250]) {
    nowMs += elapsedMs;
    look();
  }
  assert.deepEqual(stalls(), [["naru_event_loop_stalls_total", "main", 2]]);
  assert.deepEqual(
    log.map((line) => line.replace(/^\S+ /, "")),
    [
      "warning naru      event loop stalled: nothing was served  for_ms=1001",
      "warning naru      event loop stalled: nothing was served  for_ms=4000",
    ],
  );
  cancel();
  assert.ok(stopped);
});
