// SPDX-License-Identifier: Apache-2.0
// What goes into the queue comes out of it, however it is cut.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";

import * as fc from "fast-check";

import { SendQueue } from "../../../../src/proxy/transport/uring/send-queue.ts";

test("bytes leave in the order in which they came, and as many", () => {
  const step = fc.oneof(
    fc.record({ push: fc.uint8Array({ minLength: 1, maxLength: 40 }), front: fc.uint8Array({ maxLength: 10 }) }),
    fc.record({ limit: fc.integer({ min: 1, max: 60 }), taken: fc.nat({ max: 60 }) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let queue = new SendQueue();
      let expected = Buffer.alloc(0);
      const into = Buffer.alloc(64);
      for (const each of steps) {
        if ("push" in each) {
          const source = Buffer.from(each.push);
          queue.push(source, 0, source.length);
          source.fill(0);
          expected = Buffer.concat([expected, each.push]);
        } else {
          const length = queue.copyTo(into, each.limit);
          assert.equal(length, Math.min(each.limit, expected.length));
          assert.ok(into.subarray(0, length).equals(expected.subarray(0, length)));
          const taken = Math.min(each.taken, length);
          queue.drop(taken);
          expected = expected.subarray(taken);
        }
        assert.equal(queue.bytes, expected.length);
      }
      // What was left of a send goes before all of it.
      const front = new SendQueue();
      front.push(Buffer.from("front"), 1, 5);
      const untouched = new SendQueue();
      untouched.push(Buffer.from("behind"), 0, 6);
      front.append(untouched);
      queue = front;
      assert.equal(queue.bytes, 10);
      assert.equal(into.toString("latin1", 0, queue.copyTo(into, 64)), "rontbehind");
    }),
    { numRuns: 300, seed: 20_261_121 },
  );
});
