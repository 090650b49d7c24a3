// SPDX-License-Identifier: Apache-2.0
// BGPPeer and BFDProfile.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, decodeOne, problemsOf } from "../decoding.ts";
import { base, metallb } from "./documents.ts";

const least = "myASN: 64512, peerASN: 64513, peerAddress: 10.0.0.1";
const peer = (more: string, start = least): string =>
  metallb("BGPPeer", `{${[start, more].filter((part) => part !== "").join(", ")}}`);

const defaults = {
  kind: "BGPPeer",
  ...base,
  myASN: 64_512,
  peerASN: 64_513,
  peerAddress: "10.0.0.1",
  peerPort: 179,
  sourceAddress: "",
  routerID: "",
  holdTimeMs: 90_000,
  keepaliveTimeMs: 30_000,
  connectTimeMs: 120_000,
  nodeSelectors: [],
  password: null,
  passwordSecret: null,
  bfdProfile: "",
  enableGracefulRestart: false,
  ebgpMultiHop: false,
  dualStackAddressFamily: false,
};

describe("BGPPeer", () => {
  it("has defaults, in both versions", () => {
    assert.deepEqual(decodeOne("BGPPeer", peer("")), defaults);
    assert.deepEqual(decodeOne("BGPPeer", metallb("BGPPeer", `{${least}}`, "v1beta1")), defaults);
  });

  it("takes every field", () => {
    const more =
      "peerPort: 16384, sourceAddress: 10.0.0.2, routerID: 1.2.3.4, holdTime: 2m, keepaliveTime: 10s, connectTime: 65535s, nodeSelectors: [{matchLabels: {a: b}}], password: p, bfdProfile: f, enableGracefulRestart: true, ebgpMultiHop: true, dualStackAddressFamily: true, disableMP: true";
    assert.deepEqual(problemsOf(peer(more)), []);
    assert.deepEqual(decodeOne("BGPPeer", peer(more)), {
      ...defaults,
      peerPort: 16_384,
      sourceAddress: "10.0.0.2",
      routerID: "1.2.3.4",
      holdTimeMs: 120_000,
      keepaliveTimeMs: 10_000,
      connectTimeMs: 65_535_000,
      nodeSelectors: [{ matchLabels: { a: "b" }, matchExpressions: [] }],
      password: "p",
      bfdProfile: "f",
      enableGracefulRestart: true,
      ebgpMultiHop: true,
      dualStackAddressFamily: true,
    });
  });

  it("writes addresses in one way", () => {
    const { peerAddress, sourceAddress } = decodeOne(
      "BGPPeer",
      metallb("BGPPeer", "{myASN: 1, peerASN: 2, peerAddress: 'FD00:0::1', sourceAddress: 'fd00::0:2'}"),
    );
    assert.deepEqual([peerAddress, sourceAddress], ["fd00::1", "fd00::2"]);
  });

  it("takes what MetalLB's API writes for fields that are not set", () => {
    const more =
      "passwordSecret: {}, nodeSelectors: [], password: '', sourceAddress: '', routerID: '', bfdProfile: '', interface: '', vrf: '', localASN: 0, holdTime: 0s, keepaliveTime: 0s";
    const decoded = decodeOne("BGPPeer", peer(more));
    assert.deepEqual(problemsOf(peer(more)), []);
    assert.deepEqual(decoded, { ...defaults, holdTimeMs: 0, keepaliveTimeMs: 0 });
  });

  for (const [start, peerASN] of [
    ["myASN: 1, dynamicASN: internal, peerAddress: 10.0.0.1", "internal"],
    ["myASN: 1, dynamicASN: external, peerASN: 0, peerAddress: 10.0.0.1", "external"],
    ["myASN: 4294967295, peerASN: 4294967295, peerAddress: 10.0.0.1", 4_294_967_295],
  ] as const) {
    it(`knows the AS of the peer: ${start}`, () =>
      assert.equal(decodeOne("BGPPeer", peer("", start)).peerASN, peerASN));
  }

  for (const [more, holdTimeMs, keepaliveTimeMs] of [
    ["holdTime: 9s", 9_000, 3_000],
    ["holdTime: 3s", 3_000, 1_000],
    ["holdTime: 3900ms", 3_000, 1_000],
    ["holdTime: 0s", 0, 0],
    ["keepaliveTime: 5s", 15_000, 5_000],
    ["holdTime: 9s, keepaliveTime: 9s", 9_000, 9_000],
    ["holdTime: 65535s", 65_535_000, 21_845_000],
  ] as const) {
    it(`derives times: ${more}`, () => {
      const decoded = decodeOne("BGPPeer", peer(more));
      assert.deepEqual([decoded.holdTimeMs, decoded.keepaliveTimeMs], [holdTimeMs, keepaliveTimeMs]);
    });
  }

  it("takes the Secret's own namespace, or that of the peer", () => {
    const { passwordSecret } = decodeOne("BGPPeer", peer("passwordSecret: {name: s}"));
    assert.deepEqual(passwordSecret, { name: "s", namespace: "metallb-system" });
    const elsewhere = decodeOne("BGPPeer", peer("passwordSecret: {name: s, namespace: vault}"));
    assert.deepEqual(elsewhere.passwordSecret, { name: "s", namespace: "vault" });
  });

  const wrong: readonly (readonly [more: string, problems: readonly string[], start?: string])[] = [
    ["", ["error REQUIRED spec"], "peerASN: 2, peerAddress: 10.0.0.1"],
    ["", ["error VALUE spec.myASN"], "myASN: 0, peerASN: 2, peerAddress: 10.0.0.1"],
    ["", ["error VALUE spec.myASN"], "myASN: 4294967296, peerASN: 2, peerAddress: 10.0.0.1"],
    ["", ["error REQUIRED spec"], "myASN: 1, peerAddress: 10.0.0.1"],
    ["", ["error REQUIRED spec"], "myASN: 1, peerASN: 0, peerAddress: 10.0.0.1"],
    ["", ["error TYPE spec.peerASN"], "myASN: 1, peerASN: two, peerAddress: 10.0.0.1"],
    ["dynamicASN: external", ["error CONFLICT spec.dynamicASN"]],
    ["", ["error VALUE spec.dynamicASN"], "myASN: 1, dynamicASN: both, peerAddress: 10.0.0.1"],
    ["", ["error REQUIRED spec"], "myASN: 1, peerASN: 2"],
    ["", ["error REQUIRED spec.peerAddress"], "myASN: 1, peerASN: 2, peerAddress: ''"],
    ["", ["error VALUE spec.peerAddress"], "myASN: 1, peerASN: 2, peerAddress: router"],
    ["interface: eth0", ["error UNSERVED_FIELD spec.interface"]],
    ["localASN: 5", ["error UNSERVED_FIELD spec.localASN"]],
    ["vrf: red", ["warning UNSERVED_FIELD spec.vrf"]],
    ["peerPort: 0", ["error VALUE spec.peerPort"]],
    ["peerPort: 16385", ["error VALUE spec.peerPort"]],
    ["sourceAddress: here", ["error VALUE spec.sourceAddress"]],
    ["routerID: 'fd00::1'", ["error VALUE spec.routerID"]],
    ["routerID: 0.0.0.0", ["error VALUE spec.routerID"]],
    ["holdTime: 2s", ["error VALUE spec.holdTime"]],
    // Not rounded down to 0, which would switch the timer off.
    ["holdTime: 999ms", ["error VALUE spec.holdTime"]],
    ["keepaliveTime: 300ms", ["error VALUE spec.keepaliveTime"]],
    ["holdTime: 65536s", ["error VALUE spec.holdTime"]],
    ["holdTime: 90", ["error TYPE spec.holdTime"]],
    ["keepaliveTime: 500ms", ["error VALUE spec.keepaliveTime"]],
    ["holdTime: 9s, keepaliveTime: 10s", ["error VALUE spec.keepaliveTime"]],
    ["holdTime: 0s, keepaliveTime: 1s", ["error VALUE spec.keepaliveTime"]],
    ["connectTime: 1500ms", ["error VALUE spec.connectTime"]],
    ["connectTime: 65536s", ["error VALUE spec.connectTime"]],
    ["ebgpMultiHop: true", ["error CONFLICT spec.ebgpMultiHop"], "myASN: 1, peerASN: 1, peerAddress: 10.0.0.1"],
    [
      "ebgpMultiHop: true",
      ["error CONFLICT spec.ebgpMultiHop"],
      "myASN: 1, dynamicASN: internal, peerAddress: 10.0.0.1",
    ],
    ["nodeSelectors: [{}, {}]", ["error CONFLICT spec.nodeSelectors[1]"]],
    ["password: a, passwordSecret: {name: s}", ["error CONFLICT spec.password"]],
    ["passwordSecret: {namespace: s}", ["error REQUIRED spec.passwordSecret"]],
    ["bfdProfile: [a]", ["error TYPE spec.bfdProfile"]],
  ];
  for (const [more, expected, start] of wrong) {
    it(`says what is wrong with ${[start, more].filter(Boolean).join(", ")}`, () => {
      assert.deepEqual(problemsOf(peer(more, start)), expected);
    });
  }

  it("never tells its password", () => {
    const passwords = [
      "[hush]",
      "{a: hush}",
      `"${"hush".repeat(21)}"`,
      "hush, passwordSecret: {name: s}",
      "hush, hold: 5",
    ];
    for (const password of passwords) {
      const { problems } = decode(peer(`password: ${password}`));
      assert.ok(problems.length > 0, password);
      assert.doesNotMatch(JSON.stringify(problems), /hush/);
    }
  });
});

describe("BFDProfile", () => {
  const byDefault = {
    receiveIntervalMs: 300,
    transmitIntervalMs: 300,
    detectMultiplier: 3,
    passiveMode: false,
    minimumTtl: 254,
  };

  for (const spec of ["", "{}", "{echoMode: false, echoInterval: 50}"]) {
    it(`has defaults with ${spec || "no spec"}`, () => {
      assert.deepEqual(problemsOf(metallb("BFDProfile", spec)), []);
      const decoded = decodeOne("BFDProfile", metallb("BFDProfile", spec));
      assert.deepEqual(decoded, { kind: "BFDProfile", ...base, ...byDefault });
    });
  }

  it("takes every field, up to its bounds", () => {
    const low = "{receiveInterval: 10, transmitInterval: 10, detectMultiplier: 2, passiveMode: true, minimumTtl: 1}";
    const high = "{receiveInterval: 60000, transmitInterval: 60000, detectMultiplier: 255, minimumTtl: 254}";
    const lowest = {
      receiveIntervalMs: 10,
      transmitIntervalMs: 10,
      detectMultiplier: 2,
      passiveMode: true,
      minimumTtl: 1,
    };
    const most = { ...byDefault, receiveIntervalMs: 60_000, transmitIntervalMs: 60_000, detectMultiplier: 255 };
    const decoded = [low, high].map((spec) => decodeOne("BFDProfile", metallb("BFDProfile", spec)));
    assert.deepEqual(
      decoded,
      [lowest, most].map((fields) => ({ kind: "BFDProfile", ...base, ...fields })),
    );
  });

  for (const [field, low, high] of [
    ["receiveInterval", 9, 60_001],
    ["transmitInterval", 9, 60_001],
    ["detectMultiplier", 1, 256],
    ["minimumTtl", 0, 255],
  ] as const) {
    it(`keeps ${field} within its bounds`, () => {
      for (const value of [low, high, 10.5]) {
        assert.deepEqual(problemsOf(metallb("BFDProfile", `{${field}: ${value}}`)), [`error VALUE spec.${field}`]);
      }
    });
  }

  it("says that it does not send echoes", () => {
    assert.deepEqual(problemsOf(metallb("BFDProfile", "{echoMode: true}")), ["warning UNSERVED_FIELD spec.echoMode"]);
  });
});
