// SPDX-License-Identifier: Apache-2.0
// What decisions are made of, with everything that a test does not name left at its default.

import { decide, type DecideInput, type Decision } from "../../../../src/announce/decide.ts";
import type {
  AnnounceConfig,
  AnnouncedService,
  NodeInfo,
  ResolvedBGPAdvertisement,
  ResolvedPeer,
} from "../../../../src/announce/index.ts";
import type { Member } from "../../../../src/announce/membership/member.ts";
import type { L2Advertisement, Labels, LabelSelector } from "../../../../src/model/index.ts";
import { pool, service as allocatorService } from "../allocator/builders.ts";

const position = { file: "test.yaml", line: 1, column: 1 };
const base = { namespace: "metallb-system", name: "", labels: {}, createdMs: null, order: 0, position };
const everywhere = { pools: [], poolSelectors: [], nodeSelectors: [], serviceSelectors: [] };

export function labelled(matchLabels: Labels): LabelSelector {
  return { matchLabels, matchExpressions: [] };
}

export function onHost(...hosts: readonly string[]): readonly LabelSelector[] {
  return hosts.map((host) => labelled({ "kubernetes.io/hostname": host }));
}

export function l2(more: Partial<L2Advertisement> = {}): L2Advertisement {
  return { ...base, ...everywhere, kind: "L2Advertisement", interfaces: [], preferredNodes: [], ...more };
}

export function bgp(more: Partial<ResolvedBGPAdvertisement> = {}): ResolvedBGPAdvertisement {
  const defaults = { aggregationLength: 32, aggregationLengthV6: 128, localPref: 0, communities: [], peers: [] };
  return { ...base, ...everywhere, ...defaults, kind: "BGPAdvertisement", ...more };
}

export function peer(name: string, more: Partial<ResolvedPeer> = {}): ResolvedPeer {
  return {
    ...base,
    kind: "BGPPeer",
    name,
    myASN: 64_512,
    peerASN: 64_513,
    peerAddress: "192.0.2.1",
    peerPort: 179,
    sourceAddress: "",
    routerID: "",
    holdTimeMs: 90_000,
    keepaliveTimeMs: 30_000,
    connectTimeMs: 10_000,
    nodeSelectors: [],
    password: null,
    bfd: null,
    enableGracefulRestart: false,
    ebgpMultiHop: false,
    dualStackAddressFamily: false,
    ...more,
  };
}

export function node(name: string, more: Partial<NodeInfo> = {}): NodeInfo {
  const labels = { "kubernetes.io/hostname": name };
  return { name, labels, ready: true, networkUnavailable: false, excluded: false, addresses: [], ...more };
}

export function member(name: string, more: Partial<Member> = {}): Member {
  return {
    node: name,
    labels: {},
    ready: true,
    seasoned: true,
    reach: null,
    announced: new Set(),
    withheld: new Set(),
    ...more,
  };
}

export function service(name: string, more: Partial<AnnouncedService> = {}): AnnouncedService {
  return { ...allocatorService(name), trafficPolicy: "Cluster", serving: null, ...more };
}

export interface Situation extends Partial<Omit<AnnounceConfig, "services">>, Partial<Omit<DecideInput, "config">> {
  /** Each with its addresses, of the pool `pool`. */
  readonly services: readonly (readonly [AnnouncedService, ...string[]])[];
}

/** Nodes iris1 and iris2 are alive, and this one is iris1; one pool; nothing advertises it. */
export function decision(situation: Situation): Decision {
  const { services, me = "iris1", members = ["iris1", "iris2"].map((name) => member(name)) } = situation;
  return decide({
    config: {
      pools: situation.pools ?? [pool("pool", ["10.20.30.0/24", "fd00::/64"])],
      services: services.map(([spec]) => spec),
      nodes: situation.nodes ?? [],
      l2: situation.l2 ?? [],
      bgp: situation.bgp ?? [],
      peers: situation.peers ?? [],
    },
    allocations:
      situation.allocations ??
      services.map(([spec, ...addresses]) => ({
        service: spec.key,
        addresses,
        pool: addresses.length === 0 ? "" : "pool",
        failure: null,
        notes: [],
      })),
    me,
    members,
    offSubnet: situation.offSubnet ?? false,
    withheld: situation.withheld ?? new Set(),
  });
}
