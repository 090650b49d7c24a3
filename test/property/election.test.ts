// SPDX-License-Identifier: Apache-2.0
// What must hold of any election.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";
import { Digests, elect, type Candidate } from "../../src/announce/election/election.ts";

const digests = new Digests();

const someKey = fc.nat(255).map((last) => `10.0.0.${last}`);
const candidates: fc.Arbitrary<readonly Candidate[]> = fc.uniqueArray(
  fc.record({
    node: fc.nat(20).map((index) => `node-${index}`),
    score: fc.nat(2),
    seasoned: fc.boolean(),
    holds: fc.boolean(),
  }),
  { selector: ({ node }) => node, minLength: 1, maxLength: 8 },
);

test("whoever sees the same elects the same, in whatever order it sees it", () => {
  fc.assert(
    fc.property(candidates, someKey, fc.infiniteStream(fc.nat()), (all, key, order) => {
      const winner = elect(all, key, digests);
      const shuffled = all
        .map((each) => ({ each, rank: order.next().value as number }))
        .toSorted((left, right) => left.rank - right.rank)
        .map(({ each }) => each);
      assert.ok(all.some(({ node }) => node === winner));
      assert.equal(elect(shuffled, key, new Digests()), winner);
    }),
  );
});

test("a node that goes and held nothing changes nothing", () => {
  fc.assert(
    fc.property(candidates, someKey, fc.nat(7), (all, key, at) => {
      const winner = elect(all, key, digests);
      const gone = all[at % all.length]!;
      fc.pre(gone.node !== winner && !gone.holds);
      const rest = all.filter((each) => each !== gone);
      assert.equal(elect(rest, key, digests), winner);
    }),
  );
});

test("what is decided stays decided: the winner holds, the others let go, and nothing moves", () => {
  fc.assert(
    fc.property(candidates, someKey, (all, key) => {
      const winner = elect(all, key, digests);
      const after = all.map((each) => ({ ...each, holds: each.node === winner }));
      assert.equal(elect(after, key, digests), winner);
    }),
  );
});

test("one more node among n gets about one address in n, and takes none that it does not keep", () => {
  const keys = Array.from({ length: 2_000 }, (_, index) => `10.${index >> 8}.0.${index & 0xff}`);
  const nodes = Array.from({ length: 10 }, (_, index) => `node-${index}`);
  const winners = (names: readonly string[]) =>
    keys.map((key) =>
      elect(
        names.map((node) => ({ node, score: 0, seasoned: true, holds: false })),
        key,
        digests,
      ),
    );
  const before = winners(nodes.slice(0, 9));
  const after = winners(nodes);
  const moved = after.filter((winner, index) => winner !== before[index]);
  assert.deepEqual(new Set(moved), new Set(["node-9"]));
  assert.ok(moved.length > 150 && moved.length < 250, `${moved.length} of 2000 moved`);
});
