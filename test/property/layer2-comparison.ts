// SPDX-License-Identifier: Apache-2.0
// Holds what layer 2 does with a frame against a second, naive reading of the RFCs.

import assert from "node:assert/strict";

import { openBench } from "../unit/announce/layer2/bench.ts";
import { hex } from "../unit/announce/layer2/frames.ts";
import { expectedOf } from "./layer2-frames.ts";

/** Throws an AssertionError where they differ. Whether the frame was answered. */
export function compareFrame(frame: Uint8Array): boolean {
  const { wire, layer2, conflicts } = openBench({ defend: false });
  const interfaces: string[] = [];
  layer2.set(["10.9.0.200", "10.9.0.201", "fd00:9::200"].map((ip) => ({ ip, interfaces })));
  wire.take();
  wire.receive(frame);
  const sent = wire.take();
  const expected = expectedOf(frame);
  // Who claims one address may ask for another: whether that is answered is not what this is about.
  if (expected.kind === "claim") {
    assert.equal(conflicts.length, 1, `a claim: ${hex(frame)}`);
    return false;
  }
  assert.deepEqual(conflicts, [], hex(frame));
  assert.deepEqual(sent, expected.kind === "answer" ? [`2 ${expected.frame}`] : [], hex(frame));
  return sent.length > 0;
}
