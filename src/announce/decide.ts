// SPDX-License-Identifier: Apache-2.0
// What this node announces, and why not the rest: a pure function of configuration, addresses and who is alive. Nodes that
// see the same agree without talking about it.

import type { Allocation } from "./allocator/allocator.ts";
import { decideBgp, type BgpRoute } from "./decide-bgp.ts";
import { decideLayer2, type AddressedService, type Layer2Announcement } from "./decide-layer2.ts";
import { reasons, type Reason } from "./decide-reasons.ts";
import { Digests } from "./election/election.ts";
import type { AnnounceConfig, NodeInfo } from "./link/types.ts";
import type { Member } from "./membership/member.ts";

export interface DecideInput {
  readonly config: AnnounceConfig;
  /** Of the services of `config`. */
  readonly allocations: readonly Allocation[];
  /** Name of this node. */
  readonly me: string;
  /** Who is alive, this node included, as `Membership.members` has them. */
  readonly members: readonly Member[];
  /** Layer 2: nodes without an address in the subnet may announce too, as in MetalLB. Must be alike on all nodes. */
  readonly offSubnet: boolean;
  /** Addresses that this node cannot serve now, and so does not announce; `members` have it, too. */
  readonly withheld: ReadonlySet<string>;
}

export interface Decision {
  /** What to answer for. An address that services share is there for each of them, with the same interfaces or not. */
  readonly layer2: readonly Layer2Announcement[];
  /** By the name of a BGPPeer: all that are for this node. */
  readonly bgp: ReadonlyMap<string, readonly BgpRoute[]>;
  /** In the order of the services of `config`. */
  readonly services: readonly ServiceDecision[];
}

export interface ServiceDecision {
  /** `namespace/name`. */
  readonly service: string;
  readonly addresses: readonly string[];
  /** "" without addresses. */
  readonly pool: string;
  /** Who announces the first of its addresses by layer 2, here or elsewhere; null = nobody. */
  readonly layer2Node: string | null;
  /** Names of BGPPeers that this node announces it to. */
  readonly bgpPeers: readonly string[];
  /** null = this node announces it so, or nothing says that it should. */
  readonly layer2Reason: Reason | null;
  readonly bgpReason: Reason | null;
  /** A sentence: why this node announces it in no way. null = it does. */
  readonly reason: string | null;
}

/** `digests` makes later rounds cheaper; it changes nothing. */
export function decide(input: DecideInput, digests: Digests = new Digests()): Decision {
  const { config, me, members, offSubnet, withheld } = input;
  const nodeOf = nodesByName(input);
  const addressed = withAddresses(input);
  const services = [...addressed.values()];
  const layer2 = decideLayer2(services, { config, me, members, nodeOf, digests, offSubnet });
  digests.endRound();
  const bgp = decideBgp(services, config, nodeOf(me), withheld);
  const indices = new Map(services.map(({ spec }, index) => [spec.key, index]));
  return {
    layer2: layer2.announcements,
    bgp: bgp.routes,
    services: config.services.map(({ key }) => {
      const index = indices.get(key);
      if (index === undefined) return withoutAddress(key);
      const { addresses, pool } = services[index]!;
      const { node, reason: layer2Reason } = layer2.verdicts[index]!;
      const { peers, reason: bgpReason } = bgp.verdicts[index]!;
      const isAnnounced = peers.length > 0 || (node !== null && layer2Reason === null);
      const reason = isAnnounced ? null : reasons[layer2Reason ?? bgpReason ?? "notAdvertised"];
      return {
        service: key,
        addresses,
        pool: pool.name,
        layer2Node: node,
        bgpPeers: peers,
        layer2Reason,
        bgpReason,
        reason,
      };
    }),
  };
}

/** As configuration describes them, with the labels that they say they have themselves. */
function nodesByName({ config, members }: DecideInput): (name: string) => NodeInfo {
  const nodes = new Map(config.nodes.map((node) => [node.name, node]));
  for (const { node: name, labels } of members) {
    const described = nodes.get(name) ?? undescribed(name);
    nodes.set(name, { ...described, labels: { ...described.labels, ...labels } });
  }
  return (name) => nodes.get(name) ?? undescribed(name);
}

/** By service, in the order of the configuration. */
function withAddresses({ config, allocations }: DecideInput): ReadonlyMap<string, AddressedService> {
  const pools = new Map(config.pools.map((pool) => [pool.name, pool]));
  const byService = new Map(allocations.map((allocation) => [allocation.service, allocation]));
  const addressed = new Map<string, AddressedService>();
  for (const spec of config.services) {
    const { addresses, pool: name } = byService.get(spec.key) ?? { addresses: [], pool: "" };
    const pool = pools.get(name);
    if (addresses.length > 0 && pool !== undefined) addressed.set(spec.key, { spec, addresses, pool });
  }
  return addressed;
}

function withoutAddress(service: string): ServiceDecision {
  const reason = "noIPAllocated";
  return {
    service,
    addresses: [],
    pool: "",
    layer2Node: null,
    bgpPeers: [],
    layer2Reason: reason,
    bgpReason: reason,
    reason: reasons[reason],
  };
}

/** A node that no file describes has the label that every node has, so that selectors can name it. */
function undescribed(name: string): NodeInfo {
  const labels = { "kubernetes.io/hostname": name };
  return { name, labels, ready: true, networkUnavailable: false, excluded: false, addresses: [] };
}
