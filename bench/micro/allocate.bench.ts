// SPDX-License-Identifier: Apache-2.0
// What it costs to find and take a free address: of an empty /8, and of /16s that are half full in the worst ways. Every
// answer is checked before anything is timed. Exit code 1 when one takes more than 50 µs.
//
//   node bench/micro/allocate.bench.ts

import type { Pool } from "../../src/announce/allocator/pool.ts";
import { ip } from "../../src/core/index.ts";
import { filledPool, fills, lowestFree } from "../../test/unit/announce/allocator/fills.ts";
import { service } from "../../test/unit/announce/allocator/builders.ts";

const limitUs = 50;
const allocations = 2_000;
const rounds = 5;
const newcomer = service("newcomer");

/** Microseconds per address, in the least disturbed of several rounds. */
function measure(makePool: () => Pool): number {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const pool = makePool();
    const start = performance.now();
    for (let at = 0; at < allocations; at++) {
      const address = pool.lowest(4, newcomer);
      if (address === null) throw new Error("the pool is exhausted");
      pool.take(address, newcomer);
    }
    best = Math.min(best, ((performance.now() - start) * 1_000) / allocations);
  }
  return best;
}

let failed = false;
for (const fill of fills) {
  const { name } = fill;
  const found = filledPool(fill).lowest(4, newcomer);
  if (found === null || ip.format(found) !== lowestFree(fill)) throw new Error(`${name}: a wrong address`);
  const us = measure(() => filledPool(fill));
  failed ||= us > limitUs;
  console.log(`${name.padEnd(44)} ${us.toFixed(2).padStart(7)} µs an address`);
}
if (failed) console.error(`More than ${limitUs} µs an address.`);
process.exitCode = failed ? 1 : 0;
