// SPDX-License-Identifier: Apache-2.0
// BFD (RFC 5880): packets byte by byte, the state machine, and two ends that find each other, lose each other and agree.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { suite, test } from "node:test";

import { BfdEndpoint } from "../../../../src/announce/bgp/bfd/bfd-endpoint.ts";
import { BfdSession } from "../../../../src/announce/bgp/bfd/bfd-session.ts";
import type { BfdTransport } from "../../../../src/announce/bgp/bfd/bfd-transport.ts";
import { encodeBfd, parseBfd, type BfdPacket } from "../../../../src/announce/bgp/bfd/packet.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const times = { receiveIntervalMs: 300, transmitIntervalMs: 300, detectMultiplier: 3, passive: false };
const packet: BfdPacket = {
  diagnostic: 1,
  state: "Up",
  poll: true,
  final: false,
  detectMultiplier: 3,
  myDiscriminator: 0x01020304,
  yourDiscriminator: 0x0a0b0c0d,
  desiredTxUs: 300_000,
  requiredRxUs: 1_000_000,
};

suite("BFD packets", () => {
  test("are written and read as RFC 5880 draws them", () => {
    const golden = "21e00318 01020304 0a0b0c0d 000493e0 000f4240 00000000".replaceAll(" ", "");
    assert.equal(encodeBfd(packet).toString("hex"), golden);
    assert.deepEqual(parseBfd(Buffer.from(golden, "hex")), packet);
  });

  const wrong: readonly [string, number, number][] = [
    ["version 0", 0, 0x01],
    ["a length below 24", 3, 23],
    ["a length beyond the packet", 3, 25],
    ["authentication, where none was agreed on", 1, 0xc4],
    ["the multipoint bit", 1, 0xc1],
    ["a detect multiplier of 0", 2, 0],
  ];
  for (const [name, at, value] of wrong) {
    test(`${name} is discarded`, () => {
      const bytes = encodeBfd(packet);
      bytes[at] = value;
      assert.equal(parseBfd(bytes), null);
    });
  }

  test("without discriminators are discarded, unless a session begins", () => {
    assert.equal(parseBfd(encodeBfd({ ...packet, myDiscriminator: 0 })), null);
    assert.equal(parseBfd(encodeBfd({ ...packet, yourDiscriminator: 0 })), null);
    assert.notEqual(parseBfd(encodeBfd({ ...packet, yourDiscriminator: 0, state: "Down" })), null);
    assert.notEqual(parseBfd(encodeBfd({ ...packet, yourDiscriminator: 0, state: "AdminDown" })), null);
    assert.equal(parseBfd(encodeBfd(packet).subarray(0, 23)), null);
  });
});

/** One session whose peer is the test. */
class Scripted {
  readonly clock = new FakeClock();
  readonly sent: BfdPacket[] = [];
  readonly changes: string[] = [];
  readonly session: BfdSession;

  constructor(values: Partial<typeof times> = {}) {
    this.session = new BfdSession(
      {
        clock: this.clock,
        random: () => 1,
        send: (bytes) => this.sent.push(parseBfd(bytes)!),
        onChange: (state, failed) => this.changes.push(failed ? `${state} (failed)` : state),
      },
      { ...times, ...values },
      7,
    );
    this.session.start();
  }

  hear(values: Partial<BfdPacket>): void {
    this.session.receive({ ...packet, yourDiscriminator: 7, poll: false, requiredRxUs: 300_000, ...values });
  }

  up(): void {
    this.hear({ state: "Down" });
    this.hear({ state: "Up" });
    this.sent.length = 0;
  }
}

suite("a BFD session", () => {
  const moves: readonly ["Down" | "Init" | "Up", BfdPacket["state"], string[]][] = [
    ["Down", "Down", ["Init"]],
    ["Down", "Init", ["Up"]],
    ["Down", "Up", []],
    ["Down", "AdminDown", []],
    ["Init", "Down", []],
    ["Init", "Init", ["Up"]],
    ["Init", "Up", ["Up"]],
    ["Init", "AdminDown", ["Down"]],
    ["Up", "Down", ["Down (failed)"]],
    ["Up", "Init", []],
    ["Up", "Up", []],
    ["Up", "AdminDown", ["Down"]],
  ];
  for (const [from, heard, expected] of moves) {
    test(`in ${from} hears ${heard}`, () => {
      const it = new Scripted();
      if (from !== "Down") it.hear({ state: "Down" });
      if (from === "Up") it.hear({ state: "Up" });
      assert.equal(it.session.state, from);
      it.changes.length = 0;
      it.hear({ state: heard });
      assert.deepEqual(it.changes, expected);
    });
  }

  test("speaks once a second until it is up, then at the pace of the slower end", () => {
    const it = new Scripted();
    it.clock.advance(3_000);
    assert.equal(it.sent.length, 4);
    assert.equal(it.sent[0]!.desiredTxUs, 1_000_000);
    it.up();
    it.clock.advance(800);
    assert.equal(it.sent.length, 2);
    assert.equal(it.sent[0]!.desiredTxUs, 300_000);
    it.hear({ state: "Up", requiredRxUs: 450_000 });
    it.sent.length = 0;
    it.clock.advance(449);
    assert.equal(it.sent.length, 0);
    it.clock.advance(1);
    assert.equal(it.sent.length, 1);
  });

  test("is silent to a peer that wants nothing", () => {
    const it = new Scripted();
    it.up();
    it.hear({ state: "Up", requiredRxUs: 0 });
    it.sent.length = 0;
    it.clock.advance(800);
    assert.equal(it.sent.length, 0);
  });

  test("when passive is silent until the peer speaks", () => {
    const it = new Scripted({ passive: true });
    it.clock.advance(5_000);
    assert.equal(it.sent.length, 0);
    it.hear({ state: "Down" });
    assert.equal(it.sent.at(-1)?.state, "Init");
  });

  test("asks the peer to confirm its pace until it does, and answers at once when asked", () => {
    const it = new Scripted();
    it.up();
    it.clock.advance(300);
    assert.equal(it.sent.at(-1)?.poll, true);
    it.hear({ state: "Up", final: true });
    it.clock.advance(300);
    assert.equal(it.sent.at(-1)?.poll, false);
    it.sent.length = 0;
    it.hear({ state: "Up", poll: true });
    assert.deepEqual([it.sent.length, it.sent[0]?.final, it.sent[0]?.poll], [1, true, false]);
  });

  test("gives the peer up after its multiplier of the slower pace, and forgets it", () => {
    const it = new Scripted();
    it.up();
    it.hear({ state: "Up", desiredTxUs: 400_000, detectMultiplier: 5 });
    it.changes.length = 0;
    it.clock.advance(1_999);
    assert.deepEqual(it.changes, []);
    it.clock.advance(1);
    assert.deepEqual(it.changes, ["Down (failed)"]);
    const last = it.sent.at(-1)!;
    assert.deepEqual([last.state, last.diagnostic, last.yourDiscriminator], ["Down", 1, 0]);
  });

  test("that ends says that it was ended", () => {
    const it = new Scripted();
    it.up();
    it.session.stop();
    assert.deepEqual([it.sent.at(-1)?.state, it.sent.at(-1)?.diagnostic], ["AdminDown", 7]);
    assert.equal(it.clock.pending, 0);
    it.hear({ state: "Up" });
    assert.equal(it.session.state, "AdminDown");
  });
});

suite("all BFD sessions of a node", () => {
  function endpoint() {
    const clock = new FakeClock();
    const ports: string[] = [];
    const sent = new Map<string, BfdPacket>();
    let hear: (bytes: Buffer, from: string) => void = () => assert.fail("nobody listens");
    const transport: BfdTransport = {
      open: (to) => ({
        send: (bytes) => sent.set(`${to.address}:${to.port}`, parseBfd(bytes)!),
        close: () => ports.push(`close sender ${to.port}`),
      }),
      receive: (family, port, near, onPacket) => {
        ports.push(`open ${family} ${port}${near ? " near" : ""}`);
        hear = onPacket;
        return () => ports.push(`close ${family} ${port}`);
      },
    };
    let seed = 0;
    const random = (): number => (seed += 0.1);
    const all = new BfdEndpoint({ clock, random, transport, onError: (error) => assert.fail(error) });
    return { all, ports, sent, hear: (bytes: Buffer, from: string) => hear(bytes, from) };
  }

  const peer = { address: "192.0.2.1", sourceAddress: "", multiHop: false, times };

  test("share a port as long as one of them needs it", () => {
    const { all, ports } = endpoint();
    const first = all.open(peer, () => undefined);
    const second = all.open({ ...peer, address: "192.0.2.2" }, () => undefined);
    const far = all.open({ ...peer, address: "2001:db8::1", multiHop: true }, () => undefined);
    assert.deepEqual(ports, ["open 4 3784 near", "open 6 4784"]);
    first.stop();
    second.stop();
    far.stop();
    assert.deepEqual(
      ports.slice(2).filter((line) => !line.includes("sender")),
      ["close 4 3784", "close 6 4784"],
    );
  });

  test("get what is theirs: by source first, then by discriminator, from their peer alone", () => {
    const { all, sent, hear } = endpoint();
    const states: string[] = [];
    all.open(peer, (state) => states.push(state));
    all.open({ ...peer, address: "192.0.2.2" }, () => assert.fail("not of this session"));
    hear(encodeBfd({ ...packet, yourDiscriminator: 0, state: "Down" }), "192.0.2.1");
    assert.deepEqual(states, ["Init"]);
    const { myDiscriminator } = sent.get("192.0.2.1:3784")!;
    hear(encodeBfd({ ...packet, yourDiscriminator: myDiscriminator, state: "Init" }), "192.0.2.9");
    hear(encodeBfd({ ...packet, yourDiscriminator: myDiscriminator + 1, state: "Init" }), "192.0.2.1");
    hear(Buffer.from("no BFD"), "192.0.2.1");
    assert.deepEqual(states, ["Init"]);
    hear(encodeBfd({ ...packet, yourDiscriminator: myDiscriminator, state: "Init" }), "192.0.2.1");
    assert.deepEqual(states, ["Init", "Up"]);
  });
});
