// SPDX-License-Identifier: Apache-2.0
// Heartbeats byte by byte, and what is no heartbeat.

import assert from "node:assert/strict";
import { createHmac, createSecretKey } from "node:crypto";
import { test } from "node:test";

import {
  cutIntoParts,
  encodeHeartbeat,
  fittingReach,
  labelsFit,
  maxHeartbeatBytes,
  maxParts,
  readHeartbeat,
} from "../../../../src/announce/membership/heartbeat.ts";
import { parseKeys } from "../../../../src/announce/membership/keys.ts";
import { testKey } from "./cluster.ts";
import { heartbeat } from "./heartbeats.ts";

const otherKey = createSecretKey(Buffer.alloc(32, "o"));

/** What `heartbeat()` is on the wire, without its signature. */
const golden = [
  "6e617275 02 06", // magic, version, flags: ready, reach known
  "0102030405060708 00000009 1112131415161718 0000ea60", // boot, sequence, challenge, ready for
  "01 2122232425262728", // heard
  "06 6e6f64652d61", // node
  "02 04 7a6f6e65 01 61 04 65646765 00", // labels: zone=a, edge
  "01 04 65746830 02 04 16 0a0000 06 40 fd00000000000000", // eth0: 10.0.0.0/22, fd00::/64
  "00000003 00 01 02 04 0a000007 06 fd000000000000000000000000000007", // revision, part, addresses
  "01 04 0a000008", // withheld
]
  .join("")
  .replaceAll(" ", "");

function signed(hex: string): Buffer {
  const bytes = Buffer.from(hex, "hex");
  return Buffer.concat([bytes, createHmac("sha256", testKey).update(bytes).digest()]);
}

test("a heartbeat is these bytes, and these bytes are the heartbeat", () => {
  assert.equal(encodeHeartbeat(heartbeat(), testKey).subarray(0, -32).toString("hex"), golden);
  assert.deepEqual(encodeHeartbeat(heartbeat(), testKey), signed(golden));
  assert.deepEqual(readHeartbeat(signed(golden), [testKey]), heartbeat());
});

test("any of the keys may have signed it, and no other", () => {
  const bytes = encodeHeartbeat(heartbeat(), otherKey);
  assert.deepEqual(readHeartbeat(bytes, [testKey, otherKey]), heartbeat());
  assert.equal(readHeartbeat(bytes, [testKey]), "unauthenticated");
});

test("no bit of it can be changed", () => {
  const bytes = encodeHeartbeat(heartbeat(), testKey);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(typeof readHeartbeat(changed, [testKey]), "string", `bit ${bit}`);
  }
});

test("nothing can be cut off or added, by whoever has no key", () => {
  const bytes = encodeHeartbeat(heartbeat(), testKey);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(typeof readHeartbeat(bytes.subarray(0, length), [testKey]), "string");
  }
  assert.equal(readHeartbeat(Buffer.concat([bytes, Buffer.alloc(1)]), [testKey]), "unauthenticated");
  assert.equal(readHeartbeat(Buffer.concat([bytes, Buffer.alloc(2_000)]), [testKey]), "malformed");
});

const malformed: readonly (readonly [string, string])[] = [
  ["another magic", golden.replace(/^6e/, "6f")],
  ["a flag that does not exist", golden.replace("0206", "020e")],
  ["interfaces, and the flag that they are not known", golden.replace("0206", "0202")],
  ["17 challenges", golden.replace("012122232425262728", `11${"2122232425262728".repeat(17)}`)],
  ["a node without a name", golden.replace("066e6f64652d61", "00")],
  ["a space in a name", golden.replace("6e6f64652d61", "6e6f20652d61")],
  ["an interface's name of 16 characters", golden.replace("0465746830", `10${"65".repeat(16)}`)],
  ["a prefix longer than its family", golden.replace("04160a0000", "04210a00000000")],
  ["bits beyond the length of a prefix", golden.replace("04160a0000", "04160a0001")],
  ["a label without a name", golden.replace("02047a6f6e65", "0200")],
  ["a label twice", golden.replace("65646765", "7a6f6e65")],
  ["a family that does not exist", golden.replace("04160a0000", "05160a0000")],
  ["a part beyond the last", golden.replace("000000030001", "000000030101")],
  ["no part", golden.replace("000000030001", "000000030000")],
  ["33 parts", golden.replace("000000030001", "000000030021")],
  ["an address less than it says", golden.replace("00000003000102", "00000003000103")],
  ["an address more than it says", golden.replace("00000003000102", "00000003000101")],
  ["a byte too many", `${golden}00`],
  ["a byte too few", golden.slice(0, -2)],
];

for (const [name, hex] of malformed) {
  test(`signed, and still no heartbeat: ${name}`, () => {
    assert.notEqual(hex, golden);
    assert.equal(readHeartbeat(signed(hex), [testKey]), "malformed");
  });
}

test("another version is told apart", () => {
  assert.equal(readHeartbeat(signed(golden.replace("0206", "0106")), [testKey]), "version");
});

test("many addresses are cut into packets that are full and fit", () => {
  const addresses = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}`);
  const lists = { announced: addresses.slice(300), withheld: addresses.slice(0, 300) };
  const parts = cutIntoParts(lists, { node: "node-a", labels: {}, reach: [] });
  assert.deepEqual(
    parts.flatMap(({ withheld, announced }) => [...withheld, ...announced]),
    addresses,
  );
  assert.ok(parts.length <= 6);
  for (const [part, each] of parts.entries()) {
    const place = { revision: 0xffff_ffff, part, parts: parts.length };
    const heard = Array.from({ length: 16 }, () => 2n ** 64n - 1n);
    const bytes = encodeHeartbeat(heartbeat({ reach: [], labels: {}, heard, part: { ...each, ...place } }), testKey);
    assert.ok(bytes.length <= maxHeartbeatBytes);
    if (part < parts.length - 1) assert.ok(bytes.length > maxHeartbeatBytes - 5);
  }
});

test("what has no room at all is left out, interfaces and addresses", () => {
  const addresses = Array.from({ length: 20_000 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}`);
  const lists = { announced: addresses, withheld: [] };
  assert.equal(cutIntoParts(lists, { node: "node-a", labels: {}, reach: [] }).length, maxParts);
  const prefixes = Array.from({ length: 100 }, (_, index) => `fd00:0:0:${index.toString(16)}::/64`);
  const fitting = fittingReach([
    { name: "a name that is no name of an interface", prefixes },
    { name: "eth0", prefixes: ["10.0.0.0/24"] },
    { name: "eth1", prefixes },
    { name: "eth2", prefixes: [] },
  ]);
  assert.deepEqual(
    fitting.map(({ name, prefixes: kept }) => [name, kept.length]),
    [
      ["eth0", 1],
      ["eth1", 38],
    ],
  );
  const labels = { ["k".repeat(135)]: "v".repeat(63) };
  assert.deepEqual([labelsFit(labels), labelsFit({ ...labels, k: "" }), labelsFit({ k: "é" })], [true, false, false]);
  const longest = heartbeat({ node: "n".repeat(253), labels, reach: fitting });
  const parts = cutIntoParts(lists, longest);
  assert.ok(parts[0]!.announced.length > 25);
  const part = { revision: 1, part: 0, parts: 32, ...parts[0]! };
  assert.ok(encodeHeartbeat({ ...longest, part }, testKey).length <= maxHeartbeatBytes);
});

const key1 = "0123456789abcdef0123456789abcdef";
const key2 = "fedcba9876543210fedcba9876543210";

test("a file has one key a line, and may say what they are", () => {
  const keys = parseKeys(`# new\n${key1}\n\n# old\n  ${key2} \r\n`);
  assert.ok(typeof keys !== "string");
  assert.deepEqual(
    keys.map((key) => key.export().toString()),
    [key1, key2],
  );
});

for (const [name, text, expected] of [
  ["nothing", "# none\n", "there is no key"],
  ["a short key", `${key1}\n${key2.slice(1)}\n`, "key 2 is shorter than 32 characters (openssl rand -hex 32)"],
  ["too many", `${key1}\n`.repeat(5), "there are 5 keys, at most 4 are used"],
] as const) {
  test(`keys are refused, without a word of them: ${name}`, () => {
    assert.equal(parseKeys(text), expected);
  });
}
