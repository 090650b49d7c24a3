// SPDX-License-Identifier: Apache-2.0
// What must hold of any allocation, for random pools and services.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";
import { allocate, type Allocation, type AllocatorService } from "../../src/announce/allocator/allocator.ts";
import { ip } from "../../src/core/index.ts";
import type { IPAddressPool } from "../../src/model/index.ts";
import { pool, service } from "../unit/announce/allocator/builders.ts";

const familySets = [
  { families: [4], familyPolicy: "SingleStack" },
  { families: [6], familyPolicy: "SingleStack" },
  { families: [4, 6], familyPolicy: "PreferDualStack" },
  { families: [6, 4], familyPolicy: "RequireDualStack" },
] as const satisfies readonly Pick<AllocatorService, "families" | "familyPolicy">[];

const someAddress = fc.constantFrom("10.0.0.0", "10.0.0.1", "10.0.0.255", "10.1.0.2", "fd00::1", "fd01::", "192.0.2.1");

const pools: fc.Arbitrary<readonly IPAddressPool[]> = fc
  .uniqueArray(
    fc.record({
      index: fc.integer({ min: 0, max: 4 }),
      v4: fc.option(fc.integer({ min: 0, max: 5 })),
      v6: fc.option(fc.integer({ min: 0, max: 3 })),
      autoAssign: fc.boolean(),
      avoidBuggyIPs: fc.boolean(),
      pinned: fc.option(fc.record({ priority: fc.integer({ min: 0, max: 2 }), here: fc.boolean() })),
    }),
    { selector: ({ index }) => index, maxLength: 5 },
  )
  .map((specs) =>
    specs.map(({ index, v4, v6, autoAssign, avoidBuggyIPs, pinned }) => {
      const ranges = [
        ...(v4 === null ? [] : [`10.${index}.0.0-10.${index}.0.${v4}`]),
        ...(v6 === null ? [] : [`fd0${index}::-fd0${index}::${v6}`]),
      ];
      const serviceAllocation = pinned && {
        priority: pinned.priority,
        namespaces: [pinned.here ? "default" : "elsewhere"],
        namespaceSelectors: [],
        serviceSelectors: [],
      };
      return pool(`pool-${index}`, ranges, { autoAssign, avoidBuggyIPs, serviceAllocation });
    }),
  );

const services: fc.Arbitrary<readonly AllocatorService[]> = fc
  .array(
    fc.record({
      stack: fc.constantFrom(...familySets),
      sharingKey: fc.constantFrom("", "", "x", "y"),
      backendKey: fc.constantFrom("", "app=a"),
      ports: fc.subarray(["TCP/80", "TCP/443", "UDP/53"], { minLength: 1 }),
      current: fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        fc.array(someAddress, { minLength: 1, maxLength: 2 }),
      ),
      requested: fc.oneof(
        { weight: 5, arbitrary: fc.constant([]) },
        fc.array(someAddress, { minLength: 1, maxLength: 2 }),
      ),
    }),
    { maxLength: 12 },
  )
  .map((specs) => specs.map(({ stack, ...more }, index) => service(`s${index}`, { ...stack, ...more })));

test("no address is outside its pool, of a wrong family, or had by two who do not share it", () => {
  fc.assert(
    fc.property(pools, services, (specs, all) => {
      const results = allocate(specs, all).services;
      const users = new Map<string, AllocatorService[]>();
      for (const [index, result] of results.entries()) {
        const user = all[index]!;
        assert.equal(result.addresses.length === 0, result.failure !== null);
        for (const text of result.addresses) {
          const address = ip.parse(text)!;
          assert.ok(user.families.includes(address.family));
          assert.ok(rangesOf(specs, result.pool).some((range) => ip.contains(range, address)));
          for (const other of users.get(text) ?? []) assertShareable(user, other);
          users.set(text, [...(users.get(text) ?? []), user]);
        }
        if (result.failure === null && user.familyPolicy === "RequireDualStack")
          assert.equal(result.addresses.length, 2);
      }
    }),
    { numRuns: 500 },
  );
});

test("equal input gives equal addresses, in whatever order the pools come", () => {
  fc.assert(
    fc.property(pools, services, (specs, all) => {
      assert.deepEqual(allocate(specs.toReversed(), all), allocate(specs, all));
    }),
    { numRuns: 500 },
  );
});

test("what was given once stays, also when services and pools come and go", () => {
  fc.assert(
    fc.property(pools, services, fc.nat(), (specs, all, seed) => {
      const before = allocate(specs, all).services;
      const settled = all.map((each, index) => ({ ...each, current: before[index]!.addresses }));
      assert.deepEqual(addressesOf(allocate(specs, settled).services), addressesOf(before));
      const gone = all.length === 0 ? -1 : seed % all.length;
      const left = settled.filter((_, index) => index !== gone);
      const newcomer = service("newcomer");
      const after = allocate(specs, [newcomer, ...left]).services.slice(1);
      for (const [index, { addresses, service: key }] of after.entries()) {
        const had = left[index]!.current;
        // Freed addresses may complete a dual stack, and serve those who had none.
        for (const address of had) assert.ok(addresses.includes(address), `${key} lost ${address}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("who comes last, or asks for an address by name that nobody has, moves nobody", () => {
  fc.assert(
    fc.property(pools, services, fc.option(someAddress), (specs, all, asked) => {
      const before = allocate(specs, all).services;
      const last = service("last", { families: asked?.includes(":") === true ? [6] : [4] });
      assert.deepEqual(addressesOf(allocate(specs, [...all, last]).services).slice(0, -1), addressesOf(before));
      const isFree = asked !== null && before.every(({ addresses }) => !addresses.includes(asked));
      if (!isFree) return;
      const named = { ...last, requested: [asked] };
      assert.deepEqual(addressesOf(allocate(specs, [...all, named]).services).slice(0, -1), addressesOf(before));
      assert.deepEqual(addressesOf(allocate(specs, [named, ...all]).services).slice(1), addressesOf(before));
    }),
    { numRuns: 500 },
  );
});

test("who asks for an address by name has it, wherever others that take any are put or leave", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ named: fc.boolean(), at: fc.nat({ max: 40 }) }), { maxLength: 20 }),
      fc.nat({ max: 20 }),
      (specs, place) => {
        const taken = new Set<number>();
        const all = specs.map(({ named, at }, index) => {
          const isFirst = named && !taken.has(at);
          if (isFirst) taken.add(at);
          return service(`s${index}`, isFirst ? { requested: [`10.0.0.${at}`] } : {});
        });
        const wide = [pool("wide", ["10.0.0.0/24"])];
        for (const list of [all, all.toSpliced(place, 0, service("newcomer")), all.toSpliced(place, 1)]) {
          for (const [index, { addresses }] of allocate(wide, list).services.entries()) {
            assert.equal(addresses.length, 1);
            const { requested } = list[index]!;
            if (requested.length > 0) assert.deepEqual(addresses, requested);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

function addressesOf(results: readonly Allocation[]): readonly (readonly string[])[] {
  return results.map(({ addresses }) => addresses);
}

function rangesOf(specs: readonly IPAddressPool[], name: string): readonly ip.IpRange[] {
  const found = specs.find((each) => each.name === name);
  assert.ok(found, `there is no pool ${name}`);
  return found.ranges.map(({ family, first, last }) => ({
    family,
    first: ip.parse(first)!.value,
    last: ip.parse(last)!.value,
  }));
}

function assertShareable(left: AllocatorService, right: AllocatorService): void {
  assert.notEqual(left.sharingKey, "");
  assert.equal(left.sharingKey, right.sharingKey);
  assert.equal(left.backendKey, right.backendKey);
  assert.deepEqual(
    left.ports.filter((port) => right.ports.includes(port)),
    [],
  );
}
