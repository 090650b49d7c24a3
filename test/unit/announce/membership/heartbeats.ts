// SPDX-License-Identifier: Apache-2.0
// Heartbeats for tests: one with defaults, and any.

import * as fc from "fast-check";

import {
  cutIntoParts,
  fittingReach,
  labelsFit,
  maxHeard,
  maxParts,
  type Heartbeat,
} from "../../../../src/announce/membership/heartbeat.ts";
import type { Reach } from "../../../../src/announce/membership/member.ts";
import { ip } from "../../../../src/core/index.ts";

export function heartbeat(more: Partial<Heartbeat> = {}): Heartbeat {
  return {
    node: "node-a",
    bootId: 0x0102_0304_0506_0708n,
    sequence: 9,
    challenge: 0x1112_1314_1516_1718n,
    heard: [0x2122_2324_2526_2728n],
    labels: { zone: "a", edge: "" },
    leaving: false,
    ready: true,
    readyMs: 60_000,
    reach: [{ name: "eth0", prefixes: ["10.0.0.0/22", "fd00::/64"] }],
    part: { revision: 3, part: 0, parts: 1, announced: ["10.0.0.7", "fd00::7"], withheld: ["10.0.0.8"] },
    ...more,
  };
}

const printable = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCodePoint(code)),
    minLength: 1,
    maxLength,
  });

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u32 = fc.nat(0xffff_ffff);

const someIp = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
);

const prefix = fc.tuple(someIp, fc.nat(128)).map(([address, length]) => {
  const bits = Math.min(length, address.family === 4 ? 32 : 128);
  return `${ip.format({ family: address.family, value: ip.prefixAround(address, bits).first })}/${bits}`;
});

export const someAddresses = fc.array(someIp.map(ip.format), { maxLength: 300 });
export const someReach: fc.Arbitrary<readonly Reach[]> = fc.array(
  fc.record({ name: printable(15), prefixes: fc.array(prefix, { maxLength: 20 }) }),
  { maxLength: 20 },
);

/** Whatever a node may send. */
export const anyHeartbeat: fc.Arbitrary<Heartbeat> = fc
  .record({
    node: printable(253),
    bootId: u64,
    sequence: u32,
    challenge: u64,
    heard: fc.array(u64, { maxLength: maxHeard }),
    labels: fc
      .dictionary(printable(63), fc.oneof(fc.constant(""), printable(63)), { maxKeys: 6, noNullPrototype: true })
      .filter(labelsFit),
    leaving: fc.boolean(),
    ready: fc.boolean(),
    readyMs: u32,
    reach: fc.option(someReach.map(fittingReach)),
    revision: u32,
    announced: someAddresses,
    withheld: someAddresses,
    part: fc.nat(maxParts - 1),
  })
  .map(({ revision, announced, withheld, part, ...beat }) => {
    const parts = cutIntoParts({ announced, withheld }, beat);
    const at = part % parts.length;
    return { ...beat, part: { revision, part: at, parts: parts.length, ...parts[at]! } };
  });
