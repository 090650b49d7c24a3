// SPDX-License-Identifier: Apache-2.0
// MetalLB's ConfigMap of 0.8 to 0.12: the resources it stands for, and where in the file its problems are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { formatRef, type Resource } from "../../../../../src/model/index.ts";
import { decode } from "../decoding.ts";

const header = "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: metallb-system, name: config}\ndata:\n";

/** The text starts on line 6 of the file, in column 5. */
function configMap(text: string): string {
  return `${header}  config: |\n${text.replaceAll(/^(?=.)/gm, "    ")}`;
}

const everything = configMap(`peers:
- my-asn: 64512
  peer-asn: 64513
  peer-address: 10.0.0.1
  peer-port: 1179
  hold-time: 120s
  keepalive-time: 30s
  source-address: 10.0.0.2
  router-id: 1.2.3.4
  password: "hush"
  bfd-profile: fast
  ebgp-multihop: true
  node-selectors:
  - match-labels: {rack: a}
    match-expressions: [{key: arch, operator: In, values: [arm64, amd64]}]
- {my-asn: 64512, peer-asn: 64512, peer-address: "fd00::1"}
bgp-communities:
  no-export: 65535:65281
  big: large:1:2:3
address-pools:
- name: by-bgp
  protocol: bgp
  addresses: [198.51.100.0/24, 192.168.0.150-192.168.0.200]
  avoid-buggy-ips: true
  auto-assign: false
  bgp-advertisements:
  - aggregation-length: 24
    aggregation-length-v6: 64
    localpref: 100
    communities: [64512:1, no-export]
  - {}
- name: by-arp
  protocol: layer2
  addresses: [10.9.0.0/24]
- name: plain-bgp
  protocol: bgp
  addresses: ["fd00:9::/64"]
bfd-profiles:
- name: fast
  receive-interval: 280
  transmit-interval: 270
  detect-multiplier: 200
  echo-interval: 62
  echo-mode: false
  passive-mode: true
  minimum-ttl: 100
`);

function byName(resources: readonly Resource[]): ReadonlyMap<string, Resource> {
  return new Map(resources.map((resource) => [`${resource.kind}/${resource.name}`, resource]));
}

describe("MetalLB's ConfigMap", () => {
  it("stands for a resource of today for each of its parts, named as MetalLB's converter does", () => {
    const { resources, problems } = decode(everything);
    assert.deepEqual(
      problems.map(({ severity, code, position }) => [severity, code, position.line]),
      [["info", "DEPRECATED", 5]],
    );
    assert.deepEqual(resources.map(formatRef), [
      "BGPPeer/metallb-system/peer1",
      "BGPPeer/metallb-system/peer2",
      "IPAddressPool/metallb-system/by-bgp",
      "IPAddressPool/metallb-system/by-arp",
      "IPAddressPool/metallb-system/plain-bgp",
      "BGPAdvertisement/metallb-system/bgpadvertisement1",
      "BGPAdvertisement/metallb-system/bgpadvertisement2",
      "BGPAdvertisement/metallb-system/bgpadvertisement3",
      "L2Advertisement/metallb-system/l2advertisement1",
      "BFDProfile/metallb-system/fast",
      "Community/metallb-system/communities",
    ]);
  });

  it("means the same as the same fields of those resources", () => {
    const today = `apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: peer1, namespace: metallb-system}
spec:
  myASN: 64512
  peerASN: 64513
  peerAddress: 10.0.0.1
  peerPort: 1179
  holdTime: 120s
  keepaliveTime: 30s
  sourceAddress: 10.0.0.2
  routerID: 1.2.3.4
  password: "hush"
  bfdProfile: fast
  ebgpMultiHop: true
  nodeSelectors: [{matchLabels: {rack: a}, matchExpressions: [{key: arch, operator: In, values: [arm64, amd64]}]}]
---
{apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: peer2, namespace: metallb-system}, spec: {myASN: 64512, peerASN: 64512, peerAddress: "fd00::1"}}
---
{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: by-bgp, namespace: metallb-system}, spec: {addresses: [198.51.100.0/24, 192.168.0.150-192.168.0.200], avoidBuggyIPs: true, autoAssign: false}}
---
{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: by-arp, namespace: metallb-system}, spec: {addresses: [10.9.0.0/24]}}
---
{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: plain-bgp, namespace: metallb-system}, spec: {addresses: ["fd00:9::/64"]}}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: bgpadvertisement1, namespace: metallb-system}
spec: {ipAddressPools: [by-bgp], aggregationLength: 24, aggregationLengthV6: 64, localPref: 100, communities: ["64512:1", no-export]}
---
{apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: bgpadvertisement2, namespace: metallb-system}, spec: {ipAddressPools: [by-bgp]}}
---
{apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: bgpadvertisement3, namespace: metallb-system}, spec: {ipAddressPools: [plain-bgp]}}
---
{apiVersion: metallb.io/v1beta1, kind: L2Advertisement, metadata: {name: l2advertisement1, namespace: metallb-system}, spec: {ipAddressPools: [by-arp]}}
---
{apiVersion: metallb.io/v1beta1, kind: BFDProfile, metadata: {name: fast, namespace: metallb-system}, spec: {receiveInterval: 280, transmitInterval: 270, detectMultiplier: 200, echoInterval: 62, echoMode: false, passiveMode: true, minimumTtl: 100}}
---
{apiVersion: metallb.io/v1beta1, kind: Community, metadata: {name: communities, namespace: metallb-system}, spec: {communities: [{name: no-export, value: "65535:65281"}, {name: big, value: "large:1:2:3"}]}}`;
    assert.deepEqual(decode(today).problems, []);
    assert.deepEqual(withoutPlace(decode(everything).resources), withoutPlace(decode(today).resources));
  });

  it("gives each of them its own line, and tells which document it is of", () => {
    const resources = byName(decode(everything).resources);
    assert.deepEqual(resources.get("IPAddressPool/by-arp")?.position, { file: "test.yaml", line: 37, column: 7 });
    assert.deepEqual(resources.get("BGPAdvertisement/bgpadvertisement2")?.position.line, 36);
    assert.deepEqual(resources.get("BGPPeer/peer2")?.origin, {
      kind: "ConfigMap",
      namespace: "metallb-system",
      name: "config",
      position: { file: "test.yaml", line: 1, column: 1 },
    });
  });

  it("may have nothing in it", () => {
    for (const text of ["# nothing yet\n", "{}\n", "address-pools:\n"]) {
      const { resources, rejected } = decode(configMap(text));
      assert.deepEqual([resources, rejected], [[], []]);
    }
  });

  for (const [file, range] of [
    ["metallb-l2config.yaml", "192.168.1.11-192.168.1.13"],
    ["metallb-my-ip-space.yaml", "192.168.23.220-192.168.23.223"],
  ] as const) {
    it(`is read as people have it: ${file}`, () => {
      const seeds = join(import.meta.dirname, "../../../../fixtures/samples/seeds");
      const { resources } = decode(readFileSync(join(seeds, file), "utf8"));
      const [pool, advertisement] = resources;
      assert.equal(resources.length, 2);
      assert.ok(pool?.kind === "IPAddressPool" && advertisement?.kind === "L2Advertisement");
      assert.deepEqual(
        pool.ranges.map(({ text }) => text),
        [range],
      );
      assert.deepEqual(advertisement.pools, [pool.name]);
    });
  }
});

describe("MetalLB's ConfigMap is strict:", () => {
  const peer = (more: string, start = "my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1"): string =>
    `peers:\n- {${start}${more}}\n`;
  const pool = (more: string): string =>
    `address-pools:\n- {name: p, protocol: bgp, addresses: [10.0.0.0/24]${more}}\n`;
  const cases: readonly (readonly [text: string, problems: readonly string[]])[] = [
    ["adress-pools: []\n", ["UNKNOWN_FIELD data.config.adress-pools"]],
    ["peers: 5\n", ["TYPE data.config.peers"]],
    [peer("", "my-asn: 1"), ["REQUIRED data.config.peers[0]", "REQUIRED data.config.peers[0]"]],
    [peer(", peer-port: 0"), ["VALUE data.config.peers[0].peer-port"]],
    [peer(", hold-time: 2s"), ["VALUE data.config.peers[0].hold-time"]],
    [peer(", hold-time: 9s, keepalive-time: 10s"), ["VALUE data.config.peers[0].keepalive-time"]],
    [peer(", router-id: one"), ["VALUE data.config.peers[0].router-id"]],
    [peer(", password: 1234"), ["TYPE data.config.peers[0].password"]],
    [
      peer(", ebgp-multihop: true", "my-asn: 1, peer-asn: 1, peer-address: 'a::'"),
      ["CONFLICT data.config.peers[0].ebgp-multihop"],
    ],
    [
      peer(", node-selectors: [{matchLabels: {}}]"),
      ["UNKNOWN_FIELD data.config.peers[0].node-selectors[0].matchLabels"],
    ],
    ["address-pools:\n- {name: p, addresses: [10.0.0.0/24]}\n", ["REQUIRED data.config.address-pools[0]"]],
    [
      "address-pools:\n- {name: p, protocol: arp, addresses: [10.0.0.0/24]}\n",
      ["VALUE data.config.address-pools[0].protocol"],
    ],
    [
      "address-pools:\n- {name: p, protocol: bgp, addresses: []}\n",
      ["REQUIRED data.config.address-pools[0].addresses"],
    ],
    [
      pool(", bgp-advertisements: [{aggregation-length: 33}]"),
      ["VALUE data.config.address-pools[0].bgp-advertisements[0].aggregation-length"],
    ],
    [
      pool(", bgp-advertisements: [{communities: ['1:2:3']}]"),
      ["VALUE data.config.address-pools[0].bgp-advertisements[0].communities[0]"],
    ],
    [
      pool(", bgp-advertisements: [{}]").replace("bgp,", "layer2,"),
      ["CONFLICT data.config.address-pools[0].bgp-advertisements"],
    ],
    [`${pool("")}- {name: p, protocol: bgp, addresses: [10.0.1.0/24]}\n`, ["CONFLICT data.config.address-pools[1]"]],
    ["bgp-communities: {a: b}\n", ["VALUE data.config.bgp-communities.a"]],
    ["bfd-profiles: [{name: a, receive-interval: 5}]\n", ["VALUE data.config.bfd-profiles[0].receive-interval"]],
    ["bfd-profiles: [{name: a, detect-multiplier: 1}]\n", ["VALUE data.config.bfd-profiles[0].detect-multiplier"]],
    ["bfd-profiles: [{name: a, minimum-ttl: 255}]\n", ["VALUE data.config.bfd-profiles[0].minimum-ttl"]],
    ["bfd-profiles: [{name: a}, {name: a}]\n", ["CONFLICT data.config.bfd-profiles[1]"]],
    ["peers: []\n---\npeers: []\n", ["VALUE data.config"]],
  ];
  for (const [text, expected] of cases) {
    it(JSON.stringify(text.slice(0, 90)), () => {
      const { resources, problems, rejected } = decode(configMap(text));
      const errors = problems.filter(({ severity }) => severity === "error");
      assert.deepEqual(
        errors.map(({ code, path }) => `${code} ${path}`),
        expected,
      );
      // It is one configuration: nothing of it is served by halves.
      assert.deepEqual(resources, []);
      assert.deepEqual(rejected.map(formatRef), ["ConfigMap/metallb-system/config"]);
      assert.ok(!JSON.stringify(problems).includes("1234"));
    });
  }

  it("reports what it does not serve", () => {
    const { problems, resources } = decode(configMap("bfd-profiles: [{name: a, echo-mode: true}]\n"));
    assert.deepEqual(
      problems.map(({ severity, code }) => `${severity} ${code}`),
      ["info DEPRECATED", "warning UNSERVED_FIELD"],
    );
    assert.equal(resources.length, 1);
  });
});

describe("problems in a text inside a file", () => {
  const at = (document: string): readonly string[] =>
    decode(document)
      .problems.filter(({ severity }) => severity === "error")
      .map(({ position: { line, column }, code }) => `${line}:${column} ${code}`);
  const text = "peers:\n- my-asn: 0\n\n  peer-asn: x\n  peer-address: y\n";
  const lines = (indent: string): string => text.replaceAll(/^(?=.)/gm, indent);

  it("stand at their own line and column in a literal block", () => {
    assert.deepEqual(at(configMap(text)), ["7:15 VALUE", "9:17 TYPE", "10:21 VALUE"]);
    assert.deepEqual(at(`${header}  config: |-\n${lines("    ")}`), ["7:15 VALUE", "9:17 TYPE", "10:21 VALUE"]);
    assert.deepEqual(at(`${header}  config: &a |2 # text\n${lines("    ")}`), [
      "7:15 VALUE",
      "9:17 TYPE",
      "10:21 VALUE",
    ]);
    assert.deepEqual(at(`${header}  config: |\n${lines("   ")}`), ["7:14 VALUE", "9:16 TYPE", "10:20 VALUE"]);
    const crlf = configMap(text).replaceAll("\n", "\r\n");
    assert.deepEqual(at(crlf), ["7:15 VALUE", "9:17 TYPE", "10:21 VALUE"]);
    assert.deepEqual(at(configMap(text.replace("\n\n", "\n   \n"))), ["7:15 VALUE", "9:17 TYPE", "10:21 VALUE"]);
  });

  it("stand at the start of a text in any other style", () => {
    const quoted = JSON.stringify(text);
    assert.deepEqual(at(`${header}  config: ${quoted}`), ["5:11 VALUE", "5:11 TYPE", "5:11 VALUE"]);
    const json = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "config" },
      data: { config: text },
    });
    assert.deepEqual(
      new Set(at(json).map((problem) => problem.split(" ")[0])),
      new Set([`1:${json.indexOf(quoted) + 1}`]),
    );
  });

  it("stand where the YAML breaks, and quote nothing of it", () => {
    const { problems } = decode(configMap("peers:\n- password: 'hush\n"));
    const errors = problems.filter(({ severity }) => severity === "error");
    assert.ok(errors.length > 0);
    for (const { code, position, path, message } of errors) {
      assert.deepEqual([code, path], ["YAML_SYNTAX", "data.config"]);
      assert.ok(position.line >= 6 && position.line <= 8, String(position.line));
      assert.doesNotMatch(message, /hush/);
    }
  });
});

describe("problems of a file that breaks", () => {
  it("stand on their lines, also behind the break", () => {
    const { problems } = decode("    a:\n    - b: 64512\n      c:\n      - d: 24\n[] e\n      f: 100");
    const places = problems.map(({ position: { line, column } }) => `${line}:${column}`);
    assert.deepEqual(places, ["5:1", "5:2", "5:4", "6:8", "6:10"]);
  });
});

describe("a ConfigMap that is broken anywhere", () => {
  const pieces = [
    "",
    "\n",
    " ",
    ":",
    "- ",
    "{}",
    "[]",
    "null",
    "0",
    "-1",
    "x",
    "'",
    '"',
    "|",
    "\t",
    "\r\n",
    "&a",
    "*a",
    "---\n",
  ];
  const edit = fc.record({
    at: fc.nat(everything.length),
    length: fc.nat(20),
    piece: fc.constantFrom(...pieces),
  });

  it("is read whole or not at all, and every problem has its place", () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const text = edits.reduce(
          (before, { at, length, piece }) => before.slice(0, at) + piece + before.slice(at + length),
          everything,
        );
        const { problems, resources, rejected } = decode(text);
        const lines = text.split("\n");
        for (const { position } of problems) {
          const line = lines[position.line - 1];
          assert.ok(line !== undefined && position.column >= 1 && position.column <= line.length + 1);
        }
        if (rejected.length > 0) assert.deepEqual(resources, []);
      }),
      { numRuns: 150 },
    );
  });
});

describe("other ConfigMaps", () => {
  const ignored: readonly (readonly [what: string, document: string])[] = [
    ["of another name", configMap("peers: []\n").replace("name: config", "name: other")],
    ["that only have its name", configMap("level: debug\n").replace("metallb-system", "shop")],
    ["without data", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}"],
  ];
  for (const [what, document] of ignored) {
    it(`${what} are ignored`, () => {
      const { problems, ignored: kinds, resources, rejected } = decode(document);
      assert.deepEqual([problems, resources, rejected], [[], [], []]);
      assert.deepEqual(kinds, [{ apiVersion: "v1", kind: "ConfigMap", count: 1 }]);
    });
  }

  it("that look like it are read in any namespace", () => {
    const document = configMap("address-pools:\n- {name: p, protocol: layer2, addresses: [10.0.0.0/24]}\n");
    assert.equal(decode(document.replace("metallb-system", "system")).resources.length, 2);
  });
});

function withoutPlace(resources: readonly Resource[]): unknown {
  const text = JSON.stringify(resources, (key, value: unknown) =>
    key === "position" || key === "origin" || key === "order" ? undefined : value,
  );
  return JSON.parse(text);
}
