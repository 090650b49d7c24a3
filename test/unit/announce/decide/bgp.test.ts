// SPDX-License-Identifier: Apache-2.0
// Which routes go to which BGP peer, and what is said of services that have none.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ResolvedBGPAdvertisement } from "../../../../src/announce/index.ts";
import { bgp, decision, l2, labelled, node, onHost, peer, service, type Situation } from "./builders.ts";

type Some = Omit<Situation, "services"> & Partial<Pick<Situation, "services">>;

function decided(situation: Some) {
  return decision({ bgp: [bgp()], peers: [peer("tor")], services: [[service("web"), "10.20.30.1"]], ...situation });
}

function verdict(situation: Some) {
  const { bgpPeers, bgpReason } = decided(situation).services[0]!;
  return { peers: bgpPeers, reason: bgpReason };
}

/** `prefix@peer`. */
function routesOf(situation: Some): readonly string[] {
  return [...decided(situation).bgp].flatMap(([name, routes]) => routes.map(({ prefix }) => `${prefix}@${name}`));
}

function standard(value: number): ResolvedBGPAdvertisement["communities"][number] {
  return { kind: "standard", value };
}

function large(...value: readonly [number, number, number]): ResolvedBGPAdvertisement["communities"][number] {
  return { kind: "large", value };
}

const local = (...nodes: readonly string[]) =>
  service("web", { trafficPolicy: "Local", serving: { anywhere: nodes.length > 0, nodes: new Set(nodes) } });
const web = service("web", { labels: { app: "web" } });
const here = { peers: ["tor"], reason: null };
const nowhere = (reason: string | null) => ({ peers: [], reason });

const rows: readonly (readonly [string, Some, ReturnType<typeof nowhere> | typeof here])[] = [
  ["it is announced to the peer", {}, here],
  ["without an advertisement it is not, and need not be", { bgp: [] }, nowhere(null)],
  ["no advertisement for this node", { bgp: [bgp({ nodeSelectors: onHost("iris2") })] }, nowhere("notOwner")],
  [
    "no advertisement for this service",
    { bgp: [bgp({ serviceSelectors: [labelled({ app: "web" })] })] },
    nowhere("noMatchingAdvertisement"),
  ],
  [
    "an advertisement for this service",
    { bgp: [bgp({ serviceSelectors: [labelled({ app: "web" })] })], services: [[web, "10.20.30.1"]] },
    here,
  ],
  [
    "two local preferences",
    { bgp: [bgp({ localPref: 100 }), bgp({ localPref: 200 })] },
    nowhere("conflictingAdvertisements"),
  ],
  [
    "the conflict comes before the state of the node",
    { bgp: [bgp({ localPref: 100 }), bgp()], nodes: [node("iris1", { excluded: true })] },
    nowhere("conflictingAdvertisements"),
  ],
  [
    "two local preferences for two nodes",
    {
      bgp: [
        bgp({ localPref: 100, nodeSelectors: onHost("iris1") }),
        bgp({ localPref: 200, nodeSelectors: onHost("iris2") }),
      ],
    },
    here,
  ],
  [
    "two local preferences for two peers",
    { bgp: [bgp({ localPref: 100, peers: ["tor"] }), bgp({ localPref: 200, peers: ["core"] })] },
    here,
  ],
  [
    "two local preferences for two prefixes",
    { bgp: [bgp({ localPref: 100, aggregationLength: 24 }), bgp({ localPref: 200 })] },
    here,
  ],
  [
    "two local preferences for the same prefix of the family that the service has not",
    { bgp: [bgp({ localPref: 100, aggregationLength: 24 }), bgp({ localPref: 200 })], services: [[web, "10.20.30.1"]] },
    here,
  ],
  [
    "two local preferences for the same prefix of its second family",
    {
      bgp: [bgp({ localPref: 100, aggregationLength: 24 }), bgp({ localPref: 200 })],
      services: [[web, "10.20.30.1", "fd00::1"]],
    },
    nowhere("conflictingAdvertisements"),
  ],
  [
    "the network is unavailable",
    { nodes: [node("iris1", { networkUnavailable: true })] },
    nowhere("nodeNetworkUnavailable"),
  ],
  ["the node is excluded", { nodes: [node("iris1", { excluded: true })] }, nowhere("nodeLabeledExcludeBalancers")],
  ["a node that is not ready announces all the same", { nodes: [node("iris1", { ready: false })] }, here],
  ["nobody else need be alive, nor we be a member", { members: [] }, here],
  ["Local with an endpoint here", { services: [[local("iris1"), "10.20.30.1"]] }, here],
  ["Local with an endpoint elsewhere", { services: [[local("iris2"), "10.20.30.1"]] }, nowhere("noLocalEndpoints")],
  ["no endpoint at all", { services: [[local(), "10.20.30.1"]] }, nowhere("noEndpoints")],
  ["no peer for this node", { peers: [peer("tor", { nodeSelectors: onHost("iris2") })] }, nowhere("noPeer")],
  ["no peer that the advertisement names", { bgp: [bgp({ peers: ["core"] })] }, nowhere("noPeer")],
];

for (const [name, situation, expected] of rows) {
  test(name, () => {
    assert.deepEqual(verdict(situation), expected);
  });
}

test("both addresses are routes, cut to the length of their family", () => {
  const services: Situation["services"] = [[web, "10.20.30.77", "fd00::77"]];
  assert.deepEqual(routesOf({ services }), ["10.20.30.77/32@tor", "fd00::77/128@tor"]);
  assert.deepEqual(routesOf({ services, bgp: [bgp({ aggregationLength: 26, aggregationLengthV6: 64 })] }), [
    "10.20.30.64/26@tor",
    "fd00::/64@tor",
  ]);
});

test("several advertisements make several routes of one address", () => {
  assert.deepEqual(routesOf({ bgp: [bgp(), bgp({ aggregationLength: 24 })] }), [
    "10.20.30.0/24@tor",
    "10.20.30.1/32@tor",
  ]);
});

test("routes go to the peers that are named, of those that are for this node", () => {
  const peers = [peer("tor"), peer("core"), peer("far", { nodeSelectors: onHost("iris2") })];
  const situation = { peers, bgp: [bgp(), bgp({ aggregationLength: 24, peers: ["core", "far", "none"] })] };
  assert.deepEqual(routesOf(situation), ["10.20.30.1/32@tor", "10.20.30.0/24@core", "10.20.30.1/32@core"]);
  assert.deepEqual(verdict(situation).peers, ["core", "tor"]);
});

test("a peer of this node without routes is there, so that its session is withdrawn from", () => {
  assert.deepEqual([...decided({ bgp: [] }).bgp], [["tor", []]]);
});

test("routes that are one have all communities, ascending and each once", () => {
  const { bgp: routes } = decided({
    bgp: [
      bgp({ localPref: 100, communities: [standard(7), large(2, 1, 1), standard(3)] }),
      bgp({ localPref: 100, communities: [standard(3), standard(5), large(1, 9, 9), large(2, 1, 1)] }),
    ],
  });
  assert.deepEqual(routes.get("tor"), [
    {
      prefix: "10.20.30.1/32",
      localPref: 100,
      communities: [3, 5, 7],
      largeCommunities: [
        [1, 9, 9],
        [2, 1, 1],
      ],
    },
  ]);
});

test("what this node withholds is no route, and alone no reason for a peer", () => {
  const services = [[web, "10.20.30.1", "fd00::1"]] as const;
  const withheld = new Set(["10.20.30.1"]);
  assert.deepEqual(routesOf({ services, withheld }), ["fd00::1/128@tor"]);
  const { bgp: routes, services: none } = decided({ services: [[web, "10.20.30.1"]], withheld });
  assert.deepEqual([routes.get("tor"), none[0]!.bgpPeers, none[0]!.bgpReason], [[], [], "notServed"]);
});

test("a preference that is not said is not sent", () => {
  assert.equal(decided({}).bgp.get("tor")![0]!.localPref, null);
});

test("an aggregate is announced while one service needs it", () => {
  const advertisements = [bgp({ aggregationLength: 24 })];
  const dead = service("dead", { serving: { anywhere: false, nodes: new Set() } });
  assert.deepEqual(
    routesOf({
      bgp: advertisements,
      services: [
        [dead, "10.20.30.1"],
        [web, "10.20.30.2"],
      ],
    }),
    ["10.20.30.0/24@tor"],
  );
  assert.deepEqual(routesOf({ bgp: advertisements, services: [[dead, "10.20.30.1"]] }), []);
});

test("a service goes both ways where both kinds advertise its pool, and is announced if one way works", () => {
  const both = decided({ l2: [l2()], services: [[web, "10.20.30.2"]] });
  assert.deepEqual([both.layer2.length, both.bgp.get("tor")!.length], [1, 1]);
  const one = decided({ l2: [l2()] }).services[0]!;
  assert.deepEqual([one.layer2Reason, one.bgpReason, one.reason], ["notOwner", null, null]);
});
