// SPDX-License-Identifier: Apache-2.0
// That finding a free address is no scan: its steps do not grow with the range, and with its use as a logarithm does.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Pool } from "../../../../src/announce/allocator/pool.ts";
import { ip } from "../../../../src/core/index.ts";
import { countSteps } from "../../../support/count-steps.ts";
import { pool, service } from "./builders.ts";
import { filledPool, fills, lowestFree } from "./fills.ts";

/** A few calls and branches. */
const maxSteps = 60;
/** A binary search among 2^12 addresses takes 12 turns; each is a few blocks, and a few searches are needed. */
const maxSharedSteps = 200;

suite("a free address is found in few steps", () => {
  for (const fill of fills) {
    test(`in ${fill.name}`, () => {
      const filled = filledPool(fill);
      const newcomer = service("newcomer");
      let found: ReturnType<Pool["lowest"]> = null;
      const steps = countSteps("/announce/allocator/", () => {
        found = filled.lowest(4, newcomer);
        if (found !== null) filled.take(found, newcomer);
      });
      assert.ok(found !== null);
      assert.equal(ip.format(found), lowestFree(fill));
      assert.ok(steps > 0 && steps <= maxSteps, `${steps} steps`);
    });
  }

  for (const [name, ports] of [
    ["with the same port", () => ["TCP/80"]],
    ["with a port of each one's own beside", (at: number) => ["TCP/80", `TCP/${1_000 + at}`]],
  ] as const) {
    test(`also for one more of 4,096 services of one sharing key, ${name}`, () => {
      const full = new Pool(pool("large", ["10.9.0.0/16"]));
      const next = (at: number): ReturnType<Pool["lowest"]> => {
        const sharer = service(`s${at}`, { sharingKey: "all", ports: ports(at) });
        const found = full.lowest(4, sharer);
        if (found !== null) full.take(found, sharer);
        return found;
      };
      for (let at = 0; at < 4_096; at++) next(at);
      let found: ReturnType<typeof next> = null;
      const steps = countSteps("/announce/allocator/", () => {
        found = next(4_096);
      });
      assert.ok(found !== null);
      assert.equal(ip.format(found), "10.9.16.0");
      assert.ok(steps > 0 && steps <= maxSharedSteps, `${steps} steps`);
    });
  }

  test("also where 4,096 services have one address, each with a port of its own", () => {
    const shared = new Pool(pool("large", ["10.9.0.0/16"]));
    const address = { family: 4, value: ip.parse("10.9.0.0")!.value } as const;
    for (let at = 0; at < 4_096; at++) {
      shared.take(address, service(`s${at}`, { sharingKey: "all", ports: [`TCP/${1_000 + at}`] }));
    }
    const last = service("last", { sharingKey: "all", ports: ["TCP/80"] });
    let found: ReturnType<Pool["lowest"]> = null;
    const steps = countSteps("/announce/allocator/", () => {
      found = shared.conflict(address, last) === null ? shared.lowest(4, last) : null;
    });
    assert.deepEqual(found, address);
    assert.ok(steps > 0 && steps <= maxSharedSteps, `${steps} steps`);
  });

  test("which are counted: a scan would be noticed", () => {
    const filled = filledPool({ name: "", cidr: "10.9.0.0/24", taken: [] });
    const steps = countSteps("/announce/allocator/", () => {
      for (let at = 0; at < 100; at++) filled.contains({ family: 4, value: BigInt(at) });
    });
    assert.ok(steps >= 100, `${steps} steps`);
  });
});
