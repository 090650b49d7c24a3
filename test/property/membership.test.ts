// SPDX-License-Identifier: Apache-2.0
// What must hold on any network: packets are lost, late, doubled and overtaken, nodes die, restart and stand still, and the
// network falls apart and heals.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";
import { Cluster, type FakeNode } from "../unit/announce/membership/cluster.ts";

const names = ["a", "b", "c", "d"];

const event = fc.oneof(
  fc.record({ kind: fc.constant("kill" as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant("start" as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant("leave" as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant("freeze" as const), at: fc.nat(3), durationMs: fc.nat(2_000) }),
  /** A bit for each node: which side it is on. */
  fc.record({ kind: fc.constant("split" as const), sides: fc.nat(15) }),
  fc.record({ kind: fc.constant("heal" as const) }),
);

const scenario = fc.record({
  seed: fc.nat(),
  faults: fc.record({
    loss: fc.constantFrom(0, 0.05, 0.2),
    duplication: fc.constantFrom(0, 0.3),
    delayMs: fc.constantFrom(1, 50, 150),
  }),
  events: fc.array(fc.record({ event, thenMs: fc.nat(3_000) }), { maxLength: 8 }),
});

type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function running(cluster: Cluster, name: string): FakeNode | undefined {
  return cluster.running.find((node) => node.name === name);
}

async function happen(cluster: Cluster, what: Event): Promise<void> {
  switch (what.kind) {
    case "split":
      cluster.connected = (from, to) =>
        ((what.sides >> names.indexOf(from)) & 1) === ((what.sides >> names.indexOf(to)) & 1);
      return;
    case "heal":
      cluster.connected = () => true;
      return;
    case "start":
      if (running(cluster, names[what.at]!) === undefined) cluster.add(names[what.at]!, { failBackDelayMs: 5_000 });
      return;
    case "kill":
      running(cluster, names[what.at]!)?.kill();
      return;
    case "leave": {
      const node = running(cluster, names[what.at]!);
      void node?.membership.leave().then(() => node.kill());
      return;
    }
    case "freeze": {
      const node = running(cluster, names[what.at]!);
      if (node !== undefined) await cluster.freeze(node, what.durationMs);
    }
  }
}

/** Sets of nodes that hear each other. */
function sides(cluster: Cluster): readonly (readonly FakeNode[])[] {
  const found: FakeNode[][] = [];
  for (const node of cluster.running) {
    const side = found.find(([first]) => cluster.connected(first!.name, node.name));
    if (side === undefined) found.push([node]);
    else side.push(node);
  }
  return found;
}

test(
  "whatever happened, every side of the network soon has one announcer for each address",
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ seed, faults, events }) => {
        const cluster = new Cluster(seed, 5);
        cluster.faults = faults;
        for (const name of names.slice(0, 3)) cluster.add(name, { failBackDelayMs: 5_000 });
        for (const { event: what, thenMs } of events) {
          await happen(cluster, what);
          await cluster.pass(thenMs);
        }
        cluster.faults = { loss: 0, duplication: 0, delayMs: 1 };
        for (let round = 0; round < 2; round++) {
          await cluster.pass(4_000);
          for (const side of sides(cluster)) {
            for (const address of cluster.addresses) {
              const announcers = side.filter(({ announced }) => announced.has(address)).map(({ name }) => name);
              assert.equal(
                announcers.length,
                1,
                `${address}: ${announcers.join()} of ${side.map(({ name }) => name).join()}`,
              );
            }
          }
          cluster.connected = () => true;
        }
      }),
      { numRuns: 60 },
    );
  },
);

test("an address is never without an announcer for longer than it takes to notice", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(0, 0.05),
      fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
      async (seed, loss, kills) => {
        const cluster = new Cluster(seed, 5);
        for (const name of names.slice(0, 3)) cluster.add(name, { failBackDelayMs: 2_000 });
        cluster.faults = { loss, duplication: 0.1, delayMs: 20 };
        await cluster.pass(2_000);
        const sinceMs = new Map<string, number>();
        let worstMs = 0;
        const look = (): void => {
          for (const address of cluster.addresses) {
            if (cluster.announcers(address).length > 0) sinceMs.delete(address);
            else sinceMs.set(address, (sinceMs.get(address) ?? 0) + 10);
            worstMs = Math.max(worstMs, sinceMs.get(address) ?? 0);
          }
        };
        for (const at of kills) {
          running(cluster, names[at]!)?.kill();
          await cluster.pass(1_500, look);
          cluster.add(names[at]!, { failBackDelayMs: 2_000 });
          await cluster.pass(3_500, look);
        }
        assert.ok(worstMs <= 1_000, `${worstMs} ms`);
      },
    ),
    { numRuns: 40 },
  );
});
