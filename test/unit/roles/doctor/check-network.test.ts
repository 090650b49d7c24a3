// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { LinkInfo } from "../../../../src/platform/index.ts";
import { checkNetwork } from "../../../../src/roles/doctor/check-network.ts";
import type { Facts } from "../../../../src/roles/doctor/facts.ts";
import { doc, pool } from "../../announce/link/linking.ts";
import { complaints, eth, facts, files } from "./builders.ts";

type Asked = Parameters<typeof checkNetwork>[0]["options"];

const lan = pool("lan", "10.9.0.200-10.9.0.220");
const plain: Asked = { interfaces: [], excludedInterfaces: null, bindVip: false };
const eth0 = eth("eth0", 2, "10.9.0.1");
const eth1 = eth("eth1", 3, "10.8.0.1");
const ipvs = eth("kube-ipvs0", 4, "10.9.0.200", { noArp: true });
const loopback = { mac: "", loopback: true };
const hazard = "net.ipv4.conf.eth0.arp_ignore is 0: it answers";
const strictAll = new Map([["all", 1]]);

interface Row {
  readonly name: string;
  readonly links?: readonly LinkInfo[] | null;
  readonly facts?: Partial<Facts>;
  readonly options?: Partial<Asked>;
  /** Spec of the L2Advertisement; null = there is none; undefined = no files. */
  readonly spec?: string | null | undefined;
  readonly says: readonly string[];
}

const named = (what: string, ...reasons: readonly string[]) => `${what} names eth0, eth7: ${reasons.join("; ")}`;

const rows: readonly Row[] = [
  { name: "one interface in the subnet of the pool", says: [] },
  {
    name: "no interface at all",
    links: [eth("lo", 1, "127.0.0.1", loopback), eth("veth1", 5, "10.1.0.1")],
    says: ["error interfaces: layer 2 can use no interface of this machine"],
  },
  {
    name: "no interface at all, and no files",
    links: [],
    spec: undefined,
    says: ["warning interfaces: layer 2 can use no interface of this machine"],
  },
  { name: "no interface at all, and no L2Advertisement", links: [], spec: null, says: [] },
  { name: "interfaces that cannot be read", links: null, says: ["warning interfaces: unknown"] },
  {
    name: "--interfaces with one that is not there",
    options: { interfaces: ["eth0", "eth9"] },
    says: ["error interfaces: --interfaces eth9: there is no eth9"],
  },
  ...(
    [
      ["is down", { up: false }],
      ["has no carrier", { running: false }],
      ["has no ARP", { noArp: true }],
      ["is no Ethernet", { mac: "" }],
      ["is part of br0", { master: 9 }],
    ] as const
  ).map(([reason, changes]) => ({
    name: `--interfaces with one that ${reason}`,
    links: [eth0, eth("eth1", 3, "10.8.0.1", changes), eth("br0", 9, "10.7.0.1")],
    options: { interfaces: ["eth0", "eth1"] },
    says: [`error interfaces: --interfaces eth1: eth1 ${reason}`],
  })),
  {
    name: "an advertisement that names no interface of this node",
    links: [eth1],
    spec: "{interfaces: [eth0, eth7]}",
    says: [`warning interfaces: ${named("L2Advertisement ad", "there is no eth0", "there is no eth7")}`],
  },
  {
    name: "an advertisement that names one of this node and one that is not",
    spec: "{interfaces: [eth0, eth7]}",
    says: [`info interfaces: ${named("L2Advertisement ad", "there is no eth7")}`],
  },
  {
    name: "an advertisement for other nodes",
    spec: "{interfaces: [eth7], nodeSelectors: [{matchLabels: {rack: b}}]}",
    says: [],
  },
  {
    name: "an advertisement for this node by label",
    spec: "{interfaces: [eth7], nodeSelectors: [{matchLabels: {rack: a}}]}",
    says: ["warning interfaces: L2Advertisement ad names eth7: there is no eth7"],
  },
  {
    name: "an advertisement that names an excluded interface",
    links: [eth0, eth("veth1", 5, "10.1.0.1")],
    spec: "{interfaces: [veth1]}",
    says: [
      "warning interfaces: L2Advertisement ad names veth1: veth1 is left out by --interfaces or --exclude-interfaces",
    ],
  },
  {
    name: "Wi-Fi",
    links: [eth0, eth("wlan0", 6, "10.6.0.1"), eth("wlan1", 7, "10.5.0.1", { up: false })],
    facts: { wireless: ["wlan0", "wlan1"] },
    says: ["warning interfaces: wlan0: Wi-Fi"],
  },
  {
    name: "an address of the machine in a pool",
    links: [eth("eth0", 2, "10.9.0.210")],
    says: ["error own-addresses: 10.9.0.210 of eth0 is in IPAddressPool lan"],
  },
  { name: "IPVS with strictARP", links: [eth0, ipvs], says: [] },
  {
    name: "IPVS without strictARP",
    links: [eth0, ipvs],
    facts: { arpHazards: [hazard] },
    says: [`error arp: kube-proxy with IPVS has all addresses on kube-ipvs0; ${hazard}`],
  },
  {
    name: "IPVS without strictARP, and no files",
    links: [eth0, ipvs],
    facts: { arpHazards: [hazard] },
    spec: undefined,
    says: [`warning arp: kube-proxy with IPVS has all addresses on kube-ipvs0; ${hazard}`],
  },
  {
    name: "an address that was put on the loopback",
    links: [eth0, eth("lo", 1, "10.9.0.200", loopback)],
    facts: { arpHazards: [hazard] },
    says: [`warning arp: 10.9.0.200 on lo; ${hazard}`],
  },
  {
    name: "--bind-vip, and the kernel answers",
    facts: { arpHazards: [hazard] },
    options: { bindVip: true },
    says: [`warning arp: ${hazard}`],
  },
  { name: "a kernel that would answer, and no address on it", facts: { arpHazards: [hazard] }, says: [] },
  { name: "strict rp_filter on one interface", facts: { reversePathFilters: strictAll }, says: [] },
  {
    name: "strict rp_filter on two",
    links: [eth0, eth1],
    facts: { reversePathFilters: strictAll },
    says: ["warning rp_filter: net.ipv4.conf.*.rp_filter is strict on eth0, eth1, of 2 interfaces with IPv4"],
  },
  {
    name: "strict rp_filter that is loose for one of two",
    links: [eth0, eth1],
    facts: { reversePathFilters: new Map([...strictAll, ["eth1", 2]]) },
    says: ["warning rp_filter: net.ipv4.conf.*.rp_filter is strict on eth0, of 2 interfaces with IPv4"],
  },
  {
    name: "loose for all",
    links: [eth0, eth1],
    facts: {
      reversePathFilters: new Map([
        ["all", 2],
        ["eth0", 1],
      ]),
    },
    says: [],
  },
  {
    name: "strict rp_filter on one with IPv4 and one with IPv6",
    links: [eth0, eth("eth1", 3, "fd00::1")],
    facts: { reversePathFilters: strictAll },
    says: [],
  },
];

suite("interfaces and the kernel", () => {
  for (const row of rows) {
    test(row.name, () => {
      const spec = "spec" in row ? row.spec : "{}";
      const documents = spec === null ? [lan] : [lan, doc("L2Advertisement", "ad", spec)];
      const config = spec === undefined ? null : files(documents).announcing.config;
      const links = row.links === undefined ? facts().links : row.links;
      const found = checkNetwork({
        facts: facts({ links, ...row.facts }),
        options: { ...plain, ...row.options },
        config,
        labels: { rack: "a" },
      });
      assert.deepEqual(complaints(found), row.says);
    });
  }
});
