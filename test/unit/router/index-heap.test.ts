// SPDX-License-Identifier: Apache-2.0
// The heap gives back what was put in, lowest first, however puts and takes interleave.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { IndexHeap } from "../../../src/router/index-heap.ts";

type Step = { readonly kind: "push" | "replace"; readonly item: number } | { readonly kind: "pop" };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.nat(50).map((item): Step => ({ kind: "push", item })) },
    { weight: 1, arbitrary: fc.nat(50).map((item): Step => ({ kind: "replace", item })) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "pop" }) },
  ),
  { minLength: 10, maxLength: 60 },
);

test("the top is always the lowest item", () => {
  const heap = new IndexHeap();
  fc.assert(
    fc.property(steps, (sequence) => {
      heap.clear();
      const model: number[] = [];
      for (const step of sequence) {
        if (step.kind === "push") {
          heap.push(step.item);
          model.push(step.item);
        } else if (model.length > 0 && step.kind === "pop") {
          heap.pop();
          model.shift();
        } else if (model.length > 0 && step.kind === "replace") {
          heap.replaceTop(step.item);
          model[0] = step.item;
        }
        model.sort((a, b) => a - b);
        assert.equal(heap.size, model.length);
        if (model.length > 0) assert.equal(heap.top, model[0]);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
