// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { link, openBench } from "./bench.ts";
import { bytes, golden, hex, resealed } from "./frames.ts";

const vip = "10.9.0.200";
const vip6 = "fd00:9::200";
const interfaces: string[] = [];
/** Another host has the address. */
const foreignReply = bytes(golden.gratuitousReply.replaceAll("020000000001", "020000000099"));
const foreignAdvertisement = resealed(
  golden.unsolicitedAdvertisement.replaceAll("020000000001", "020000000099"),
  0,
  "",
);
const arpProbe = `2 ${hex(bytes(golden.arpProbe))}`;

suite("an address that is probed first", () => {
  test("is announced when nobody answers three probes, and not answered for before", () => {
    const { wire, layer2, clock, conflicts } = openBench();
    layer2.set([{ ip: vip, interfaces, probe: true }]);
    assert.deepEqual(wire.take(), [arpProbe]);
    wire.receive(bytes(golden.arpRequest));
    assert.deepEqual(wire.take(), []);
    clock.advance(300);
    assert.deepEqual(wire.take(), [arpProbe]);
    // The same configuration again changes nothing, and neither does one that no longer asks.
    layer2.set([{ ip: vip, interfaces }]);
    assert.equal(layer2.status()[0]?.phase, "probing");
    clock.advance(300);
    assert.deepEqual(wire.take(), [arpProbe]);
    clock.advance(299);
    assert.deepEqual(wire.take(), []);
    clock.advance(1);
    assert.equal(wire.take().length, 2);
    assert.equal(layer2.status()[0]?.phase, "announcing");
    wire.receive(bytes(golden.arpRequest));
    assert.equal(wire.take().length, 1);
    assert.deepEqual(conflicts, []);
  });

  test("waits for an interface to ask on", () => {
    const { wire, layer2, clock } = openBench({}, []);
    layer2.set([{ ip: vip, interfaces, probe: true }]);
    clock.advance(5_000);
    assert.deepEqual(wire.take(), []);
    layer2.setLinks([link()]);
    clock.advance(1_300);
    assert.deepEqual(
      wire.take().map((frame) => frame === arpProbe),
      [true, true, true, false, false],
    );
  });

  const answers: readonly (readonly [what: string, address: string, frame: Uint8Array])[] = [
    ["a reply", vip, foreignReply],
    ["an announcement", vip, bytes(golden.gratuitousRequest.replaceAll("020000000001", "020000000099"))],
    ["a probe of another host", vip, bytes(golden.arpProbe.replaceAll("020000000001", "020000000099"))],
    ["an advertisement", vip6, foreignAdvertisement],
    ["a check of another host", vip6, bytes(golden.checkingSolicitation)],
    ["a solicitation from the address", vip6, resealed(golden.solicitation, 22, "fd000009000000000000000000000200")],
  ];
  for (const [what, address, frame] of answers) {
    test(`is withheld after ${what}, and probed again later`, () => {
      const { wire, layer2, clock, conflicts } = openBench({ conflictRetryMs: 30_000 });
      layer2.set([{ ip: address, interfaces, probe: true }]);
      wire.take();
      wire.receive(frame);
      assert.deepEqual(conflicts, [{ ip: address, interface: "eth0", mac: "02:00:00:00:00:99", action: "withheld" }]);
      assert.equal(layer2.status()[0]?.phase, "conflict");
      assert.equal(layer2.status()[0]?.foreign?.mac, "02:00:00:00:00:99");
      clock.advance(999);
      wire.receive(bytes(golden.arpRequest));
      assert.deepEqual(wire.take(), []);
      clock.advance(1);
      assert.equal(wire.take().length, 1);
      clock.advance(900);
      assert.equal(layer2.status()[0]?.phase, "announcing");
    });
  }

  test("stays withheld as long as the other host answers, and is asked for ever more rarely", () => {
    const { wire, layer2, clock, conflicts } = openBench({ conflictRetryMs: 30_000 });
    layer2.set([{ ip: vip, interfaces, probe: true }]);
    for (const waitMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      wire.take();
      wire.receive(foreignReply);
      clock.advance(waitMs - 1);
      assert.deepEqual(wire.take(), []);
      assert.equal(layer2.status()[0]?.phase, "conflict");
      clock.advance(1);
      assert.equal(wire.take().length, 1);
    }
    assert.ok(conflicts.length < 7, "not every answer is news");
  });

  test("is not withheld because of our own frames, of whatever interface", () => {
    const second = link({ name: "eth1", index: 3, mac: "02:00:00:00:00:99" });
    const { wire, layer2, conflicts } = openBench({}, [link(), second]);
    layer2.set([
      { ip: vip, interfaces, probe: true },
      { ip: vip6, interfaces, probe: true },
    ]);
    for (const [, , frame] of answers) wire.receive(frame);
    assert.deepEqual(conflicts, []);
    assert.deepEqual(
      layer2.status().map(({ phase }) => phase),
      ["probing", "probing"],
    );
  });
});

suite("an address that another host claims", () => {
  for (const [address, frame, defence] of [
    [vip, foreignReply, [golden.gratuitousRequest, golden.gratuitousReply]],
    [vip6, foreignAdvertisement, [golden.unsolicitedAdvertisement]],
  ] as const) {
    test(`is defended half a second later, once in ten seconds: ${address}`, () => {
      const { wire, layer2, clock, conflicts } = openBench();
      layer2.set([{ ip: address, interfaces }]);
      clock.advance(10_000);
      wire.take();
      for (let count = 0; count < 50; count++) wire.receive(frame);
      clock.advance(499);
      assert.deepEqual(wire.take(), []);
      clock.advance(1);
      assert.deepEqual(
        wire.take(),
        defence.map((each) => `2 ${hex(bytes(each))}`),
      );
      clock.advance(9_499);
      wire.receive(frame);
      clock.advance(500);
      assert.deepEqual(wire.take(), []);
      wire.receive(frame);
      clock.advance(500);
      assert.equal(wire.take().length, defence.length);
      assert.deepEqual(
        conflicts.map(({ action }) => action),
        ["defended", "defended"],
      );
      const counted = layer2.samples().find(({ name }) => name === "naru_layer2_conflicts_total");
      assert.equal(counted?.value, 52);
      assert.equal(layer2.status()[0]?.phase, "announcing");
      assert.equal(clock.pending, 0);
    });
  }

  test("is not defended against the node that it moves to", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, interfaces }]);
    clock.advance(10_000);
    wire.take();
    wire.receive(foreignReply);
    clock.advance(300);
    layer2.set([]);
    clock.advance(10_000);
    assert.deepEqual(wire.take(), []);
    assert.equal(clock.pending, 0);
  });

  test("is left to the node that claims it first once it is handed over, and answered for until then", () => {
    const { wire, layer2, clock, conflicts } = openBench({ intervalMs: 1_000 });
    layer2.set([
      { ip: vip, interfaces },
      { ip: vip6, interfaces },
    ]);
    clock.advance(1_090);
    wire.take();
    layer2.handOver();
    clock.advance(10_000);
    assert.deepEqual(wire.take(), []);
    for (const request of [golden.arpRequest, golden.solicitation]) wire.receive(bytes(request));
    assert.equal(wire.take().length, 2);
    wire.receive(foreignReply);
    wire.receive(foreignAdvertisement);
    for (const request of [golden.arpRequest, golden.solicitation]) wire.receive(bytes(request));
    layer2.setLinks([link({ index: 5 }), link()]);
    clock.advance(10_000);
    assert.deepEqual(wire.take(), []);
    assert.deepEqual(conflicts, []);
    assert.equal(clock.pending, 0);
  });

  test("is not announced later or more often because of a claim while it is announced anyway", () => {
    const { wire, layer2, clock } = openBench();
    layer2.set([{ ip: vip, interfaces }]);
    clock.advance(800);
    wire.receive(foreignReply);
    clock.advance(299);
    assert.equal(wire.take().length, 2);
    clock.advance(1);
    assert.equal(wire.take().length, 2);
    clock.advance(60_000);
    assert.equal(wire.take().length, 6);
  });

  test("is only reported when that is asked for", () => {
    const { wire, layer2, conflicts } = openBench({ defend: false });
    layer2.set([{ ip: vip, interfaces }]);
    wire.take();
    wire.receive(foreignReply);
    wire.receive(foreignReply);
    assert.deepEqual(wire.take(), []);
    assert.deepEqual(
      conflicts.map(({ action }) => action),
      ["tolerated"],
    );
  });

  test("is none of ours to defend on interfaces that it is not announced on", () => {
    const { wire, layer2, conflicts } = openBench();
    layer2.set([{ ip: vip, interfaces: ["eth7"] }]);
    wire.receive(foreignReply);
    assert.deepEqual(conflicts, []);
  });

  test("is not answered for when it is its foreign owner who asks", () => {
    const { wire, layer2 } = openBench({ defend: false });
    layer2.set([
      { ip: vip, interfaces },
      { ip: vip6, interfaces },
    ]);
    wire.take();
    wire.receive(bytes(golden.gratuitousRequest.replaceAll("020000000001", "020000000099")));
    wire.receive(resealed(golden.solicitation, 22, "fd000009000000000000000000000200"));
    assert.deepEqual(wire.take(), []);
  });
});
