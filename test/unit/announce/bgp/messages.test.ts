// SPDX-License-Identifier: Apache-2.0
// Every message byte by byte, against frames that other implementations send and ones computed by hand.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { suite, test } from "node:test";

import type { Capabilities } from "../../../../src/announce/bgp/messages/capabilities.ts";
import {
  ceaseWith,
  ceaseWithText,
  describeNotification,
  encodeNotification,
  parseNotification,
  textOf,
} from "../../../../src/announce/bgp/messages/notification.ts";
import { BgpError, cease } from "../../../../src/announce/bgp/messages/errors.ts";
import { encodeKeepalive, FrameReader } from "../../../../src/announce/bgp/messages/framing.ts";
import { encodeOpen, parseOpen } from "../../../../src/announce/bgp/messages/open.ts";
import { encodePrefix, prefixText } from "../../../../src/announce/bgp/messages/prefixes.ts";
import { encodeRouteRefresh, parseRouteRefresh } from "../../../../src/announce/bgp/messages/route-refresh.ts";
import {
  encodeAnnouncements,
  encodeEndOfRib,
  encodeWithdrawals,
  parseUpdate,
} from "../../../../src/announce/bgp/messages/update.ts";
import type { PathAttributes } from "../../../../src/announce/bgp/messages/attributes.ts";

const marker = "ff".repeat(16);
const external = { fourOctetAs: true, internal: false };
const internal = { fourOctetAs: true, internal: true };

const plain: Capabilities = { families: [4, 6], routeRefresh: false, asn: 65_002, gracefulRestart: null };
const path: PathAttributes = {
  origin: "igp",
  asPath: [{ kind: "sequence", asns: [65_000] }],
  nextHop: "192.168.123.10",
  med: null,
  localPref: null,
  communities: [],
  largeCommunities: [],
};

suite("OPEN", () => {
  test("is written as MetalLB writes it", () => {
    const open = { asn: 65_002, holdTimeSeconds: 90, routerId: 0xb9ecf027, capabilities: plain };
    const golden = `${marker}003101 04fdea005ab9ecf02714 0212 01040001 0001 01040002 0001 41040000fdea`;
    assert.equal(encodeOpen(open).toString("hex"), hexOf(golden));
  });

  test("is read as Arista EOS writes it, without 4-octet AS numbers", () => {
    const open = parseOpen(bodyOf(`${marker}002b01 04fde900b4b9ecf0400e 020c 0104000100010200400200b4`));
    assert.deepEqual(open, {
      asn: 65_001,
      holdTimeSeconds: 180,
      routerId: 0xb9ecf040,
      capabilities: {
        families: [4],
        routeRefresh: true,
        asn: null,
        gracefulRestart: { restarting: false, notification: false, timeSeconds: 180, families: [] },
      },
    });
  });

  test("hides a 4-octet AS number behind AS_TRANS", () => {
    const open = {
      asn: 4_200_000_000,
      holdTimeSeconds: 0,
      routerId: 1,
      capabilities: { ...plain, asn: 4_200_000_000 },
    };
    const bytes = encodeOpen(open);
    assert.equal(bytes.readUInt16BE(20), 23_456);
    assert.equal(parseOpen(bytes.subarray(19)).asn, 4_200_000_000);
  });

  test("without capabilities stands for IPv4 alone", () => {
    const { capabilities } = parseOpen(bodyOf(`${marker}001d01 04fde9005a0102030400`));
    assert.deepEqual(capabilities.families, [4]);
    assert.equal(capabilities.asn, null);
  });

  test("may spread its capabilities over parameters with extended lengths (RFC 9072)", () => {
    const { capabilities } = parseOpen(
      bodyOf(`${marker}003201 04fde9005a01020304ff ff0012 020006010400020001 020006 41040000fde9`),
    );
    assert.deepEqual(capabilities.families, [6]);
    assert.equal(capabilities.asn, 65_001);
  });

  const wrong: readonly [string, string, string][] = [
    ["another version", "03fde9005a0102030400", "2/1:0004"],
    ["AS 0", "040000005a0102030400", "2/2:"],
    ["AS_TRANS without a capability that says more", "045ba0005a0102030400", "2/2:"],
    ["an AS number that the capability contradicts", "04fde9005a0102030408 0206 41040000fdea", "2/2:"],
    ["a 4-octet AS number of 0", "045ba0005a0102030408 0206 410400000000", "2/2:"],
    ["BGP identifier 0", "04fde9005a0000000000", "2/3:"],
    ["an authentication parameter", "04fde9005a0102030403 010100", "2/4:"],
    ["a hold time of 1 s", "04fde900010102030400", "2/6:"],
    ["a hold time of 2 s", "04fde900020102030400", "2/6:"],
    ["parameters longer than the message", "04fde9005a0102030405", "2/0:"],
    ["parameters shorter than the message", "04fde9005a010203040000", "2/0:"],
    ["a parameter that overruns", "04fde9005a0102030402 0203", "2/0:"],
    ["a parameter cut in its head", "04fde9005a0102030401 02", "2/0:"],
    ["a capability that overruns", "04fde9005a0102030404 0202 4104", "2/0:"],
    ["a multiprotocol capability of 3 bytes", "04fde9005a0102030407 0205 0103000100", "2/0:"],
    ["a 4-octet AS capability of 2 bytes", "04fde9005a0102030406 0204 4102fde9", "2/0:"],
    ["graceful restart of 3 bytes", "04fde9005a0102030407 0205 4003007800", "2/0:"],
  ];
  for (const [name, body, verdict] of wrong) {
    test(`${name} is refused`, () =>
      assert.equal(
        verdictOf(() => parseOpen(Buffer.from(hexOf(body), "hex"))),
        verdict,
      ));
  }
});

suite("framing", () => {
  const wrong: readonly [string, string, string][] = [
    ["a marker that is not all ones", `${"ff".repeat(15)}fe001304`, "1/1:"],
    ["a length below 19", `${marker}001204`, "1/2:0012"],
    ["a length above 4096", `${marker}100102`, "1/2:1001"],
    ["an OPEN of 28 bytes", `${marker}001c01`, "1/2:001c"],
    ["an UPDATE of 22 bytes", `${marker}001602`, "1/2:0016"],
    ["a NOTIFICATION of 20 bytes", `${marker}001403`, "1/2:0014"],
    ["a KEEPALIVE with a body", `${marker}001404`, "1/2:0014"],
    ["type 0", `${marker}001300`, "1/3:00"],
    ["type 6", `${marker}001306`, "1/3:06"],
  ];
  for (const [name, bytes, verdict] of wrong) {
    test(`${name} is refused from its header alone`, () => {
      const reader = new FrameReader();
      reader.push(Buffer.from(bytes, "hex"));
      assert.equal(
        verdictOf(() => reader.next()),
        verdict,
      );
    });
  }

  test("a header that is not complete is no message yet", () => {
    const reader = new FrameReader();
    reader.push(encodeKeepalive().subarray(0, 18));
    assert.equal(reader.next(), null);
    reader.push(encodeKeepalive().subarray(18));
    assert.deepEqual(reader.next(), { type: 4, body: Buffer.alloc(0) });
    assert.equal(reader.next(), null);
  });

  test("KEEPALIVE is a header", () => assert.equal(encodeKeepalive().toString("hex"), `${marker}001304`));
});

suite("NOTIFICATION", () => {
  test("says why a session is shut down", () => {
    const bye = ceaseWithText(cease.shutdown, "bye");
    assert.equal(encodeNotification(bye).toString("hex"), `${marker}001903060203627965`);
    assert.deepEqual(parseNotification(Buffer.from("060203627965", "hex")), bye);
    assert.equal(textOf(bye), "bye");
    assert.equal(describeNotification(bye), "Cease / Administrative Shutdown (6/2): bye");
  });

  test("cuts a text that is too long between two characters", () => {
    const { data } = ceaseWithText(cease.reset, `${"x".repeat(254)}é`);
    assert.equal(data[0], 254);
    assert.equal(data.length, 255);
  });

  test("shows no control characters of the peer", () => {
    assert.equal(textOf(ceaseWithText(cease.shutdown, "a\u001b[31m\u202eb\n")), "a\u{fffd}[31m\u{fffd}b\u{fffd}");
  });

  test("has no text where its length is a lie, and none with other errors", () => {
    assert.equal(textOf(parseNotification(Buffer.from("0602ff61", "hex"))), null);
    assert.equal(textOf(parseNotification(Buffer.from("06020161", "hex"))), "a");
    assert.equal(textOf(parseNotification(Buffer.from("06070161", "hex"))), null);
    assert.equal(describeNotification(ceaseWith(cease.bfdDown)), "Cease / BFD Down (6/10)");
    assert.equal(describeNotification(parseNotification(Buffer.from("0909", "hex"))), "Error (9/9)");
  });
});

suite("UPDATE", () => {
  test("announces IPv4 as MetalLB does", () => {
    const attributes = { ...path, communities: [65_000 * 65_536 + 100] };
    const messages = encodeAnnouncements(4, [wire("172.16.0.0/24")], attributes, "192.168.123.10", true);
    const golden = `${marker}003602 0000 001b 40010100 40020602010000fde8 400304c0a87b0a c00804fde80064 18ac1000`;
    assert.deepEqual(messages?.map(hex), [hexOf(golden)]);
  });

  test("announces IPv6 with its next hop first", () => {
    const messages = encodeAnnouncements(6, [wire("2001:db8::1/128")], path, "2001:db8::ff", true)!;
    assert.equal(messages.length, 1);
    const hop = "20010db80000000000000000000000ff";
    const golden = `800e26 000201 10 ${hop} 00 80 20010db8000000000000000000000001 40010100 40020602010000fde8`;
    assert.equal(messages[0]!.subarray(23).toString("hex"), hexOf(golden));
  });

  test("withdraws both families", () => {
    assert.deepEqual(encodeWithdrawals(4, [wire("10.1.2.3/32")]).map(hex), [
      hexOf(`${marker}001c02 0005 200a010203 0000`),
    ]);
    const golden = `${marker}002e02 0000 0017 800f14 000201 80 20010db8000000000000000000000001`;
    assert.deepEqual(encodeWithdrawals(6, [wire("2001:db8::1/128")]).map(hex), [hexOf(golden)]);
  });

  test("marks the end of what there is", () => {
    assert.equal(hex(encodeEndOfRib(4)), hexOf(`${marker}001702 0000 0000`));
    assert.equal(hex(encodeEndOfRib(6)), hexOf(`${marker}001d02 0000 0006 800f03 000201`));
    assert.equal(parseUpdate(encodeEndOfRib(4).subarray(19), external).endOfRib, 4);
    assert.equal(parseUpdate(encodeEndOfRib(6).subarray(19), external).endOfRib, 6);
    assert.equal(parseUpdate(encodeWithdrawals(6, [wire("::/0")])[0]!.subarray(19), external).endOfRib, null);
  });

  test("to a peer of 2-octet AS numbers has AS_TRANS and AS4_PATH", () => {
    const attributes: PathAttributes = { ...path, asPath: [{ kind: "sequence", asns: [4_200_000_001, 65_001] }] };
    const [message] = encodeAnnouncements(4, [wire("10.0.0.0/8")], attributes, "10.0.0.1", false)!;
    const golden = "40010100 40020602025ba0fde9 4003040a000001 c0110a0202fa56ea010000fde9 080a";
    assert.equal(message!.subarray(23).toString("hex"), hexOf(golden));
    const read = parseUpdate(message!.subarray(19), { fourOctetAs: false, internal: false });
    assert.deepEqual(read.attributes?.asPath, [{ kind: "sequence", asns: [23_456, 65_001] }]);
  });

  test("carries local preference, MED and large communities", () => {
    const attributes: PathAttributes = { ...path, asPath: [], med: 7, localPref: 200, largeCommunities: [[1, 2, 3]] };
    const [message] = encodeAnnouncements(4, [wire("10.0.0.0/8")], attributes, "10.0.0.1", true)!;
    const golden = "40010100 400200 4003040a000001 80040400000007 400504000000c8 c0200c000000010000000200000003 080a";
    assert.equal(message!.subarray(23).toString("hex"), hexOf(golden));
    assert.deepEqual(parseUpdate(message!.subarray(19), internal).attributes, { ...attributes, nextHop: "10.0.0.1" });
  });

  test("2,000 routes take as few messages as fit", () => {
    const v4 = Array.from({ length: 2_000 }, (_, index) => wire(`10.0.${index >> 8}.${index & 0xff}/32`));
    const v6 = Array.from({ length: 2_000 }, (_, index) => wire(`2001:db8::${(index + 1).toString(16)}/128`));
    for (const [family, prefixes, each] of [
      [4, v4, 5],
      [6, v6, 17],
    ] as const) {
      const announced = encodeAnnouncements(family, prefixes, path, family === 4 ? "10.9.9.9" : "2001:db8::", true)!;
      const withdrawn = encodeWithdrawals(family, prefixes);
      for (const [messages, field] of [
        [announced, "announced"],
        [withdrawn, "withdrawn"],
      ] as const) {
        assert.equal(messages.length, Math.ceil(2_000 / Math.floor((4_096 - 60) / each)));
        for (const message of messages)
          assert.ok(message.length <= 4_096 && message.readUInt16BE(16) === message.length);
        const read = messages.flatMap((message) => parseUpdate(message.subarray(19), external)[field][family]);
        assert.deepEqual(read.map(hex), prefixes.map(hex));
      }
    }
  });

  test("fills messages to the last byte and not beyond", () => {
    for (const [family, prefix] of [
      [4, "10.0.0.0/8"],
      [6, "2000::/8"],
    ] as const) {
      const prefixes = Array.from({ length: 2_100 }, () => wire(prefix));
      const hop = family === 4 ? "10.9.9.9" : "2001:db8::";
      const lengths = new Set<number>();
      // Extended length, from 64 communities on, is one byte more.
      for (const count of [1, 64]) {
        const attributes = { ...path, communities: Array.from({ length: count }, (_, index) => index) };
        for (const message of encodeAnnouncements(family, prefixes, attributes, hop, true)!) {
          lengths.add(message.length);
        }
      }
      for (const message of encodeWithdrawals(family, prefixes)) lengths.add(message.length);
      assert.equal(Math.max(...lengths), 4_096);
    }
  });

  test("is refused where attributes leave no room", () => {
    const attributes = { ...path, communities: Array.from({ length: 1_013 }, (_, index) => index) };
    assert.equal(encodeAnnouncements(4, [wire("10.0.0.0/8")], attributes, "10.0.0.1", true), null);
  });
});

suite("ROUTE-REFRESH", () => {
  test("names a family", () => {
    assert.equal(hex(encodeRouteRefresh(6)), `${marker}00170500020001`);
    assert.equal(parseRouteRefresh(Buffer.from("00010001", "hex")), 4);
    assert.equal(parseRouteRefresh(Buffer.from("00020001", "hex")), 6);
    assert.equal(parseRouteRefresh(Buffer.from("00010002", "hex")), null);
    assert.equal(parseRouteRefresh(Buffer.from("00010101", "hex")), null, "a marker of enhanced refresh");
  });

  test("of a wrong length is sent back whole", () => {
    assert.equal(
      verdictOf(() => parseRouteRefresh(Buffer.from("000100", "hex"))),
      `7/1:${marker}001605000100`,
    );
  });
});

test("prefixes keep what their length covers", () => {
  for (const text of ["0.0.0.0/0", "10.0.0.0/9", "10.128.0.0/9", "192.0.2.1/32", "::/0", "2001:db8::/33", "::1/128"]) {
    const { wire: bytes, family } = encodePrefix(text)!;
    assert.equal(prefixText(bytes, family), text);
  }
  assert.equal(prefixText(Buffer.from("0aff", "hex"), 4), "255.0.0.0/10");
  assert.equal(prefixText(Buffer.from("02ff", "hex"), 4), "192.0.0.0/2");
});

function wire(prefix: string): Buffer {
  return encodePrefix(prefix)!.wire;
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}

function hexOf(spaced: string): string {
  return spaced.replaceAll(" ", "");
}

function bodyOf(spaced: string): Buffer {
  const reader = new FrameReader();
  reader.push(Buffer.from(hexOf(spaced), "hex"));
  return reader.next()!.body;
}

/** `code/subcode:data` of the error. */
function verdictOf(parse: () => unknown): string {
  try {
    parse();
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof BgpError, String(error));
    return `${error.code}/${error.subcode}:${hex(error.data)}`;
  }
}
