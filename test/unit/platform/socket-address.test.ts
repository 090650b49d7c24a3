// SPDX-License-Identifier: Apache-2.0
// Addresses as the kernel reads and writes them, held against Node's own reading of the same text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SocketAddress } from "node:net";

import * as fc from "fast-check";

import { decodeSocketAddress, encodeSocketAddress, maxAddressBytes } from "../../../src/platform/socket-address.ts";

function encoded(address: string, port = 0): Uint8Array {
  const bytes = new Uint8Array(maxAddressBytes).fill(0xff);
  return bytes.subarray(0, encodeSocketAddress(address, port, bytes));
}

test("IPv4 stands in network byte order", () => {
  assert.deepEqual([...encoded("192.0.2.1", 0x1234)], [2, 0, 0x12, 0x34, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test("IPv6 is read in every way it may be written", () => {
  const at = (address: string): string => Buffer.from(encoded(address).subarray(8, 24)).toString("hex");
  assert.equal(at("::"), "0".repeat(32));
  assert.equal(at("::1"), `${"0".repeat(31)}1`);
  assert.equal(at("2001:DB8::8:800:200c:417A"), "20010db80000000000080800200c417a");
  assert.equal(at("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
  assert.equal(at("fe80::"), `fe80${"0".repeat(28)}`);
  assert.equal(at("64:ff9b::192.0.2.33"), "0064ff9b0000000000000000c0000221");
});

test("what is no address, or a path that is too long, has no bytes", () => {
  for (const address of ["localhost", "", "1.2.3", "fe80::1%eth0", `/${"x".repeat(107)}`, "/a\0b"]) {
    assert.equal(encoded(address).length, 0, address);
  }
  assert.equal(encoded(`/${"x".repeat(106)}`).length, 110);
});

test("every address comes back as Node writes it", () => {
  const port = fc.nat({ max: 65_535 });
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), port, (address, number) => {
      const family = address.includes(":") ? "ipv6" : "ipv4";
      const bytes = encoded(address, number);
      const back = decodeSocketAddress(bytes, bytes.length);
      const expected = new SocketAddress({ address, family, port: number }).address;
      assert.equal(back.address, expected.startsWith("::ffff:") ? expected.slice(7) : expected);
      assert.equal(back.port, number);
    }),
    { numRuns: 2_000, seed: 20_261_121 },
  );
});

test("IPv4 seen through IPv6 is plain, Unix sockets have a path or nothing", () => {
  const mapped = encoded("::ffff:192.0.2.7", 80);
  assert.deepEqual(decodeSocketAddress(mapped, mapped.length), { address: "192.0.2.7", port: 80 });
  const path = encoded("/run/naru.sock");
  assert.deepEqual(decodeSocketAddress(path, path.length), { address: "/run/naru.sock", port: 0 });
  assert.deepEqual(decodeSocketAddress(path, 2), { address: "", port: 0 });
  assert.deepEqual(decodeSocketAddress(path, 0), { address: "", port: 0 });
});
