// SPDX-License-Identifier: Apache-2.0
// Whether the interfaces of this machine and the settings of its kernel are fit for announcing in layer 2. Pure.

import { matchesAny, type AnnounceConfig } from "../../announce/index.ts";
import { ip } from "../../core/index.ts";
import type { L2Advertisement, Labels } from "../../model/index.ts";
import type { LinkInfo } from "../../platform/index.ts";
import type { AnnounceOptions } from "../announce/announce-options.ts";
import { announceableLinks } from "../announce/announceable-links.ts";
import type { Facts } from "./facts.ts";
import { ok, type Finding } from "./finding.ts";

/** Where kube-proxy with IPVS puts the address of every service, on every node. */
const ipvsInterface = "kube-ipvs0";
/** rp_filter: 1 is strict, 2 loose; of `all` and the interface the larger one holds. */
const strict = 1;

type Asked = Pick<AnnounceOptions, "interfaces" | "excludedInterfaces" | "bindVip">;

export interface NetworkQuestion {
  readonly facts: Facts;
  readonly options: Asked;
  /** null = no files were named: layer 2 is taken to be wanted. */
  readonly config: AnnounceConfig | null;
  /** Of this node. */
  readonly labels: Labels;
}

/** Nothing where the configuration asks for no layer 2. */
export function checkNetwork(question: NetworkQuestion): readonly Finding[] {
  const { facts, options, config } = question;
  if (config?.l2.length === 0) return [ok("interfaces", "no L2Advertisement asks for any")];
  if (facts.links === null) {
    const [what, why] = ["unknown", "without node:ffi the interfaces cannot be looked at"];
    return [{ check: "interfaces", status: "warning", what, why, fix: "see node:ffi" }];
  }
  const links = facts.links;
  const usable = announceableLinks(links, options);
  return [
    ...checkInterfaces(usable, question),
    ...checkNamed(links, usable, question),
    ...checkWireless(usable, facts),
    checkOwnAddresses(usable, config),
    checkArp(links, usable, question),
    checkReversePath(usable, facts),
  ];
}

function checkInterfaces(usable: readonly LinkInfo[], { options, config }: NetworkQuestion): readonly Finding[] {
  const check = "interfaces";
  if (usable.length > 0) return [ok(check, `layer 2 can use ${namesOf(usable)}`)];
  return [
    {
      check,
      status: config === null ? "warning" : "error",
      what: "layer 2 can use no interface of this machine",
      why: "it takes Ethernet that is up, has a carrier and ARP, is part of no bridge, bond or VRF, and is not excluded by name",
      fix:
        options.interfaces.length > 0
          ? "check --interfaces and --exclude-interfaces"
          : "check 'ip link' and --exclude-interfaces; with hostNetwork: false a pod sees none of its node's",
    },
  ];
}

/** Interfaces that the command line or an L2Advertisement for this node names. */
function checkNamed(
  links: readonly LinkInfo[],
  usable: readonly LinkInfo[],
  { options, config, labels }: NetworkQuestion,
): readonly Finding[] {
  const check = "interfaces";
  const findings: Finding[] = [];
  for (const name of options.interfaces) {
    const reason = whyUnusable(name, links, usable);
    if (reason === null) continue;
    const what = `--interfaces ${name}: ${reason}`;
    findings.push({ check, status: "error", what, why: "nothing is announced there", fix: fixOf(usable) });
  }
  for (const advertisement of config?.l2 ?? []) {
    if (!matchesAny(advertisement.nodeSelectors, labels)) continue;
    const { interfaces } = advertisement;
    const reasons = interfaces.flatMap((name) => whyUnusable(name, links, usable) ?? []);
    if (reasons.length === 0) continue;
    const isSilent = reasons.length === interfaces.length;
    findings.push({
      check,
      // Nodes may call their interfaces by different names, and one list be for all of them.
      status: isSilent ? "warning" : "info",
      what: `${nameOf(advertisement)} names ${interfaces.join(", ")}: ${reasons.join("; ")}`,
      why: isSilent ? "this node announces nothing by it" : "this node announces on the others",
      fix: isSilent ? `${fixOf(usable)}, or give it nodeSelectors that leave this node out` : "",
    });
  }
  return findings;
}

/** null = it can be used. */
function whyUnusable(name: string, links: readonly LinkInfo[], usable: readonly LinkInfo[]): string | null {
  if (usable.some((link) => link.name === name)) return null;
  const link = links.find((each) => each.name === name);
  if (link === undefined) return `there is no ${name}`;
  const master = links.find(({ index }) => index === link.master);
  if (link.mac === "") return `${name} is no Ethernet`;
  if (!link.up) return `${name} is down`;
  if (!link.running) return `${name} has no carrier`;
  if (link.noArp) return `${name} has no ARP`;
  if (link.loopback) return `${name} is the loopback`;
  if (link.master !== 0) return `${name} is part of ${master?.name ?? "another one"}`;
  return `${name} is left out by --interfaces or --exclude-interfaces`;
}

function checkWireless(usable: readonly LinkInfo[], { wireless }: Facts): readonly Finding[] {
  const names = usable.map(({ name }) => name).filter((name) => wireless.includes(name));
  if (names.length === 0) return [];
  const why =
    "many access points drop broadcasts, or answer ARP for their clients: nobody may hear what is announced there";
  const fix = "use a cable or BGP, or leave the interface out by --exclude-interfaces";
  return [{ check: "interfaces", status: "warning", what: `${names.join(", ")}: Wi-Fi`, why, fix }];
}

/** Addresses of the machine itself that a service could be given. */
function checkOwnAddresses(usable: readonly LinkInfo[], config: AnnounceConfig | null): Finding {
  const check = "own-addresses";
  const taken = usable.flatMap(({ name, addresses }) =>
    addresses.flatMap(({ address }) => {
      const pool = poolOf(address, config);
      return pool === null ? [] : [`${address} of ${name} is in IPAddressPool ${pool}`];
    }),
  );
  if (taken.length === 0) return ok(check, "no pool has an address of this machine");
  return {
    check,
    status: "error",
    what: taken.join("; "),
    why: "a service that gets it has the address of a machine",
    fix: "take it out of the pool, or off this machine when another announcer, such as keepalived, put it there",
  };
}

/** Whether the kernel answers for addresses that another node may announce. */
function checkArp(links: readonly LinkInfo[], usable: readonly LinkInfo[], question: NetworkQuestion): Finding {
  const check = "arp";
  const { facts, options, config } = question;
  const hasIpvs = links.some(({ name }) => name === ipvsInterface);
  const bound = links
    .filter((link) => !usable.includes(link) && link.name !== ipvsInterface)
    .flatMap(({ name, addresses }) =>
      addresses.flatMap(({ family, address }) =>
        family === 4 && poolOf(address, config) !== null ? [`${address} on ${name}`] : [],
      ),
    );
  if (!hasIpvs && bound.length === 0 && !options.bindVip) return ok(check, "this machine has no announced address");
  if (facts.arpHazards.length === 0) return ok(check, "this kernel answers only for addresses of the interface asked");
  const cause = hasIpvs ? `kube-proxy with IPVS has all addresses on ${ipvsInterface}` : bound.join(", ");
  return {
    check,
    status: hasIpvs && config !== null ? "error" : "warning",
    what: [cause, ...facts.arpHazards].filter((part) => part !== "").join("; "),
    why: hasIpvs
      ? "every node answers ARP for every address, whoever announces it"
      : "this machine may answer ARP for addresses that another node announces",
    fix: `${hasIpvs ? "strictARP: true in the configuration of kube-proxy, or " : ""}sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`,
  };
}

function checkReversePath(usable: readonly LinkInfo[], { reversePathFilters }: Facts): Finding {
  const check = "rp_filter";
  const routed = usable.filter(({ addresses }) => addresses.some(({ family }) => family === 4));
  const all = reversePathFilters.get("all") ?? 0;
  const strictOnes = routed.filter(({ name }) => Math.max(all, reversePathFilters.get(name) ?? 0) === strict);
  if (routed.length < 2) return ok(check, "there is one way in and out");
  if (strictOnes.length === 0) return ok(check, "no interface is strict");
  return {
    check,
    status: "warning",
    what: `net.ipv4.conf.*.rp_filter is strict on ${namesOf(strictOnes)}, of ${routed.length} interfaces with IPv4`,
    why: "clients whose answers leave by another interface than they came in by, such as that of the default route, are dropped without a word",
    fix: "sysctl -w net.ipv4.conf.all.rp_filter=2, or a policy route for the addresses of the pools",
  };
}

function poolOf(text: string, config: AnnounceConfig | null): string | null {
  const address = ip.parse(text);
  if (address === null || config === null) return null;
  const holds = config.pools.find(({ ranges }) => ranges.some((range) => ip.contains(ip.rangeOf(range), address)));
  return holds?.name ?? null;
}

function nameOf({ name }: L2Advertisement): string {
  return `L2Advertisement ${name}`;
}

function fixOf(usable: readonly LinkInfo[]): string {
  return usable.length === 0 ? "check 'ip link'" : `there is ${namesOf(usable)}`;
}

function namesOf(links: readonly LinkInfo[]): string {
  return links.map(({ name }) => name).join(", ");
}
