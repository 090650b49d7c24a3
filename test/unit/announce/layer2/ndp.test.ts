// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  advertisementFrameBytes,
  NeighborFrame,
  neighborType,
  probeFrameBytes,
  solicitedNode,
  writeNeighborProbe,
  writeSolicitedAdvertisement,
  writeUnsolicitedAdvertisement,
} from "../../../../src/announce/layer2/ndp.ts";
import { bytes, changed, client6, clientMac, golden, hex, nodeMac, resealed, vip6 } from "./frames.ts";

const reads = (frame: Uint8Array): boolean => new NeighborFrame().read(frame, frame.length);

/** Where the parts of a frame are. */
const at = {
  destinationIp: 38,
  hopLimit: 21,
  nextHeader: 20,
  sourceIp: 22,
  type: 54,
  code: 55,
  flags: 58,
  target: 62,
  option: 78,
};

suite("neighbor discovery frames", () => {
  test("are what Linux sends for its own address", () => {
    const out = new Uint8Array(advertisementFrameBytes).fill(0xee);
    writeSolicitedAdvertisement(out, nodeMac, vip6, clientMac, client6);
    assert.equal(hex(out), hex(bytes(golden.solicitedAdvertisement)));
    out.fill(0xee);
    writeUnsolicitedAdvertisement(out, nodeMac, vip6);
    assert.equal(hex(out), hex(bytes(golden.unsolicitedAdvertisement)));
  });

  test("that probe are solicitations of a host that has no address yet", () => {
    const out = new Uint8Array(probeFrameBytes).fill(0xee);
    writeNeighborProbe(out, nodeMac, vip6);
    // Like Linux's but without the nonce, which is optional.
    const expected = resealed(golden.checkingSolicitation, 6, hex(nodeMac)).subarray(0, probeFrameBytes);
    expected.set([0, messageBytes], 18);
    expected.set(out.subarray(56, 58), 56);
    assert.equal(hex(out), hex(expected));
    assert.equal(reads(out), true, "the checksum is right");
  });

  test("are read", () => {
    const neighbor = new NeighborFrame();
    const solicitation = bytes(golden.solicitation);
    assert.equal(neighbor.read(solicitation, solicitation.length), true);
    assert.equal(neighbor.type, neighborType.solicitation);
    assert.equal(neighbor.fromUnspecified, false);
    assert.deepEqual([neighbor.source, neighbor.target], [client6, vip6]);
    assert.deepEqual([neighbor.sourceMac, neighbor.linkLayerMac], [clientMac, clientMac]);

    const checking = bytes(golden.checkingSolicitation);
    assert.equal(neighbor.read(checking, checking.length), true);
    assert.equal(neighbor.fromUnspecified, true);

    const advertisement = bytes(golden.solicitedAdvertisement);
    assert.equal(neighbor.read(advertisement, advertisement.length), true);
    assert.equal(neighbor.type, neighborType.advertisement);
    assert.equal(neighbor.solicited, true);
    assert.deepEqual([neighbor.source, neighbor.target], [vip6, vip6]);
    assert.deepEqual(neighbor.linkLayerMac, nodeMac);
  });

  test("name their sender by the option, and by the Ethernet header without one", () => {
    const neighbor = new NeighborFrame();
    const proxied = resealed(golden.solicitation, 80, "0200000000aa");
    assert.equal(neighbor.read(proxied, proxied.length), true);
    assert.equal(hex(neighbor.linkLayerMac), "0200000000aa");
    assert.deepEqual(neighbor.sourceMac, clientMac);
    // A check whether a known neighbor is still there comes by unicast and without the option (RFC 4861 §7.3.3).
    const bare = withoutOption(golden.solicitation);
    assert.equal(neighbor.read(bare, bare.length), true);
    assert.deepEqual(neighbor.linkLayerMac, clientMac);
  });

  test("with padding behind them are read", () => {
    assert.equal(reads(Uint8Array.from([...bytes(golden.solicitation), 0, 0, 0])), true);
  });

  test("with options that nobody knows are read", () => {
    assert.equal(reads(resealed(golden.solicitation, 0, "", "fe02".padEnd(32, "0"))), true);
  });

  const refused: readonly (readonly [what: string, frame: Uint8Array])[] = [
    ["that a router passed on", changed(golden.solicitation, at.hopLimit, "fe")],
    ["with a wrong checksum", changed(golden.solicitation, 56, "7858")],
    ["of another code", resealed(golden.solicitation, at.code, "01")],
    ["about a group", resealed(golden.solicitation, at.target, "ff020000000000000000000000000001")],
    ["from a group", resealed(golden.solicitation, at.sourceIp, "ff020000000000000000000000000001")],
    ["from a group's hardware address", changed(golden.solicitation, 6, "333300000001")],
    ["behind an extension header", changed(golden.solicitation, at.nextHeader, "2c")],
    ["of IP version 4", changed(golden.solicitation, 14, "45")],
    ["of another EtherType", changed(golden.solicitation, 12, "0800")],
    ["of another message", resealed(golden.solicitation, at.type, "85")],
    ["with an option of no length", resealed(golden.solicitation, at.option + 1, "00")],
    ["with an option that does not end", resealed(golden.solicitation, at.option + 1, "02")],
    ["with half an option", resealed(golden.solicitation, 0, "", "01")],
    ["with a long hardware address", resealed(golden.solicitation, at.option, "0102", "0000000000000000")],
    ["from the hardware address of a group", resealed(golden.solicitation, at.option + 2, "333300000001")],
    [
      "from nobody with a hardware address",
      resealed(golden.solicitation, at.sourceIp, "00000000000000000000000000000000"),
    ],
    ["from nobody to one host", resealed(golden.checkingSolicitation, at.destinationIp, hex(vip6))],
    ["that answer nobody and are for all", resealed(golden.unsolicitedAdvertisement, at.flags, "60")],
    [
      "that come from nobody and answer",
      resealed(golden.solicitedAdvertisement, at.sourceIp, "00000000000000000000000000000000"),
    ],
    ["cut short", bytes(golden.solicitation).subarray(0, 85)],
    ["shorter than any message", Uint8Array.from([...resealed(firstBytes(golden.solicitation, 77), 0, ""), 0, 0])],
    ["empty", new Uint8Array()],
  ];
  for (const [what, frame] of refused) test(`${what} are refused`, () => assert.equal(reads(frame), false));

  test("go to the group of the last three bytes", () => {
    assert.equal(hex(solicitedNode(bytes("fd0000090000000000000000abcdef12"))), "ff0200000000000000000001ffcdef12");
  });
});

const messageBytes = 24;

/** With a length and a checksum that are right again. */
function withoutOption(frame: string): Uint8Array {
  return resealed(firstBytes(frame, probeFrameBytes), 0, "");
}

function firstBytes(frame: string, count: number): string {
  return frame.replaceAll(" ", "").slice(0, count * 2);
}
