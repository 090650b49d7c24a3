// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { BlockList, SocketAddress } from "node:net";
import { test } from "node:test";

import * as fc from "fast-check";
import { ip } from "../../../src/core/index.ts";

test("canonical text is that of RFC 5952", () => {
  const cases = [
    ["2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["FE80:0:0:0:0:0:0:1", "fe80::1"],
    ["1::", "1::"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["10.0.0.1", "10.0.0.1"],
  ] as const;
  for (const [text, canonical] of cases) assert.equal(ip.format(ip.parse(text)!), canonical);
});

test("what is no address or prefix is null", () => {
  for (const text of ["", "10.0.0", "10.0.0.256", "fe80::1%eth0", "[::1]", "1.2.3.4/24"])
    assert.equal(ip.parse(text), null);
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "x/8"]) {
    assert.equal(ip.parseCidr(text), null);
  }
});

test("a prefix drops host bits", () => {
  const { family, first, last } = ip.parseCidr("10.1.2.3/8")!;
  assert.deepEqual(
    [ip.format({ family, value: first }), ip.format({ family, value: last })],
    ["10.0.0.0", "10.255.255.255"],
  );
});

test("text and number are two forms of one address, as Node reads it", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = ip.parse(text)!;
      const again = ip.format(address);
      assert.deepEqual(ip.parse(again), address);
      const family = address.family === 4 ? "ipv4" : "ipv6";
      const list = new BlockList();
      list.addAddress(new SocketAddress({ address: text, family }));
      assert.ok(list.check(again, family));
    }),
  );
});

test("the prefixes of a range make up exactly the range, in order", () => {
  const value = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n });
  fc.assert(
    fc.property(value, value, (left, right) => {
      const [first, last] = left < right ? [left, right] : [right, left];
      let next = first;
      for (const cidr of ip.cidrsOf({ family: 4, first, last })) {
        const prefix = ip.parseCidr(cidr)!;
        assert.equal(prefix.first, next);
        next = prefix.last + 1n;
      }
      assert.equal(next, last + 1n);
    }),
  );
});

test("a map of ranges finds what overlaps, as looking at all of them does", () => {
  const end = fc.integer({ min: 0, max: 60 });
  const range = fc
    .record({ family: fc.constantFrom(4 as const, 6 as const), from: end, length: end })
    .map(({ family, from, length }): ip.IpRange => ({
      family,
      first: BigInt(from),
      last: BigInt(from + (length % 9)),
    }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
      const map = new ip.RangeMap<ip.IpRange>();
      const all: ip.IpRange[] = [];
      for (const each of ranges) {
        const overlapping = all.filter((other) => ip.overlaps(other, each));
        const lowest = overlapping.toSorted((left, right) => Number(left.first - right.first))[0];
        assert.deepEqual(map.overlapping(each), lowest);
        if (lowest !== undefined) continue;
        map.add(each, each);
        all.push(each);
      }
    }),
  );
});

test("a range can be written by its ends", () => {
  assert.deepEqual(ip.rangeOf({ family: 4, first: "10.0.0.0", last: "10.0.0.255" }), ip.parseCidr("10.0.0.0/24"));
  assert.deepEqual(ip.rangeOf({ family: 6, first: "fd00::", last: "fd00::ff" }), ip.parseCidr("fd00::/120"));
});
