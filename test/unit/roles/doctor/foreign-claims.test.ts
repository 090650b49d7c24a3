// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { checkClaims, findForeignClaims } from "../../../../src/roles/doctor/foreign-claims.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { link, Wire } from "../../announce/layer2/bench.ts";
import { bytes, golden, hex } from "../../announce/layer2/frames.ts";
import { complaints } from "./builders.ts";

const ours = { ip: "10.9.0.200", interfaces: [] };
const free = { ip: "10.9.0.201", interfaces: [] };
const foreign = bytes(golden.gratuitousReply.replaceAll("020000000001", "020000000099"));

function open() {
  const [wire, clock] = [new Wire(), new FakeClock()];
  return { wire, clock, deps: { clock, random: () => 0.5, logger: silentLogger, packets: wire } };
}

suite("who has an address already", () => {
  test("is found by probes alone, in less than a second", async () => {
    const { wire, clock, deps } = open();
    const finding = findForeignClaims(deps, [link()], [ours, free]);
    const probe = `2 ${hex(bytes(golden.arpProbe))}`;
    assert.deepEqual(wire.take()[0], probe);
    wire.receive(foreign);
    clock.advance(900);
    assert.deepEqual(await finding, [{ ip: ours.ip, mac: "02:00:00:00:00:99", interface: "eth0" }]);
    const asked = hex(bytes(golden.arpProbe.replace("0a0900c8", "0a0900c9")));
    const after = new Set(wire.take());
    assert.deepEqual([...after], [`2 ${asked}`], "only what nobody has is asked for again; nothing is announced");
    clock.advance(60_000);
    assert.deepEqual(wire.take(), [], "nothing goes on");
    assert.equal(clock.pending, 0);
  });

  test("an interface that is excluded otherwise is asked on when it was chosen", async () => {
    const { wire, clock, deps } = open();
    const finding = findForeignClaims(deps, [link({ name: "veth1" })], [ours]);
    assert.equal(wire.take().length, 1);
    clock.advance(1_000);
    assert.deepEqual(await finding, []);
  });

  test("is an error for a node that is alone, and a warning where another node may announce it", () => {
    const claim = { ip: ours.ip, mac: "02:00:00:00:00:99", interface: "eth0" };
    const what = "in-use: 10.9.0.200 is answered for by 02:00:00:00:00:99 on eth0";
    assert.deepEqual(complaints(checkClaims([claim], 2, true)), [`error ${what}`]);
    assert.deepEqual(complaints(checkClaims([claim], 2, false)), [`warning ${what}`]);
    assert.deepEqual(complaints(checkClaims([], 2, true)), []);
  });
});
