// SPDX-License-Identifier: Apache-2.0
// Who is elected: MetalLB's order, and who has to wait.

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressKeys } from "../../../../src/announce/election/address-keys.ts";
import { Digests, elect, type Candidate } from "../../../../src/announce/election/election.ts";

function candidate(node: string, more: Partial<Candidate> = {}): Candidate {
  return { node, score: 0, seasoned: true, holds: false, ...more };
}

function electOf(nodes: readonly (string | Candidate)[], key: string): string | null {
  const candidates = nodes.map((each) => (typeof each === "string" ? candidate(each) : each));
  return elect(candidates, key, new Digests());
}

// WHY: digests as computed by sha256sum, so that nodes of both programs would agree.
const vectors = [
  { key: "10.0.0.1", order: ["node-b", "node-a", "node-c"], digests: ["2acae885", "dd41591f", "f949561f"] },
  { key: "10.0.0.2", order: ["node-b", "node-c", "node-a"], digests: ["48a0dc88", "c71d9fee", "d12599e5"] },
  { key: "10.20.30.1", order: ["iris2", "iris1"], digests: ["af6cb4e7", "e42ad61a"] },
  { key: "10.20.30.2", order: ["iris1", "iris2"], digests: ["610c5b6d", "6429fb4c"] },
];

for (const { key, order, digests } of vectors) {
  test(`nodes are ranked for ${key} as MetalLB ranks them`, () => {
    const remembered = new Digests();
    elect(
      order.map((node) => candidate(node)),
      key,
      remembered,
    );
    assert.deepEqual(
      order.map((node) => remembered.of(key).get(node)!.toString(16).padStart(12, "0").slice(0, 8)),
      digests,
    );
    for (let from = 0; from < order.length; from++) {
      assert.equal(electOf(order.slice(from).toReversed(), key), order[from]);
    }
  });
}

test("without candidates nobody is elected", () => {
  assert.equal(electOf([], "10.0.0.1"), null);
});

test("a newcomer waits while another one holds the address", () => {
  const newcomer = candidate("node-b", { seasoned: false });
  assert.equal(electOf([newcomer, candidate("node-a", { holds: true }), "node-c"], "10.0.0.1"), "node-a");
});

test("a newcomer takes what nobody holds", () => {
  assert.equal(electOf([candidate("node-b", { seasoned: false }), "node-a"], "10.0.0.1"), "node-b");
});

test("a newcomer keeps what it holds", () => {
  assert.equal(electOf([candidate("node-b", { seasoned: false, holds: true }), "node-a"], "10.0.0.1"), "node-b");
});

test("of two holders, as after a partition, the first stays", () => {
  const both = ["node-a", "node-b"].map((node) => candidate(node, { holds: true, seasoned: false }));
  assert.equal(electOf([...both, "node-c"], "10.0.0.1"), "node-b");
});

test("a seasoned node takes its address back", () => {
  assert.equal(electOf(["node-b", candidate("node-a", { holds: true })], "10.0.0.1"), "node-b");
});

test("a preferred node comes before the digest", () => {
  assert.equal(electOf(["node-b", candidate("node-c", { score: 5 })], "10.0.0.1"), "node-c");
});

test("digests are remembered for a round, and forgotten when nobody asked for them", () => {
  const digests = new Digests();
  const nodes = ["node-a", "node-b"].map((node) => candidate(node));
  for (let round = 0; round < 3; round++) {
    assert.equal(elect(nodes, "10.0.0.1", digests), "node-b");
    digests.endRound();
    assert.equal(digests.of("10.0.0.1").size, 2);
  }
  digests.endRound();
  digests.endRound();
  assert.equal(digests.of("10.0.0.1").size, 0);
});

test("addresses that hang together by services have one key, and others their own", () => {
  const keys = addressKeys([
    ["10.0.0.1", "fd00::1"],
    ["10.0.0.2"],
    ["fd00::1"],
    ["10.0.0.3", "fd00::3"],
    ["10.0.0.4", "fd00::3"],
    ["10.0.0.5", "fd00::1"],
  ]);
  assert.deepEqual(Object.fromEntries(keys), {
    "10.0.0.1": "10.0.0.1",
    "fd00::1": "10.0.0.1",
    "10.0.0.2": "10.0.0.2",
    "10.0.0.3": "10.0.0.3",
    "fd00::3": "10.0.0.3",
    "10.0.0.4": "10.0.0.3",
    "10.0.0.5": "10.0.0.1",
  });
});

test("a key does not depend on which of two groups was first joined to the other", () => {
  const keys = addressKeys([["fd00::9"], ["10.0.0.1", "fd00::1"], ["10.0.0.2", "fd00::9"], ["fd00::1", "fd00::9"]]);
  assert.deepEqual(new Set(keys.values()), new Set(["fd00::9"]));
});
