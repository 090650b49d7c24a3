// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { allocate, type AllocatorService } from "../../../../src/announce/allocator/allocator.ts";
import type { IPAddressPool } from "../../../../src/model/index.ts";
import { pool, service } from "./builders.ts";

/** `name=address,address` or `name!reason`, in the order of the services. */
function outcome(pools: readonly IPAddressPool[], services: readonly AllocatorService[]): readonly string[] {
  return allocate(pools, services).services.map(({ service: key, addresses, failure }) => {
    const name = key.slice("default/".length);
    return failure === null ? `${name}=${addresses.join(",")}` : `${name}!${failure}`;
  });
}

const four = pool("four", ["10.0.0.0/30"]);
const dual = pool("dual", ["10.1.0.0/30", "fd00::/126"]);

describe("addresses of one family", () => {
  test("are the lowest free ones, in the order of the ranges", () => {
    const pools = [pool("p", ["10.0.0.8-10.0.0.9", "10.0.0.0/31"])];
    const names = ["a", "b", "c", "d", "e"].map((name) => service(name));
    assert.deepEqual(outcome(pools, names), [
      "a=10.0.0.8",
      "b=10.0.0.9",
      "c=10.0.0.0",
      "d=10.0.0.1",
      "e!no IPv4 address is free in p",
    ]);
  });

  test("stay with those who have them, wherever these stand", () => {
    const services = [service("a"), service("b", { current: ["10.0.0.0"] })];
    assert.deepEqual(outcome([four], services), ["a=10.0.0.1", "b=10.0.0.0"]);
  });

  test("are given up when the pool no longer has them, and the reason is told", () => {
    const [result] = allocate([four], [service("a", { current: ["10.9.9.9"] })]).services;
    assert.deepEqual(result?.addresses, ["10.0.0.0"]);
    assert.deepEqual(result?.notes, ["10.9.9.9 cannot be kept: 10.9.9.9 is in no pool"]);
  });

  test("may be asked for, also in a pool that hands out nothing by itself", () => {
    const closed = pool("closed", ["10.0.0.0/30"], { autoAssign: false });
    assert.deepEqual(outcome([closed], [service("a", { requested: ["10.0.0.2"] })]), ["a=10.0.0.2"]);
    assert.deepEqual(outcome([closed], [service("a", { requestedPool: "closed" })]), ["a=10.0.0.0"]);
    assert.deepEqual(outcome([closed], [service("a")]), ["a!no pool hands out addresses to this service by itself"]);
  });

  test("that are asked for by name are not handed out to those before who take any", () => {
    const both = { families: [4, 6], familyPolicy: "PreferDualStack", current: ["fd00::3"] } as const;
    const services = [service("any"), service("both", both), service("named", { requested: ["10.1.0.0"] })];
    assert.deepEqual(outcome([dual], services), ["any=10.1.0.1", "both=10.1.0.2,fd00::3", "named=10.1.0.0"]);
  });

  test("that are asked for move a service", () => {
    const services = [service("a", { current: ["10.0.0.0"], requested: ["10.0.0.3"] }), service("b")];
    assert.deepEqual(outcome([four], services), ["a=10.0.0.3", "b=10.0.0.0"]);
  });

  test("that end in .0 or .255 are skipped where the pool says so", () => {
    const careful = pool("careful", ["10.0.0.254-10.0.1.1"], { avoidBuggyIPs: true });
    assert.deepEqual(outcome([careful], [service("a"), service("b"), service("c")]), [
      "a=10.0.0.254",
      "b=10.0.1.1",
      "c!no IPv4 address is free in careful",
    ]);
    assert.deepEqual(outcome([careful], [service("a", { requested: ["10.0.0.255"] })]), [
      "a!10.0.0.255 is not to be had: the pool careful avoids addresses that end in .0 or .255",
    ]);
    const { ipv4 } = allocate([careful], [service("a")]).pools[0]!;
    assert.deepEqual(ipv4, { total: 2n, inUse: 1 });
  });
});

describe("what is refused", () => {
  const cases: readonly [what: string, more: Partial<AllocatorService>, reason: string][] = [
    ["no address", { requested: ["ten"] }, '"ten" is no IP address'],
    ["two of one family", { requested: ["10.0.0.1", "10.0.0.2"] }, "10.0.0.1 and 10.0.0.2 are of the same family"],
    [
      "another family",
      { requested: ["10.0.0.1"], families: [6] },
      "10.0.0.1 does not fit the families of the service, IPv6",
    ],
    ["an address of no pool", { requested: ["10.5.0.1"] }, "10.5.0.1 is in no pool"],
    ["two pools", { requested: ["10.0.0.1"], requestedPool: "dual" }, "10.0.0.1 is not in the requested pool dual"],
    ["an unknown pool", { requestedPool: "nope" }, "there is no pool nope"],
    ["a pool without the family", { requestedPool: "four", families: [6] }, "the pool four has no IPv6 range"],
    [
      "addresses of two pools",
      { requested: ["10.0.0.1", "fd00::1"], families: [4, 6], familyPolicy: "RequireDualStack" },
      "10.0.0.1 and fd00::1 is in no pool",
    ],
  ];
  for (const [what, more, reason] of cases) {
    test(what, () => {
      assert.deepEqual(outcome([four, dual], [service("a", more)]), [`a!${reason}`]);
    });
  }

  test("everything, without pools", () => {
    assert.deepEqual(outcome([], [service("a")]), ["a!there is no IPAddressPool"]);
  });
});

describe("dual stack", () => {
  const both = { families: [6, 4], familyPolicy: "RequireDualStack" } as const;
  const prefers = { families: [6, 4], familyPolicy: "PreferDualStack" } as const;

  test("needs one pool with both, and lists IPv4 first", () => {
    assert.deepEqual(outcome([four, dual], [service("a", both)]), ["a=10.1.0.0,fd00::"]);
    assert.deepEqual(outcome([four], [service("a", both)]), ["a!no IPv6 and IPv4 address is free in four"]);
  });

  test("where only preferred, falls back to the primary family, then to the other", () => {
    const six = pool("six", ["fd01::/126"]);
    assert.deepEqual(outcome([four, six], [service("a", prefers)]), ["a=fd01::"]);
    assert.deepEqual(outcome([four], [service("a", prefers)]), ["a=10.0.0.0"]);
  });

  test("gets its second address from the same pool once there is one, never one that somebody has", () => {
    const a = service("a", { ...prefers, current: ["10.1.0.2"] });
    const b = service("b", { families: [6], current: ["fd00::"] });
    assert.deepEqual(outcome([dual], [a, b]), ["a=10.1.0.2,fd00::1", "b=fd00::"]);
    assert.deepEqual(outcome([four], [service("a", { ...prefers, current: ["10.0.0.2"] })]), ["a=10.0.0.2"]);
  });
});

describe("pools for particular services", () => {
  const pinned = (name: string, ranges: readonly string[], priority: number, namespaces: readonly string[]) =>
    pool(name, ranges, {
      serviceAllocation: { priority, namespaces, namespaceSelectors: [], serviceSelectors: [] },
    });

  test("come before others, by priority, 0 last", () => {
    const pools = [
      pinned("none", ["10.3.0.0/32"], 0, ["default"]),
      pinned("second", ["10.2.0.0/32"], 20, ["default"]),
      pinned("first", ["10.1.0.0/32"], 10, ["default"]),
      pool("any", ["10.4.0.0/32"]),
      pinned("foreign", ["10.5.0.0/32"], 1, ["other"]),
    ];
    const services = ["a", "b", "c", "d", "e"].map((name) => service(name));
    assert.deepEqual(outcome(pools, services), [
      "a=10.1.0.0",
      "b=10.2.0.0",
      "c=10.3.0.0",
      "d=10.4.0.0",
      "e!no IPv4 address is free in any, first, none, second",
    ]);
  });

  test("refuse others, also when these ask for them by name", () => {
    const foreign = pinned("foreign", ["10.5.0.0/32"], 1, ["other"]);
    const services = [service("a", { requested: ["10.5.0.0"] }), service("b", { requestedPool: "foreign" })];
    assert.deepEqual(outcome([foreign], services), [
      "a!the pool foreign is not for this service",
      "b!the pool foreign is not for this service",
    ]);
  });

  test("may select by labels of the namespace and of the service", () => {
    const selector = (key: string, value: string) => ({ matchLabels: { [key]: value }, matchExpressions: [] });
    const selective = pool("selective", ["10.6.0.0/30"], {
      serviceAllocation: {
        priority: 0,
        namespaces: [],
        namespaceSelectors: [selector("team", "blue")],
        serviceSelectors: [selector("tier", "web"), selector("tier", "api")],
      },
    });
    const blue = { namespaceLabels: { team: "blue" } };
    const services = [
      service("a", { ...blue, labels: { tier: "api" } }),
      service("b", { ...blue, labels: { tier: "db" } }),
      service("c", { labels: { tier: "api" } }),
    ];
    const refused = "no pool hands out addresses to this service by itself";
    assert.deepEqual(outcome([selective], services), ["a=10.6.0.0", `b!${refused}`, `c!${refused}`]);
  });
});

describe("sharing", () => {
  const shares = { sharingKey: "key" } as const;

  test("gives the lowest address that passes, which may be used already", () => {
    const services = [service("a", shares), service("b", { ...shares, ports: ["UDP/80"] }), service("c", shares)];
    assert.deepEqual(outcome([four], services), ["a=10.0.0.0", "b=10.0.0.0", "c=10.0.0.1"]);
  });

  const conflicts: readonly [what: string, more: Partial<AllocatorService>, reason: string][] = [
    ["a port that is taken", { ...shares }, "its port TCP/80 is used by default/a"],
    [
      "another key",
      { sharingKey: "other", ports: ["TCP/81"] },
      "it is used by default/a, whose sharing key is another",
    ],
    ["no key", { ports: ["TCP/81"] }, "it is used by default/a, and not both allow sharing"],
    [
      "other pods behind local traffic",
      { ...shares, ports: ["TCP/81"], backendKey: "app=b" },
      "it is used by default/a, whose externalTrafficPolicy or selector is another",
    ],
  ];
  for (const [what, more, reason] of conflicts) {
    test(`is refused for ${what}`, () => {
      const holder = service("a", { ...shares, current: ["10.0.0.0"] });
      const services = [holder, service("b", { ...more, requested: ["10.0.0.0"] })];
      assert.deepEqual(outcome([four], services), ["a=10.0.0.0", `b!10.0.0.0 is not to be had: ${reason}`]);
    });
  }

  test("a sole user may change its key and its ports", () => {
    const services = [service("a", { sharingKey: "new", ports: ["TCP/9"], current: ["10.0.0.0"] })];
    assert.deepEqual(outcome([four], services), ["a=10.0.0.0"]);
  });
});
