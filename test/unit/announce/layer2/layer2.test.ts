// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { link, openBench } from "./bench.ts";
import { bytes, changed, golden, hex, resealed } from "./frames.ts";

const vip = "10.9.0.200";
const vip6 = "fd00:9::200";
const group = "ff02::1:ff00:200";
const sent = (frame: string, index = 2): string => `${index} ${hex(bytes(frame))}`;
const gratuitous = [sent(golden.gratuitousRequest), sent(golden.gratuitousReply)];
const all = { interfaces: [] };

suite("answers", () => {
  test("to who asks for an announced address, and to nobody else", () => {
    const { wire, layer2 } = openBench();
    wire.receive(bytes(golden.arpRequest));
    assert.deepEqual(wire.take(), []);
    layer2.set([{ ip: vip, ...all }]);
    wire.take();
    wire.receive(bytes(golden.arpRequest));
    assert.deepEqual(wire.take(), [sent(golden.arpReply)]);
    wire.receive(changed(golden.arpRequest, 38, "0a0900c9"));
    wire.receive(bytes(golden.solicitation));
    assert.deepEqual(wire.take(), []);
    layer2.set([]);
    wire.receive(bytes(golden.arpRequest));
    assert.deepEqual(wire.take(), []);
    assert.deepEqual(wire.addresses, []);
  });

  test("to requests that are for everybody or for us", () => {
    const { wire, layer2 } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    wire.take();
    wire.receive(changed(golden.arpRequest, 0, "020000000001"));
    assert.equal(wire.take().length, 1);
    wire.receive(changed(golden.arpRequest, 0, "020000000002"));
    assert.equal(wire.take().length, 0);
  });

  test("to hosts that check whether an address is free", () => {
    const { wire, layer2 } = openBench();
    layer2.set([
      { ip: vip, ...all },
      { ip: vip6, ...all },
    ]);
    wire.take();
    wire.receive(changed(golden.arpRequest, 28, "00000000"));
    assert.deepEqual(wire.take(), [`2 ${hex(changed(golden.arpReply, 38, "00000000"))}`]);
    wire.receive(bytes(golden.checkingSolicitation));
    assert.deepEqual(wire.take(), [sent(golden.unsolicitedAdvertisement)]);
  });

  test("to solicitations, with and without their sender's hardware address", () => {
    const { wire, layer2 } = openBench();
    layer2.set([{ ip: vip6, ...all }]);
    wire.take();
    wire.receive(bytes(golden.solicitation));
    assert.deepEqual(wire.take(), [sent(golden.solicitedAdvertisement)]);
    wire.receive(resealed(golden.solicitation.replaceAll(" ", "").slice(0, 156), 0, ""));
    assert.deepEqual(wire.take(), [sent(golden.solicitedAdvertisement)]);
    // Another address that ends alike.
    wire.receive(resealed(golden.solicitation, 62, "fd000009000000000000000100000200"));
    assert.deepEqual(wire.take(), []);
  });

  test("only on interfaces of the announcement, with their hardware address", () => {
    const second = link({ name: "eth1", index: 3, mac: "02:00:00:00:00:11" });
    const { wire, layer2 } = openBench({}, [link(), second]);
    layer2.set([{ ip: vip, interfaces: ["eth1"] }]);
    assert.deepEqual(new Set(wire.take().map((frame) => frame.slice(0, 1))), new Set(["3"]));
    wire.receive(bytes(golden.arpRequest), 2);
    wire.receive(bytes(golden.arpRequest), 9);
    assert.deepEqual(wire.take(), []);
    wire.receive(bytes(golden.arpRequest), 3);
    assert.deepEqual(wire.take(), [sent(golden.arpReply.replaceAll("020000000001", "020000000011"), 3)]);
  });

  test("not to what is no request, and count it", () => {
    const { wire, layer2 } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    wire.take();
    wire.receive(changed(golden.arpRequest, 18, "08"));
    wire.receive(new Uint8Array());
    wire.receive(changed(golden.solicitation, 21, "01"));
    assert.deepEqual(wire.take(), []);
    assert.equal(sampleOf(layer2, "naru_layer2_frames_dropped_total", "malformed"), 3);
    assert.equal(sampleOf(layer2, "naru_layer2_frames_dropped_total", "overrun"), 7);
  });

  test("to one requester are twenty at once, and then twenty a second; others are not affected", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    wire.take();
    for (let count = 0; count < 100; count++) wire.receive(bytes(golden.arpRequest));
    assert.equal(wire.take().length, 20);
    const other = golden.arpRequest.replaceAll("020000000099", "020000000098");
    wire.receive(bytes(other));
    assert.equal(wire.take().length, 1);
    clock.advance(100);
    wire.take();
    for (let count = 0; count < 100; count++) wire.receive(bytes(golden.arpRequest));
    assert.equal(wire.take().length, 2);
    assert.equal(sampleOf(layer2, "metallb_layer2_requests_received", vip), 201);
    assert.equal(sampleOf(layer2, "metallb_layer2_responses_sent", vip), 23);
    assert.equal(sampleOf(layer2, "naru_layer2_frames_dropped_total", "limited"), 178);
  });
});

suite("announcements", () => {
  test("are sent at once and four times more, a request and a reply each", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    assert.deepEqual(wire.take(), gratuitous);
    for (let round = 1; round < 5; round++) {
      clock.advance(1_099);
      assert.deepEqual(wire.take(), []);
      clock.advance(1);
      assert.deepEqual(wire.take(), gratuitous);
    }
    clock.advance(3_600_000);
    assert.deepEqual(wire.take(), []);
    assert.equal(clock.pending, 0);
    assert.equal(sampleOf(layer2, "metallb_layer2_gratuitous_sent", vip), 10);
  });

  test("go on by the interval that is asked for", () => {
    const { wire, layer2, clock } = openBench({ intervalMs: 60_000 });
    layer2.set([{ ip: vip6, ...all }]);
    clock.advance(5_000);
    assert.equal(wire.take().length, 5);
    clock.advance(600_000);
    const count = wire.take().length;
    assert.ok(count >= 10 && count <= 11, `${count}`);
  });

  test("are not sent again because of another address", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    clock.advance(5_000);
    wire.take();
    layer2.set([
      { ip: vip, ...all },
      { ip: vip6, ...all },
    ]);
    assert.deepEqual(wire.take(), [sent(golden.unsolicitedAdvertisement)]);
  });

  test("start anew on a new interface, after it was down, and with another hardware address", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, ...all }]);
    clock.advance(10_000);
    wire.take();
    layer2.setLinks([link()]);
    assert.deepEqual(wire.take(), []);
    layer2.setLinks([link({ running: false })]);
    assert.deepEqual(layer2.status()[0]?.interfaces, []);
    layer2.setLinks([link()]);
    assert.deepEqual(wire.take(), gratuitous);
    const second = link({ name: "eth1", index: 3, mac: "02:00:00:00:00:11" });
    layer2.setLinks([link(), second]);
    assert.deepEqual(wire.take(), golden2("020000000011", 3));
    assert.deepEqual(layer2.status()[0]?.interfaces, ["eth0", "eth1"]);
    clock.advance(10_000);
    wire.take();
    layer2.setLinks([link({ mac: "02:00:00:00:00:22" }), second]);
    assert.deepEqual(wire.take(), golden2("020000000022", 2));
    layer2.setLinks([link({ mac: "02:00:00:00:00:22", name: "lan0" }), second]);
    assert.deepEqual(layer2.status()[0]?.interfaces.toSorted(), ["eth1", "lan0"]);
  });

  test("of many addresses leave turns to others in between", () => {
    const { wire, layer2, clock } = openBench();
    const addresses = Array.from({ length: 1_000 }, (_, at) => `10.9.${at >> 8}.${at & 0xff}`);
    layer2.set(addresses.map((address) => ({ ip: address, ...all })));
    assert.equal(wire.take().length, 400);
    clock.advance(1);
    assert.equal(wire.take().length, 400);
    clock.advance(4);
    assert.equal(wire.take().length, 1_200);
  });

  test("of an address that services share are made on the interfaces of each", () => {
    const { layer2 } = openBench(
      {},
      [1, 2, 3].map((index) => link({ name: `eth${index}`, index })),
    );
    const interfacesOf = (...lists: readonly (readonly string[])[]): readonly string[] | undefined => {
      layer2.set(lists.map((interfaces) => ({ ip: vip, interfaces })));
      return layer2.status()[0]?.interfaces.toSorted();
    };
    assert.deepEqual(interfacesOf(["eth1"], ["eth2", "eth1"]), ["eth1", "eth2"]);
    assert.deepEqual(interfacesOf(["eth1"], []), ["eth1", "eth2", "eth3"]);
    assert.deepEqual(interfacesOf([], ["eth1"]), ["eth1", "eth2", "eth3"]);
    assert.equal(layer2.status().length, 1);
  });

  test("are not made on interfaces that cannot carry them", () => {
    const unusable = [
      link({ index: 3, up: false }),
      link({ index: 4, running: false }),
      link({ index: 5, noArp: true }),
      link({ index: 6, loopback: true }),
      link({ index: 7, master: 9 }),
      link({ index: 8, mac: "" }),
      link({ index: 9, name: "veth12ab" }),
      link({ index: 10, name: "lo" }),
      link({ index: 11, name: "docker0" }),
    ];
    const { wire, layer2 } = openBench({}, [...unusable, link({ index: 12, name: "enp1s0", addresses: [] })]);
    layer2.set([
      { ip: vip, ...all },
      { ip: vip6, ...all },
    ]);
    // No address of its own: IPv4 is announced, and IPv6 is off.
    assert.deepEqual(wire.take(), golden2("020000000001", 12));
    assert.deepEqual([...wire.groups], []);
  });

  test("of IPv6 come with the group that solicitations go to", () => {
    const { wire, layer2 } = openBench();
    wire.withoutIpv6.add(2);
    layer2.set([{ ip: vip6, ...all }]);
    assert.deepEqual([...wire.groups], []);
    wire.withoutIpv6.clear();
    layer2.setLinks([link()]);
    assert.deepEqual([...wire.groups], [`2 ${group}`]);
    // Two addresses of one group.
    layer2.set([
      { ip: vip6, ...all },
      { ip: "fd00:a::200", ...all },
    ]);
    layer2.set([{ ip: "fd00:a::200", ...all }]);
    assert.deepEqual([...wire.groups], [`2 ${group}`]);
    layer2.set([]);
    assert.deepEqual([...wire.groups], []);
  });

  test("and answers end with stop, which leaves nothing behind", async () => {
    const { wire, layer2, clock } = openBench({ intervalMs: 1_000 });
    layer2.set([
      { ip: vip, ...all },
      { ip: vip6, ...all },
    ]);
    wire.take();
    await layer2.stop();
    assert.equal(clock.pending, 0);
    assert.deepEqual([...wire.groups], []);
    wire.receive(bytes(golden.arpRequest));
    layer2.setLinks([link({ index: 5 })]);
    layer2.set([{ ip: vip, ...all }]);
    clock.advance(10_000);
    assert.deepEqual(wire.take(), []);
  });

  test("of what is no address is the caller's mistake", () => {
    assert.throws(() => openBench().layer2.set([{ ip: "10.0.0", ...all }]), RangeError);
  });
});

function golden2(mac: string, index: number): string[] {
  return [golden.gratuitousRequest, golden.gratuitousReply].map((frame) =>
    sent(frame.replaceAll("020000000001", mac), index),
  );
}

function sampleOf(layer2: ReturnType<typeof openBench>["layer2"], name: string, label: string): number | undefined {
  return layer2.samples().find((each) => each.name === name && Object.values(each.labels).join() === label)?.value;
}
