// SPDX-License-Identifier: Apache-2.0
// Pools, advertisements, peers and communities that must fit together: what is reported, and what is left in force.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { announceAll, core, doc, link, peer, pool } from "./linking.ts";

const names = (resources: readonly { readonly name: string }[]): readonly string[] => resources.map(({ name }) => name);
const node = (name: string, more: string, metadata = ""): string => core("Node", `name: ${name}${metadata}`, more);

describe("pools", () => {
  it("are all there when nothing is wrong", () => {
    const { config, problems } = link([
      pool("a", "10.0.0.0/24"),
      pool("b", "10.0.1.0/24, 'fd00::/64'"),
      ...announceAll,
    ]);
    assert.deepEqual(problems, []);
    assert.deepEqual([names(config.pools), names(config.l2)], [["a", "b"], ["all"]]);
  });

  it("that overlap an older one are left out, at the range's own line", () => {
    const documents = [pool("old", "10.0.0.0/24"), pool("young", "10.9.0.0/24,\n10.0.0.250-10.0.1.2"), ...announceAll];
    const { config, problems, messages } = link(documents);
    assert.deepEqual(problems, ["6 error IPAddressPool/young spec.addresses[1] [CONFLICT]"]);
    assert.deepEqual(names(config.pools), ["old"]);
    assert.match(messages[0]!, /10\.0\.0\.250-10\.0\.1\.2 overlaps 10\.0\.0\.0\/24 of .*\/old \(vip\.yaml:1\)/);
  });

  it("cost nobody else: what overlaps only a pool that is left out stays", () => {
    const { config, problems } = link([
      pool("a", "10.0.0.0/24"),
      pool("b", "10.0.0.128-10.0.1.128"),
      pool("c", "10.0.1.0/24"),
      ...announceAll,
    ]);
    assert.deepEqual(problems, ["5 error IPAddressPool/b spec.addresses[0] [CONFLICT]"]);
    assert.deepEqual(names(config.pools), ["a", "c"]);
  });

  it("are older by creation time, whatever the order of the files", () => {
    const dated = (name: string, time: string): string =>
      doc("IPAddressPool", name, "{addresses: [10.0.0.0/24]}", `, creationTimestamp: "${time}"`);
    const { config } = link([
      dated("young", "2026-02-01T00:00:00Z"),
      dated("old", "2026-01-01T00:00:00Z"),
      ...announceAll,
    ]);
    assert.deepEqual(names(config.pools), ["old"]);
  });

  it("of one name in two namespaces are one too many", () => {
    const other = pool("a", "10.0.1.0/24").replace("metallb-system", "other");
    const { config, problems } = link([pool("a", "10.0.0.0/24"), other, ...announceAll]);
    assert.deepEqual(problems, ["4 error IPAddressPool/a metadata.name [CONFLICT]"]);
    assert.equal(config.pools[0]?.ranges[0]?.text, "10.0.0.0/24");
  });

  it("that nobody announces are reported", () => {
    const { config, problems } = link([
      pool("a", "10.0.0.0/24"),
      pool("b", "10.0.1.0/24"),
      doc("L2Advertisement", "l2", "{ipAddressPools: [a]}"),
    ]);
    assert.deepEqual(problems, ["4 warning IPAddressPool/b  [UNATTACHED]"]);
    assert.deepEqual(names(config.pools), ["a", "b"]);
  });

  it("that hold addresses of nodes or pods are reported, and stay", () => {
    const nodes = [
      node(
        "n1",
        "spec: {podCIDR: 10.244.1.0/24}, status: {addresses: [{type: InternalIP, address: 192.168.1.5}, {type: Hostname, address: n1}]}",
      ),
    ];
    const { config, problems, messages } = link([
      ...nodes,
      pool("a", "192.168.1.0/24, 10.244.0.0/16, 10.0.0.0/24"),
      ...announceAll,
    ]);
    assert.deepEqual(problems, [
      "4 warning IPAddressPool/a spec.addresses[0] [CONFLICT]",
      "4 warning IPAddressPool/a spec.addresses[1] [CONFLICT]",
    ]);
    assert.match(messages[0]!, /192\.168\.1\.5, an address of the node n1/);
    assert.deepEqual(names(config.pools), ["a"]);
  });
});

describe("advertisements", () => {
  it("select pools by name or by label, or all of them", () => {
    const labelled = doc("IPAddressPool", "a", "{addresses: [10.0.0.0/24]}", ", labels: {tier: gold}");
    const byLabel = doc("L2Advertisement", "l2", "{ipAddressPoolSelectors: [{matchLabels: {tier: gold}}]}");
    assert.deepEqual(link([labelled, byLabel]).problems, []);
    assert.deepEqual(link([pool("a", "10.0.0.0/24"), byLabel]).problems, [
      "1 warning IPAddressPool/a  [UNATTACHED]",
      "4 warning L2Advertisement/l2  [UNATTACHED]",
    ]);
  });

  it("that name what is not there are reported and stay", () => {
    const { config, problems } = link([
      pool("a", "10.0.0.0/24"),
      peer("p"),
      doc("L2Advertisement", "l2", "{ipAddressPools: [a, b]}"),
      doc("BGPAdvertisement", "bgp", "{ipAddressPools: [c], peers: [p, q]}"),
    ]);
    assert.deepEqual(problems, [
      "7 warning L2Advertisement/l2 spec.ipAddressPools[1] [REFERENCE]",
      "10 warning BGPAdvertisement/bgp spec.ipAddressPools[0] [REFERENCE]",
      "10 warning BGPAdvertisement/bgp spec.peers[1] [REFERENCE]",
    ]);
    assert.deepEqual([names(config.l2), names(config.bgp)], [["l2"], ["bgp"]]);
  });

  it("of nothing, or to nobody, are reported", () => {
    assert.deepEqual(link([doc("L2Advertisement", "l2"), doc("BGPAdvertisement", "bgp")]).problems, [
      "1 warning L2Advertisement/l2  [UNATTACHED]",
      "4 warning BGPAdvertisement/bgp  [UNATTACHED]",
      "4 warning BGPAdvertisement/bgp  [UNATTACHED]",
    ]);
    const { messages } = link([pool("a", "10.0.0.0/24"), doc("BGPAdvertisement", "bgp")]);
    assert.deepEqual(
      messages.map((message) => message.replace(/^\S+ \S+: /, "")),
      ["there is no BGPPeer to announce anything to [UNATTACHED]"],
    );
  });

  it("that say the same are used once", () => {
    const { config, problems } = link([
      pool("a", "10.0.0.0/24"),
      pool("b", "10.0.1.0/24"),
      peer("p"),
      doc("L2Advertisement", "one", "{ipAddressPools: [a, b], interfaces: [eth0]}"),
      doc("L2Advertisement", "two", "{ipAddressPools: [b, a], interfaces: [eth0]}"),
      doc("L2Advertisement", "three", "{ipAddressPools: [b, a], interfaces: [eth1]}"),
      doc("BGPAdvertisement", "four", "{localPref: 7}"),
      doc("BGPAdvertisement", "five", "{localPref: 7}"),
    ]);
    assert.deepEqual(problems, [
      "13 warning L2Advertisement/two  [UNATTACHED]",
      "22 warning BGPAdvertisement/five  [UNATTACHED]",
    ]);
    assert.deepEqual([names(config.l2), names(config.bgp)], [["one", "three"], ["four"]]);
  });

  it("of aggregates wider than a pool are left out", () => {
    const documents = (spec: string): readonly string[] => [
      pool("a", "10.0.0.0/26, 10.0.1.0-10.0.1.200, 'fd00::/120'"),
      peer("p"),
      doc("BGPAdvertisement", "bgp", `{${spec}}`),
    ];
    assert.deepEqual(link(documents("aggregationLength: 26, aggregationLengthV6: 120")).problems, []);
    // Of a range only the widest of its prefixes counts, here 10.0.1.0/25.
    const { config, problems, messages } = link(documents("aggregationLength: 25, aggregationLengthV6: 64"));
    assert.deepEqual(problems, [
      "7 error BGPAdvertisement/bgp spec.aggregationLength [VALUE]",
      "7 error BGPAdvertisement/bgp spec.aggregationLengthV6 [VALUE]",
    ]);
    assert.match(messages[0]!, /a \/25 is more than 10\.0\.0\.0\/26 of the pool a has; write 26 or more/);
    assert.deepEqual(config.bgp, []);
  });
});

describe("local preferences", () => {
  const conflicting = "7 error BGPAdvertisement/two spec.localPref [CONFLICT]";
  const nodes = [node("n1", "spec: {}", ", labels: {rack: a}"), node("n2", "spec: {}", ", labels: {rack: b}")];
  const cases: readonly (readonly [
    what: string,
    one: string,
    two: string,
    problems: readonly string[],
    described?: boolean,
  ])[] = [
    ["that differ", "", "localPref: 5", [conflicting]],
    ["that are equal", "localPref: 5, communities: ['1:1']", "localPref: 5", []],
    ["of different aggregates", "aggregationLength: 32", "aggregationLength: 24, localPref: 5", []],
    ["to different peers", "peers: [p]", "peers: [q], localPref: 5", []],
    ["to some common peer", "peers: [p, q]", "peers: [q], localPref: 5", [conflicting]],
    ["of different pools", "ipAddressPools: [a]", "ipAddressPools: [b], localPref: 5", []],
    ["for some services only", "serviceSelectors: [{matchLabels: {a: b}}]", "localPref: 5", []],
    [
      "from racks that have a node in common",
      "nodeSelectors: [{matchLabels: {rack: a}}]",
      "localPref: 5",
      [conflicting],
      true,
    ],
    [
      "from different racks",
      "nodeSelectors: [{matchLabels: {rack: a}}]",
      "nodeSelectors: [{matchLabels: {rack: b}}], localPref: 5",
      [],
      true,
    ],
    [
      "from racks nobody describes",
      "nodeSelectors: [{matchLabels: {rack: a}}]",
      "nodeSelectors: [{matchLabels: {rack: b}}], localPref: 5",
      [],
    ],
    [
      "from one rack nobody describes",
      "nodeSelectors: [{matchLabels: {rack: a}}]",
      "nodeSelectors: [{matchLabels: {rack: a}}], localPref: 5",
      [conflicting],
    ],
  ];
  for (const [what, one, two, expected, described = false] of cases) {
    it(what, () => {
      const ads = [doc("BGPAdvertisement", "one", `{${one}}`), doc("BGPAdvertisement", "two", `{${two}}`)];
      const rest = [
        pool("a", "10.0.0.0/24"),
        pool("b", "10.0.1.0/24"),
        doc("L2Advertisement", "l2"),
        peer("p"),
        peer("q", "", "10.0.0.2"),
      ];
      const { config, problems } = link([...ads, ...rest, ...(described ? nodes : [])]);
      assert.deepEqual(
        problems,
        expected.map((line) => line.replace(/^7/, "4")),
      );
      assert.deepEqual(names(config.bgp), expected.length === 0 ? ["one", "two"] : ["one"]);
    });
  }
});

describe("communities", () => {
  const aliases = doc(
    "Community",
    "c",
    "{communities: [{name: no-export, value: '65535:65281'}, {name: big, value: 'large:1:2:3'}]}",
  );
  const rest = [pool("a", "10.0.0.0/24"), peer("p")];

  it("are resolved, each once", () => {
    const ad = doc("BGPAdvertisement", "bgp", "{communities: [no-export, big, '64512:1', '65535:65281']}");
    const { config, problems } = link([aliases, ...rest, ad]);
    assert.deepEqual(problems, []);
    assert.deepEqual(config.bgp[0]?.communities, [
      { kind: "standard", value: 0xff_ff_ff_01 },
      { kind: "large", value: [1, 2, 3] },
      { kind: "standard", value: 64_512 * 65_536 + 1 },
    ]);
  });

  it("that nobody names cost the advertisement, which would go too far without them", () => {
    const { config, problems } = link([aliases, ...rest, doc("BGPAdvertisement", "bgp", "{communities: [no-exprt]}")]);
    assert.deepEqual(problems, ["10 error BGPAdvertisement/bgp spec.communities[0] [REFERENCE]"]);
    assert.deepEqual(config.bgp, []);
  });

  it("keep the value of the oldest resource", () => {
    const young = doc(
      "Community",
      "d",
      "{communities: [\n{name: other, value: '1:1'},\n{name: no-export, value: '1:2'}]}",
    );
    const { config, problems } = link([
      aliases,
      ...rest,
      young,
      doc("BGPAdvertisement", "bgp", "{communities: [no-export, other]}"),
    ]);
    assert.deepEqual(problems, ["13 error Community/d spec.communities[1].name [CONFLICT]"]);
    assert.deepEqual(
      config.bgp[0]?.communities.map(({ value }) => value),
      [0xff_ff_ff_01, 65_537],
    );
  });
});

describe("peers", () => {
  const secret = (data: string, name = "bgp"): string =>
    core("Secret", `name: ${name}, namespace: metallb-system`, `type: kubernetes.io/basic-auth, ${data}`);
  const withSecret = peer("p", ", passwordSecret: {name: bgp}");

  it("carry their BFD profile and their password", () => {
    const profile = doc("BFDProfile", "fast", "{detectMultiplier: 5}");
    const { config, problems } = link([
      peer("p", ", bfdProfile: fast, password: plain"),
      peer("q", "", "10.0.0.2"),
      profile,
    ]);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      config.peers.map(({ name, bfd, password }) => [name, bfd?.detectMultiplier, password]),
      [
        ["p", 5, "plain"],
        ["q", undefined, null],
      ],
    );
    assert.equal(config.peers[1]?.bfd, null);
  });

  it("take their password from a Secret, also of another namespace", () => {
    assert.equal(link([withSecret, secret("data: {password: czNjcjN0}")]).config.peers[0]?.password, "s3cr3t");
    const elsewhere = secret("stringData: {password: s3cr3t}").replace("metallb-system", "vault");
    const { config } = link([peer("p", ", passwordSecret: {name: bgp, namespace: vault}"), elsewhere]);
    assert.equal(config.peers[0]?.password, "s3cr3t");
  });

  const lacking: readonly (readonly [what: string, documents: readonly string[], path: string, message: RegExp])[] = [
    ["a BFD profile", [peer("p", ", bfdProfile: fast")], "spec.bfdProfile", /there is no BFDProfile fast/],
    [
      "the Secret",
      [withSecret, secret("data: {password: eA==}", "other")],
      "spec.passwordSecret",
      /there is no Secret metallb-system\/bgp of type/,
    ],
    [
      "the password in the Secret",
      [withSecret, secret("data: {username: eA==}")],
      "spec.passwordSecret",
      /has no password/,
    ],
    [
      "a password that fits",
      [withSecret, secret(`stringData: {password: ${"hush".repeat(21)}}`)],
      "spec.passwordSecret",
      /more than 80 bytes/,
    ],
  ];
  for (const [what, documents, path, message] of lacking) {
    it(`are left out without ${what}, and no secret is told`, () => {
      const { config, problems, messages } = link(documents);
      assert.deepEqual(problems, [`1 error BGPPeer/p ${path} [REFERENCE]`]);
      assert.match(messages[0]!, message);
      assert.doesNotMatch(messages[0]!, /hush/);
      assert.deepEqual(config.peers, []);
    });
  }

  const sessions: readonly (readonly [what: string, one: string, two: string, isSame: boolean])[] = [
    ["everywhere", "", "", true],
    ["from different addresses", "", ", sourceAddress: 10.0.0.9", false],
    ["at different ports", "", ", peerPort: 1179", false],
    ["on other nodes", ", nodeSelectors: [{matchLabels: {a: b}}]", ", nodeSelectors: [{matchLabels: {a: c}}]", false],
    ["on the same nodes", ", nodeSelectors: [{matchLabels: {a: b}}]", ", nodeSelectors: [{matchLabels: {a: b}}]", true],
  ];
  for (const [what, one, two, isSame] of sessions) {
    it(`to one router ${what}`, () => {
      const { config, problems } = link([peer("p", one), peer("q", two)]);
      assert.deepEqual(problems, isSame ? ["4 error BGPPeer/q spec.peerAddress [CONFLICT]"] : []);
      assert.deepEqual(names(config.peers), isSame ? ["p"] : ["p", "q"]);
    });
  }
});

describe("all together", () => {
  it("reports everything at once, by resource and line", () => {
    const { problems } = link([
      doc("BGPAdvertisement", "bgp", "{communities: [nobody], ipAddressPools: [none]}"),
      pool("a", "10.0.0.0/24"),
      pool("b", "10.0.0.1-10.0.0.2"),
      peer("p", ", bfdProfile: none"),
    ]);
    assert.deepEqual(problems, [
      "1 warning BGPAdvertisement/bgp spec.ipAddressPools[0] [REFERENCE]",
      "1 error BGPAdvertisement/bgp spec.communities[0] [REFERENCE]",
      "4 warning IPAddressPool/a  [UNATTACHED]",
      "8 error IPAddressPool/b spec.addresses[0] [CONFLICT]",
      "10 error BGPPeer/p spec.bfdProfile [REFERENCE]",
    ]);
  });

  it("leaves alone who announces nothing", () => {
    assert.deepEqual(
      link([core("Service", "name: s", "spec: {type: LoadBalancer, ports: [{port: 80}]}")]).problems,
      [],
    );
  });
});
