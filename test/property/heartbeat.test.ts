// SPDX-License-Identifier: Apache-2.0
// What must hold of any heartbeat, and of any bytes.

import { test } from "node:test";

import * as fc from "fast-check";
import { damagedHeartbeats, intactHeartbeats } from "./heartbeat-properties.ts";

test("what is sent is what arrives, in a packet that is not too long", () => {
  fc.assert(intactHeartbeats);
});

test("bytes that are a heartbeat are those that would have been sent; others are refused, never thrown at", () => {
  fc.assert(damagedHeartbeats, { numRuns: 500 });
});
