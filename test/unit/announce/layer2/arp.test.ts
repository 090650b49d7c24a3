// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  ArpFrame,
  arpFrameBytes,
  arpOperation,
  writeArpAnnouncement,
  writeArpProbe,
  writeArpReply,
} from "../../../../src/announce/layer2/arp.ts";
import { bytes, changed, client4, clientMac, golden, hex, nodeMac, vip4 } from "./frames.ts";

const reads = (frame: Uint8Array): boolean => new ArpFrame().read(frame, frame.length);

suite("ARP frames", () => {
  test("are what Linux and iputils send", () => {
    // What was in the buffer before must not show.
    const out = new Uint8Array(arpFrameBytes).fill(0xee);
    writeArpReply(out, nodeMac, vip4, clientMac, client4);
    assert.equal(hex(out), hex(bytes(golden.arpReply)));
    out.fill(0xee);
    writeArpAnnouncement(out, arpOperation.request, nodeMac, vip4);
    assert.equal(hex(out), hex(bytes(golden.gratuitousRequest)));
    writeArpAnnouncement(out, arpOperation.reply, nodeMac, vip4);
    assert.equal(hex(out), hex(bytes(golden.gratuitousReply)));
    out.fill(0xee);
    writeArpProbe(out, nodeMac, vip4);
    assert.equal(hex(out), hex(bytes(golden.arpProbe)));
  });

  test("are read, padded or not", () => {
    for (const padding of [0, 18]) {
      const frame = new Uint8Array(arpFrameBytes + padding);
      frame.set(bytes(golden.arpRequest));
      const arp = new ArpFrame();
      assert.equal(arp.read(frame, frame.length), true);
      assert.equal(arp.operation, arpOperation.request);
      assert.equal(hex(arp.destination), "ffffffffffff");
      assert.deepEqual(arp.senderMac, clientMac);
      assert.equal(arp.senderIp, client4);
      assert.equal(arp.targetIp, vip4);
    }
  });

  test("with addresses above 127.255.255.255 stay positive numbers", () => {
    const arp = new ArpFrame();
    const frame = changed(golden.arpRequest, 38, "fffffffe");
    assert.equal(arp.read(frame, frame.length), true);
    assert.equal(arp.targetIp, 0xffff_fffe);
  });

  const refused: readonly (readonly [what: string, frame: Uint8Array])[] = [
    ["of another EtherType", changed(golden.arpRequest, 12, "0800")],
    ["of other hardware", changed(golden.arpRequest, 14, "0006")],
    ["of another protocol", changed(golden.arpRequest, 16, "86dd")],
    ["with long hardware addresses", changed(golden.arpRequest, 18, "08")],
    ["with long protocol addresses", changed(golden.arpRequest, 19, "10")],
    ["of no operation", changed(golden.arpRequest, 20, "0000")],
    ["of RARP", changed(golden.arpRequest, 20, "0003")],
    ["from everybody", changed(golden.arpRequest, 22, "ffffffffffff")],
    ["from a group", changed(golden.arpRequest, 22, "01005e000001")],
    ["from nobody", changed(golden.arpRequest, 22, "000000000000")],
    ["cut short", bytes(golden.arpRequest).subarray(0, arpFrameBytes - 1)],
    ["empty", new Uint8Array()],
  ];
  for (const [what, frame] of refused) test(`${what} are refused`, () => assert.equal(reads(frame), false));

  test("longer in the buffer than on the wire are refused", () => {
    assert.equal(new ArpFrame().read(bytes(golden.arpRequest), 41), false);
  });
});
