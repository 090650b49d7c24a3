// SPDX-License-Identifier: Apache-2.0
// Which identifier and which next hops follow from the addresses of a node.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { nextHopsFor, routerIdFor } from "../../../../src/announce/bgp/node-addresses.ts";

const addresses = new Map([
  ["lo", ["127.0.0.1", "::1"]],
  ["eth0", ["10.0.0.1", "10.0.0.2", "fe80::1", "2001:db8::1", "2001:db8::2"]],
  ["eth1", ["fe80::2", "2001:db8:1::1"]],
]);

suite("the BGP identifier", () => {
  const cases: readonly [string, string, string, number][] = [
    ["is the configured one", "1.2.3.4", "10.0.0.1", 0x01020304],
    ["is the IPv4 address of the session", "", "10.0.0.2", 0x0a000002],
    ["is the first IPv4 address of the interface of the session", "", "2001:db8::1", 0x0a000001],
    // CRC-32 of "node-a", as `crc32` has it.
    ["comes from the name where there is no IPv4", "", "2001:db8:1::1", 0x78994dab],
    ["comes from the name where the address is of no interface", "", "2001:db8:9::1", 0x78994dab],
  ];
  for (const [name, configured, local, expected] of cases) {
    test(name, () => assert.equal(routerIdFor(configured, local, "node-a", addresses), expected));
  }

  test("is never 0", () => assert.equal(routerIdFor("", "::1", "", new Map()), 1));
});

suite("next hops", () => {
  test("of an IPv4 session: itself, and a global IPv6 address of its interface", () => {
    assert.deepEqual(nextHopsFor("10.0.0.2", addresses), { 4: "10.0.0.2", 6: "2001:db8::1" });
    assert.deepEqual(nextHopsFor("127.0.0.1", addresses), { 4: "127.0.0.1", 6: null });
    assert.deepEqual(nextHopsFor("192.0.2.1", addresses), { 4: "192.0.2.1", 6: null });
  });

  test("of an IPv6 session: itself, and an IPv4 address of its interface", () => {
    assert.deepEqual(nextHopsFor("2001:db8::2", addresses), { 4: "10.0.0.1", 6: "2001:db8::2" });
    assert.deepEqual(nextHopsFor("2001:db8:1::1", addresses), { 4: null, 6: "2001:db8:1::1" });
  });
});
