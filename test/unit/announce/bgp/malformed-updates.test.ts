// SPDX-License-Identifier: Apache-2.0
// Every way in which an UPDATE can be wrong, and what follows: the session ends, the routes count as withdrawn, or one
// attribute is ignored (RFC 4271 §6.3 as revised by RFC 7606).

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { suite, test } from "node:test";

import { BgpError } from "../../../../src/announce/bgp/messages/errors.ts";
import { prefixText } from "../../../../src/announce/bgp/messages/prefixes.ts";
import { parseUpdate } from "../../../../src/announce/bgp/messages/update.ts";

const origin = "40010100";
const asPath = "40020602010000fde9";
const nextHop = "4003040a000001";
const localPref = "40050400000064";
const prefix = "18c0a801";
const good = origin + asPath + nextHop;

suite("ends the session", () => {
  const cases: readonly [string, string, string][] = [
    ["withdrawn routes longer than the message", "0009 0000", "3/1:"],
    ["attributes longer than the message", "0000 0009 40", "3/1:"],
    ["a withdrawn prefix of 33 bits", "0006 210a00000000 0000", "3/10:"],
    ["a withdrawn prefix that is cut", "0002 180a 0000", "3/10:"],
    ["an announced prefix of 33 bits", update(good, "21c0a8010000"), "3/10:"],
    ["an announced prefix that is cut", update(good, "18c0a8"), "3/10:"],
    ["an unknown well-known attribute", update(`${good}406301aa`, prefix), "3/2:406301aa"],
    ["two MP_REACH_NLRI", update(`${good}${reach("")}${reach("")}`, ""), "3/1:"],
    ["two MP_UNREACH_NLRI", update("800f03000201800f03000201", ""), "3/1:"],
    ["MP_REACH_NLRI of 4 bytes", update("800e0400020110", ""), "3/9:800e0400020110"],
    ["a next hop that overruns", update("800e050002011100", ""), "3/9:800e050002011100"],
    ["a next hop of 5 bytes", update("800e0a00020105000000000000", ""), "3/9:800e0a00020105000000000000"],
    ["an IPv6 prefix of 129 bits", update(reach("81"), ""), `3/9:${reach("81")}`],
    ["MP_UNREACH_NLRI of 2 bytes", update("800f020002", ""), "3/9:800f020002"],
    ["a withdrawn IPv6 prefix that is cut", update("800f050002014020", ""), "3/9:800f050002014020"],
    ["a malformed attribute with nothing that could be withdrawn", update("40010109", ""), "3/6:40010109"],
  ];
  for (const [name, body, verdict] of cases) {
    test(name, () => {
      assert.throws(
        () => parse(body),
        (error) => {
          assert.ok(error instanceof BgpError);
          assert.equal(`${error.code}/${error.subcode}:${error.data.toString("hex")}`, verdict);
          return true;
        },
      );
    });
  }
});

suite("counts as a withdrawal", () => {
  const cases: readonly [string, string, string][] = [
    ["no ORIGIN", asPath + nextHop, "3/3:01"],
    ["no AS_PATH", origin + nextHop, "3/3:02"],
    ["no NEXT_HOP", origin + asPath, "3/3:03"],
    ["ORIGIN with wrong flags", `c0010100${asPath}${nextHop}`, "3/4:c0010100"],
    ["MED as transitive", `${good}c00404000000ff`, "3/4:c00404000000ff"],
    ["ORIGIN of 2 bytes", `4001020000${asPath}${nextHop}`, "3/5:4001020000"],
    ["ORIGIN 3", `40010103${asPath}${nextHop}`, "3/6:40010103"],
    ["AS_PATH with an unknown kind of segment", `${origin}40020605010000fde9${nextHop}`, "3/11:"],
    ["AS_PATH with a segment of a confederation", `${origin}40020603010000fde9${nextHop}`, "3/11:"],
    ["AS_PATH with an empty segment", `${origin}4002020200${nextHop}`, "3/11:"],
    ["AS_PATH with a segment that overruns", `${origin}40020602020000fde9${nextHop}`, "3/11:"],
    ["AS_PATH with one byte too many", `${origin}40020702010000fde902${nextHop}`, "3/11:"],
    ["NEXT_HOP of 5 bytes", `${origin}${asPath}4003050a00000100`, "3/5:4003050a00000100"],
    ["NEXT_HOP 0.0.0.0", `${origin}${asPath}40030400000000`, "3/8:40030400000000"],
    ["NEXT_HOP that is multicast", `${origin}${asPath}400304e0000001`, "3/8:400304e0000001"],
    ["MED of 3 bytes", `${good}800403000000`, "3/5:800403000000"],
    ["COMMUNITIES of 5 bytes", `${good}c008050000000000`, "3/9:c008050000000000"],
    ["empty COMMUNITIES", `${good}c00800`, "3/9:c00800"],
    ["EXTENDED COMMUNITIES of 4 bytes", `${good}c0100400000000`, "3/9:c0100400000000"],
    ["LARGE_COMMUNITY of 4 bytes", `${good}c0200400000000`, "3/9:c0200400000000"],
    ["an attribute that overruns the list", `${good}c00809`, "3/1:"],
    ["half a header at the end", `${good}c0`, "3/1:"],
  ];
  for (const [name, attributes, verdict] of cases) {
    test(name, () => {
      const read = parse(update(attributes, prefix));
      assert.equal(verdictOf(read.malformed), verdict);
      assert.deepEqual(
        read.withdrawn[4].map((each) => prefixText(each, 4)),
        ["192.168.1.0/24"],
      );
      assert.deepEqual(read.announced[4], []);
      assert.equal(read.attributes, null);
    });
  }

  const ofInternal: readonly [string, string, string][] = [
    ["no LOCAL_PREF", good, "3/3:05"],
    ["LOCAL_PREF of 2 bytes", `${good}4005020064`, "3/5:4005020064"],
    ["ORIGINATOR_ID of 2 bytes", `${good}${localPref}8009020000`, "3/5:8009020000"],
    ["CLUSTER_LIST of 2 bytes", `${good}${localPref}800a020000`, "3/5:800a020000"],
  ];
  for (const [name, attributes, verdict] of ofInternal) {
    test(`${name} from a peer of our AS`, () => {
      assert.equal(verdictOf(parse(update(attributes, prefix), true).malformed), verdict);
    });
  }

  test("also of what MP_REACH_NLRI announces", () => {
    const read = parse(update(`${reach("40 20010db800000001")}${asPath}`, ""));
    assert.equal(verdictOf(read.malformed), "3/3:01");
    assert.deepEqual(
      read.withdrawn[6].map((each) => prefixText(each, 6)),
      ["2001:db8:0:1::/64"],
    );
  });
});

suite("is taken", () => {
  const cases: readonly [string, string][] = [
    ["a second ORIGIN, which is ignored", `${good}40010109`],
    ["an unknown optional attribute", `${good}c0630400000000`],
    ["LOCAL_PREF of another AS, whatever its length", `${good}4005020064`],
    ["ORIGINATOR_ID of another AS", `${good}8009020000`],
    ["ATOMIC_AGGREGATE with a value", `${good}40060100`],
    ["AGGREGATOR of 1 byte", `${good}c0070100`],
    ["AS4_PATH that is malformed", `${good}c0110109`],
    [
      "MP_REACH_NLRI of a family that was not agreed on",
      `${good}800e0500190246 00`.replaceAll(" ", "").replace("4600", "0000"),
    ],
    ["an extended length where none was needed", `${origin}500200060201 0000fde9${nextHop}`.replaceAll(" ", "")],
  ];
  for (const [name, attributes] of cases) {
    test(name, () => {
      const read = parse(update(attributes, prefix));
      assert.equal(read.malformed, null);
      assert.equal(read.announced[4].length, 1);
      assert.equal(read.attributes?.origin, "igp");
    });
  }
});

function parse(body: string, internal = false) {
  return parseUpdate(Buffer.from(body.replaceAll(" ", ""), "hex"), { fourOctetAs: true, internal });
}

function update(attributes: string, prefixes: string): string {
  return `0000${(attributes.replaceAll(" ", "").length / 2).toString(16).padStart(4, "0")}${attributes}${prefixes}`;
}

/** MP_REACH_NLRI of IPv6 with a next hop of 16 bytes. */
function reach(prefixes: string): string {
  const value = `00020110${"20010db8".padEnd(32, "0")}00${prefixes.replaceAll(" ", "")}`;
  return `800e${(value.length / 2).toString(16).padStart(2, "0")}${value}`;
}

function verdictOf(error: BgpError | null): string | null {
  return error === null ? null : `${error.code}/${error.subcode}:${error.data.toString("hex")}`;
}
