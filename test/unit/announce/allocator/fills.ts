// SPDX-License-Identifier: Apache-2.0
// Large pools with many addresses taken, in the ways that are hardest for a search.

import { Pool } from "../../../../src/announce/allocator/pool.ts";
import { ip } from "../../../../src/core/index.ts";
import { pool, service } from "./builders.ts";

export interface Fill {
  readonly name: string;
  readonly cidr: string;
  /** Offsets of addresses that somebody has. */
  readonly taken: readonly number[];
}

const half = 32_768;
const upTo = (count: number, offset: (index: number) => number): readonly number[] =>
  Array.from({ length: count }, (_, index) => offset(index));

export const fills: readonly Fill[] = [
  { name: "an empty /8", cidr: "10.0.0.0/8", taken: [] },
  { name: "a /16 whose lower half is taken", cidr: "10.9.0.0/16", taken: upTo(half, (at) => at) },
  {
    name: "a /16 of which every other address is taken",
    cidr: "10.9.0.0/16",
    taken: upTo(half, (at) => at * 2),
  },
  {
    // An odd factor, so that no address comes twice.
    name: "a /16 half full in random order",
    cidr: "10.9.0.0/16",
    taken: upTo(half, (at) => (at * 25_173 + 13_849) & 0xffff),
  },
];

/** Everything in `taken` is somebody's. */
export function filledPool({ cidr, taken }: Fill): Pool {
  const filled = new Pool(pool("large", [cidr]));
  const { first } = ip.parseCidr(cidr)!;
  const owner = service("owner");
  for (const offset of taken) filled.take({ family: 4, value: first + BigInt(offset) }, owner);
  return filled;
}

/** The lowest free address, as a scan finds it. */
export function lowestFree({ cidr, taken }: Fill): string {
  const used = new Set(taken);
  let offset = 0;
  while (used.has(offset)) offset++;
  return ip.format({ family: 4, value: ip.parseCidr(cidr)!.first + BigInt(offset) });
}
