// SPDX-License-Identifier: Apache-2.0
// Who announces by layer 2, and what is said of those who do not. iris2 wins 10.20.30.1, iris1 wins 10.20.30.2.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reachOf } from "../../../../src/announce/election/reach.ts";
import { pool } from "../allocator/builders.ts";
import { decision, l2, labelled, member, node, onHost, service, type Situation } from "./builders.ts";

const lost = "10.20.30.1";
const won = "10.20.30.2";

/** Of the one service: where it goes, and why iris1 does not announce it. */
function verdict(situation: Omit<Situation, "services"> & Partial<Pick<Situation, "services">>) {
  const { services } = decision({ l2: [l2()], services: [[service("web"), won]], ...situation });
  return { node: services[0]!.layer2Node, reason: services[0]!.layer2Reason };
}

const local = (...nodes: readonly string[]) =>
  service("web", { trafficPolicy: "Local", serving: { anywhere: nodes.length > 0, nodes: new Set(nodes) } });

const rows: readonly (readonly [string, Parameters<typeof verdict>[0], string | null, string | null])[] = [
  ["the winner announces", {}, "iris1", null],
  ["the loser says who does", { services: [[service("web"), lost]] }, "iris2", "notOwner"],
  ["the last one alive announces", { services: [[service("web"), lost]], members: [member("iris1")] }, "iris1", null],
  ["without an address there is nothing to announce", { services: [[service("web")]] }, null, "noIPAllocated"],
  ["a pool that nothing advertises is not announced", { l2: [] }, null, null],
  ["an advertisement of another pool is no advertisement", { l2: [l2({ pools: ["other"] })] }, null, null],
  ["a pool is named", { l2: [l2({ pools: ["other", "pool"] })] }, "iris1", null],
  [
    "a pool is selected by label",
    {
      l2: [l2({ poolSelectors: [labelled({ zone: "a" })] })],
      pools: [pool("pool", ["10.20.30.0/24"], { labels: { zone: "a" } })],
    },
    "iris1",
    null,
  ],
  [
    "no endpoint anywhere: nobody announces",
    { services: [[service("web", { serving: { anywhere: false, nodes: new Set() } }), won]] },
    null,
    "noEndpoints",
  ],
  [
    "endpoints whose nodes nobody knows: everybody may",
    { services: [[service("web", { serving: { anywhere: true, nodes: new Set() } }), won]] },
    "iris1",
    null,
  ],
  ["Local: only where an endpoint serves", { services: [[local("iris2"), won]] }, "iris2", "noLocalEndpoints"],
  ["Local: the winner among those", { services: [[local("iris1", "iris2"), won]] }, "iris1", null],
  ["Local without any endpoint", { services: [[local(), won]] }, null, "noEndpoints"],
  [
    "an advertisement for this node only",
    { services: [[service("web"), lost]], l2: [l2({ nodeSelectors: onHost("iris1") })] },
    "iris1",
    null,
  ],
  [
    "an advertisement for the other node only",
    { l2: [l2({ nodeSelectors: onHost("iris2") })] },
    "iris2",
    "noMatchingAdvertisement",
  ],
  [
    "two advertisements, one for each node",
    { l2: [l2({ nodeSelectors: onHost("iris2") }), l2({ nodeSelectors: onHost("iris1") })] },
    "iris1",
    null,
  ],
  ["an advertisement for nobody", { l2: [l2({ nodeSelectors: onHost("pod1") })] }, null, "noMatchingAdvertisement"],
  [
    "an advertisement for other services",
    { l2: [l2({ serviceSelectors: [labelled({ app: "other" })] })] },
    null,
    "noMatchingAdvertisement",
  ],
  [
    "one of several service selectors matches",
    {
      l2: [l2({ serviceSelectors: [labelled({ app: "other" }), labelled({ app: "web" })] })],
      services: [[service("web", { labels: { app: "web" } }), won]],
    },
    "iris1",
    null,
  ],
  [
    "service and node must match one and the same advertisement",
    {
      l2: [
        l2({ serviceSelectors: [labelled({ app: "web" })], nodeSelectors: onHost("iris2") }),
        l2({ serviceSelectors: [labelled({ app: "other" })], nodeSelectors: onHost("iris1") }),
      ],
      services: [[service("web", { labels: { app: "web" } }), won]],
    },
    "iris2",
    "noMatchingAdvertisement",
  ],
  [
    "sharing and service selectors contradict each other",
    {
      l2: [l2({ serviceSelectors: [labelled({ app: "web" })] }), l2()],
      services: [[service("web", { labels: { app: "web" }, sharingKey: "key" }), won]],
    },
    null,
    "sharedIPWithServiceSelector",
  ],
  [
    "sharing, and a service selector that is not about this service",
    {
      l2: [l2({ serviceSelectors: [labelled({ app: "other" })] }), l2()],
      services: [[service("web", { sharingKey: "key" }), won]],
    },
    "iris1",
    null,
  ],
  [
    "the network of the node is unavailable",
    { nodes: [node("iris1", { networkUnavailable: true })] },
    "iris2",
    "nodeNetworkUnavailable",
  ],
  ["the node is excluded", { nodes: [node("iris1", { excluded: true })] }, "iris2", "nodeLabeledExcludeBalancers"],
  [
    "the node is not ready, as the cluster sees it",
    { nodes: [node("iris1", { ready: false })] },
    "iris2",
    "nodeNotReady",
  ],
  [
    "the node is not ready, as it says itself",
    { members: [member("iris1", { ready: false }), member("iris2")] },
    "iris2",
    "nodeNotReady",
  ],
  ["the node is no member", { members: [member("iris2")] }, "iris2", "notMember"],
  ["nobody is a member", { members: [] }, null, "notMember"],
  [
    "a newcomer waits for what another one holds",
    { members: [member("iris1", { seasoned: false }), member("iris2", { announced: new Set([won]) })] },
    "iris2",
    "notOwner",
  ],
  [
    "a newcomer takes what nobody holds",
    { members: [member("iris1", { seasoned: false }), member("iris2", { announced: new Set([lost]) })] },
    "iris1",
    null,
  ],
];

for (const [name, situation, owner, reason] of rows) {
  test(name, () => {
    assert.deepEqual(verdict(situation), { node: owner, reason });
  });
}

const preferring = (weight: number, host: string) => ({ weight, preference: onHost(host)[0]! });

const preferences: readonly (readonly [string, Parameters<typeof verdict>[0], string, string | null])[] = [
  [
    "the preferred node comes before the hash",
    { l2: [l2({ preferredNodes: [preferring(1, "iris2")] })] },
    "iris2",
    "notOwner",
  ],
  [
    "a preference that nobody matches changes nothing",
    { l2: [l2({ preferredNodes: [preferring(1, "pod1")] })] },
    "iris1",
    null,
  ],
  [
    "the highest weight wins",
    { l2: [l2({ preferredNodes: [preferring(9, "iris1"), preferring(10, "iris2")] })] },
    "iris2",
    "notOwner",
  ],
  [
    "weights are added up, over selectors and advertisements",
    {
      l2: [
        l2({ preferredNodes: [preferring(10, "iris2"), preferring(6, "iris1")] }),
        l2({ preferredNodes: [preferring(5, "iris1")] }),
      ],
      services: [[service("web"), lost]],
    },
    "iris1",
    null,
  ],
  [
    "an advertisement prefers only among the nodes and services that it is for",
    {
      l2: [
        l2(),
        l2({ nodeSelectors: onHost("iris1"), preferredNodes: [preferring(10, "iris2")] }),
        l2({ serviceSelectors: [labelled({ app: "other" })], preferredNodes: [preferring(10, "iris2")] }),
      ],
    },
    "iris1",
    null,
  ],
  [
    "a preferred node that is not alive is stood in for",
    { l2: [l2({ preferredNodes: [preferring(10, "iris2")] })], members: [member("iris1")] },
    "iris1",
    null,
  ],
  [
    "a preferred node that comes back waits like others",
    {
      l2: [l2({ preferredNodes: [preferring(10, "iris2")] })],
      members: [member("iris1", { announced: new Set([won]) }), member("iris2", { seasoned: false })],
    },
    "iris1",
    null,
  ],
];

for (const [name, situation, owner, reason] of preferences) {
  test(name, () => {
    assert.deepEqual(verdict(situation), { node: owner, reason });
  });
}

test("labels that only the node itself knows count for it as those of its resource do", () => {
  const selected = [l2({ nodeSelectors: [labelled({ zone: "a", "kubernetes.io/hostname": "iris1" })] })];
  const members = [member("iris1", { labels: { zone: "a" } }), member("iris2", { labels: { zone: "b" } })];
  for (const me of ["iris1", "iris2"]) {
    const { services } = decision({ me, members, l2: selected, services: [[service("web"), lost]] });
    assert.equal(services[0]!.layer2Node, "iris1");
  }
});

const eth0 = { name: "eth0", prefixes: ["10.20.30.0/24"] };
const eth1 = { name: "eth1", prefixes: [] };

test("a node outside the subnet is no candidate", () => {
  const members = [
    member("iris1", { reach: [{ name: "eth0", prefixes: ["10.20.31.0/24"] }] }),
    member("iris2", { reach: [eth0] }),
  ];
  assert.deepEqual(verdict({ members }), { node: "iris2", reason: "outsideSubnet" });
  assert.deepEqual(verdict({ members, offSubnet: true }), { node: "iris1", reason: null });
});

test("a node that withholds an address is no candidate for it, and for others it is", () => {
  const withheld = new Set(["10.20.30.2"]);
  const members = [member("iris1", { withheld }), member("iris2")];
  const services = [[service("web"), "10.20.30.2", "fd00::2"]] as const;
  const { layer2, services: both } = decision({ l2: [l2()], members, withheld, services });
  assert.deepEqual(
    layer2.map(({ ip }) => ip),
    ["fd00::2"],
  );
  assert.deepEqual([both[0]!.layer2Node, both[0]!.layer2Reason], ["iris2", null]);
  assert.deepEqual(verdict({ members, withheld }), { node: "iris2", reason: "notServed" });
  assert.deepEqual(verdict({ members: [members[0]!], withheld }), { node: null, reason: "notServed" });
});

test("a node without the interface is no candidate", () => {
  const advertisements = [l2({ interfaces: ["eth7"] })];
  const members = [member("iris1", { reach: [eth0] }), member("iris2", { reach: [{ ...eth0, name: "eth7" }] })];
  assert.deepEqual(verdict({ members, l2: advertisements }), { node: "iris2", reason: "noInterface" });
  assert.deepEqual(verdict({ members, l2: advertisements, offSubnet: true }), { node: "iris2", reason: "noInterface" });
});

test("the subnet must be on an interface that the advertisements allow", () => {
  const members = [member("iris1", { reach: [eth0, eth1] }), member("iris2", { reach: [eth1] })];
  assert.deepEqual(verdict({ members, l2: [l2({ interfaces: ["eth1"] })] }), { node: null, reason: "outsideSubnet" });
  assert.deepEqual(verdict({ members, l2: [l2({ interfaces: ["eth1", "eth0"] })] }), { node: "iris1", reason: null });
});

test("interfaces are the union of what the advertisements for this node and service name", () => {
  const interfaces = (...advertisements: readonly Parameters<typeof l2>[0][]) =>
    decision({ l2: advertisements.map(l2), services: [[service("web", { labels: { app: "web" } }), won]] }).layer2;
  const found = (...names: readonly string[]) => [{ service: "default/web", ip: won, interfaces: names }];
  assert.deepEqual(interfaces({ interfaces: ["eth1"] }, { interfaces: ["eth0", "eth1"] }), found("eth0", "eth1"));
  assert.deepEqual(interfaces({ interfaces: ["eth1"] }, {}), found());
  assert.deepEqual(interfaces({ interfaces: ["eth1"] }, { nodeSelectors: onHost("iris2") }), found("eth1"));
  assert.deepEqual(
    interfaces({ interfaces: ["eth1"] }, { serviceSelectors: [labelled({ app: "other" })] }),
    found("eth1"),
  );
});

test("both addresses of a service go to one node, that of the first", () => {
  const { services, layer2 } = decision({ l2: [l2()], services: [[service("web"), won, "fd00::1"]] });
  assert.equal(services[0]!.layer2Node, "iris1");
  assert.deepEqual(
    layer2.map(({ ip }) => ip),
    [won, "fd00::1"],
  );
});

test("where only another node has the subnet of the second address, that one announces it", () => {
  const members = [
    member("iris1", { reach: [eth0] }),
    member("iris2", { reach: [{ name: "eth0", prefixes: ["10.20.30.0/24", "fd00::/64"] }] }),
  ];
  const addressesOf = (me: string) =>
    decision({ me, members, l2: [l2()], services: [[service("web"), won, "fd00::1"]] }).layer2.map(({ ip }) => ip);
  assert.deepEqual(addressesOf("iris1"), [won]);
  assert.deepEqual(addressesOf("iris2"), ["fd00::1"]);
});

test("services that share an address are announced by one node, whatever else they have", () => {
  const services: Situation["services"] = [
    [service("dual", { sharingKey: "key" }), lost, "fd00::1"],
    [service("six", { sharingKey: "key" }), "fd00::1"],
  ];
  const nodes = ["iris1", "iris2"].filter((me) => decision({ me, l2: [l2()], services }).layer2.length > 0);
  assert.deepEqual(nodes, ["iris2"]);
});

test("every service is reported in its order, with a sentence where nothing is announced", () => {
  const { services } = decision({
    l2: [l2()],
    services: [[service("one"), won], [service("two"), lost], [service("three")]],
  });
  assert.deepEqual(
    services.map(({ service: name, reason }) => [name, reason]),
    [
      ["default/one", null],
      ["default/two", "it is announced by another node"],
      ["default/three", "the service has no address"],
    ],
  );
  const unadvertised = decision({ services: [[service("one"), won]] });
  assert.equal(unadvertised.services[0]!.reason, "no advertisement is about its pool");
});

test("others are told of subnets with addresses to announce, and of interfaces that are named", () => {
  const address = (text: string, prefixLength: number, usable = true) => ({ address: text, prefixLength, usable });
  const links = [
    { name: "wlan0", addresses: [address("10.20.0.7", 16), address("fd00::7", 64), address("fd00::8", 64)] },
    { name: "eth0", addresses: [address("192.0.2.7", 24), address("fe80::7", 64)] },
    { name: "eth1", addresses: [address("10.20.30.7", 24, false)] },
    { name: "eth2", addresses: [address("10.20.30.7", 32)] },
  ];
  const config = {
    pools: [pool("pool", ["10.20.30.16-10.20.30.20", "fd00::10-fd00::20"])],
    l2: [l2({ interfaces: ["eth1"] })],
  };
  assert.deepEqual(reachOf(links, config), [
    { name: "eth1", prefixes: [] },
    { name: "wlan0", prefixes: ["10.20.0.0/16", "fd00::/64"] },
  ]);
});
