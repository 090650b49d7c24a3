// SPDX-License-Identifier: Apache-2.0
// MetalLB's resources as YAML: decoding what was written gives back what was decoded.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { isMetallb, manifestOf } from "../../../../src/config/encode/metallb.ts";
import { decode } from "../decode/decoding.ts";

const selectors = `[{matchLabels: {a: b}}, {matchExpressions: [{key: k, operator: In, values: [x, "1"]}, {key: l, operator: Exists}]}]`;
const cases: readonly (readonly [kind: string, spec: string])[] = [
  ["IPAddressPool", "{addresses: [10.0.0.7/24, '10.0.1.1 - 10.0.1.9', 'fd00::/64']}"],
  [
    "IPAddressPool",
    `{addresses: [10.0.0.0/24], autoAssign: false, avoidBuggyIPs: true, serviceAllocation: {priority: 5, namespaces: [a, b], namespaceSelectors: ${selectors}, serviceSelectors: ${selectors}}}`,
  ],
  ["IPAddressPool", "{addresses: [10.0.0.0/24], serviceAllocation: {}}"],
  ["L2Advertisement", "{}"],
  [
    "L2Advertisement",
    `{ipAddressPools: [a], ipAddressPoolSelectors: ${selectors}, nodeSelectors: ${selectors}, serviceSelectors: ${selectors}, interfaces: [eth0, eth1], preferredNodeSelectors: [{weight: 7, preference: {matchLabels: {a: b}}}, {weight: 7, preference: {}}]}`,
  ],
  ["BGPAdvertisement", "{}"],
  [
    "BGPAdvertisement",
    `{ipAddressPools: [a], aggregationLength: 24, aggregationLengthV6: 64, localPref: 5, communities: ["65535:65282", "large:4294967295:0:2", alias], peers: [p, q], nodeSelectors: ${selectors}}`,
  ],
  ["BGPPeer", "{myASN: 1, peerASN: 2, peerAddress: 10.0.0.1}"],
  ["BGPPeer", "{myASN: 1, dynamicASN: external, peerAddress: 'fd00::1', holdTime: 10s}"],
  ["BGPPeer", "{myASN: 1, dynamicASN: internal, peerAddress: 'fd00::1', holdTime: 0s}"],
  [
    "BGPPeer",
    `{myASN: 4200000000, peerASN: 2, peerAddress: 10.0.0.1, peerPort: 1179, sourceAddress: 10.0.0.2, routerID: 1.2.3.4, holdTime: 30s, keepaliveTime: 1500ms, connectTime: 5s, nodeSelectors: ${selectors}, password: hush, bfdProfile: fast, enableGracefulRestart: true, ebgpMultiHop: true, dualStackAddressFamily: true}`,
  ],
  ["BGPPeer", "{myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, passwordSecret: {name: s, namespace: t}}"],
  ["BFDProfile", "{}"],
  [
    "BFDProfile",
    "{receiveInterval: 10, transmitInterval: 60000, detectMultiplier: 255, passiveMode: true, minimumTtl: 1}",
  ],
  ["Community", '{communities: [{name: a, value: "0:65535"}, {name: b, value: "large:1:2:3"}]}'],
];

describe("manifests", () => {
  for (const [kind, spec] of cases) {
    it(`${kind} ${spec.slice(0, 60)}`, () => {
      const version = kind === "BGPPeer" ? "v1beta2" : "v1beta1";
      const first = decode(
        `apiVersion: metallb.io/${version}\nkind: ${kind}\nmetadata: {name: x, namespace: metallb-system}\nspec: ${spec}`,
      );
      assert.deepEqual(first.problems, []);
      const [resource] = first.resources;
      assert.ok(resource !== undefined && isMetallb(resource));
      const second = decode(stringify(manifestOf(resource)));
      assert.deepEqual(second.problems, []);
      assert.deepEqual(withoutPositions(second.resources), withoutPositions(first.resources));
    });
  }
});

function withoutPositions(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, each: unknown) => (key === "position" ? undefined : each)));
}
