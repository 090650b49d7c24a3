// SPDX-License-Identifier: Apache-2.0
// Durations in Go's and protobuf's syntax.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDurationNs } from "../../../../src/config/decode/duration.ts";

describe("parseDurationNs", () => {
  const valid: readonly (readonly [string, bigint])[] = [
    ["0", 0n],
    ["0s", 0n],
    ["1.5s", 1_500_000_000n],
    ["250ms", 250_000_000n],
    ["1h", 3_600_000_000_000n],
    ["1h30m0.5s", 5_400_500_000_000n],
    ["1.1s", 1_100_000_000n],
    ["10us", 10_000n],
    ["10µs", 10_000n],
    ["7ns", 7n],
    ["-2s", -2_000_000_000n],
    ["1.s", 1_000_000_000n],
  ];
  for (const [text, ns] of valid) it(text, () => assert.equal(parseDurationNs(text), ns));

  for (const text of ["", "5", "s", "5 s", "5S", "1d", ".", "1e3s", "1s ", "NaNs", "1".repeat(100) + "s"]) {
    it(`refuses ${JSON.stringify(text.slice(0, 10))}`, () => assert.equal(parseDurationNs(text), null));
  }
});
