// SPDX-License-Identifier: Apache-2.0
// Random and mutated frames: nothing throws, what must be answered is, and nothing else ever is.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { compareFrame } from "./layer2-comparison.ts";
import { frames } from "./layer2-frames.ts";

test("layer 2 answers exactly what the RFCs say, whatever it receives", () => {
  let answered = 0;
  fc.assert(
    fc.property(frames, (frame) => {
      if (compareFrame(frame)) answered++;
    }),
    { numRuns: 4_000 },
  );
  // Frames that are never answered would prove little.
  assert.ok(answered > 200, `${answered} answered`);
});
