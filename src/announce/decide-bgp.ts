// SPDX-License-Identifier: Apache-2.0
// Which routes this node announces to which BGP peer: every node that can announces, and routers spread over them. Pure.

import { ip } from "../core/index.ts";
import type { IPAddressPool } from "../model/index.ts";
import type { AddressedService } from "./decide-layer2.ts";
import type { Reason } from "./decide-reasons.ts";
import type { AnnounceConfig, NodeInfo, ResolvedBGPAdvertisement } from "./link/types.ts";
import { matchesAny, selectsPool } from "./selectors.ts";

export interface BgpRoute {
  /** `address/length`. */
  readonly prefix: string;
  /** Only of meaning to peers of our own AS; null = not said. */
  readonly localPref: number | null;
  /** RFC 1997, ascending, each once. */
  readonly communities: readonly number[];
  /** RFC 8092, ascending, each once. */
  readonly largeCommunities: readonly (readonly [number, number, number])[];
}

export interface BgpVerdict {
  /** Names of BGPPeers it is announced to, ascending. */
  readonly peers: readonly string[];
  /** null = it is announced, or no BGPAdvertisement is about the pool. */
  readonly reason: Reason | null;
}

export interface BgpDecision {
  /** By the name of a BGPPeer; every peer of this node is there, also one that gets no route. Ascending by prefix. */
  readonly routes: ReadonlyMap<string, readonly BgpRoute[]>;
  /** In the order of the services. */
  readonly verdicts: readonly BgpVerdict[];
}

/** A route while services add to it. */
interface OpenRoute {
  readonly prefix: string;
  localPref: number | null;
  readonly communities: Set<number>;
  readonly largeCommunities: Map<string, readonly [number, number, number]>;
}

export function decideBgp(
  services: readonly AddressedService[],
  { bgp, peers }: Pick<AnnounceConfig, "bgp" | "peers">,
  node: NodeInfo,
  withheld: ReadonlySet<string>,
): BgpDecision {
  const open = new Map<string, Map<string, OpenRoute>>();
  for (const { name, nodeSelectors } of peers) if (matchesAny(nodeSelectors, node.labels)) open.set(name, new Map());
  const byPool = new Map<string, PoolAdvertisements>();
  const verdicts = services.map((service): BgpVerdict => {
    let ofPool = byPool.get(service.pool.name);
    if (ofPool === undefined) byPool.set(service.pool.name, (ofPool = advertisementsOf(bgp, service.pool, node)));
    const matching = select(service, ofPool, node);
    if (!Array.isArray(matching)) return { peers: [], reason: matching };
    const addresses = service.addresses.filter((address) => !withheld.has(address));
    if (addresses.length === 0) return { peers: [], reason: "notServed" };
    const reached = new Set<string>();
    for (const advertisement of matching) addRoutes(addresses, advertisement, open, reached);
    return { peers: [...reached].toSorted(), reason: reached.size === 0 ? "noPeer" : null };
  });
  const routes = new Map(
    [...open].map(([peer, ofPeer]) => [peer, [...ofPeer.values()].map(closed).toSorted(byPrefix)]),
  );
  return { routes, verdicts };
}

interface PoolAdvertisements {
  readonly any: boolean;
  readonly onNode: readonly ResolvedBGPAdvertisement[];
}

function advertisementsOf(
  all: readonly ResolvedBGPAdvertisement[],
  pool: IPAddressPool,
  { labels }: NodeInfo,
): PoolAdvertisements {
  const ofPool = all.filter((advertisement) => selectsPool(advertisement, pool));
  return {
    any: ofPool.length > 0,
    onNode: ofPool.filter(({ nodeSelectors }) => matchesAny(nodeSelectors, labels)),
  };
}

/** In MetalLB's order of questions. */
function select(
  { spec, addresses }: AddressedService,
  { any, onNode }: PoolAdvertisements,
  node: NodeInfo,
): ResolvedBGPAdvertisement[] | Reason | null {
  if (!any) return null;
  if (onNode.length === 0) return "notOwner";
  const matching = onNode.filter(({ serviceSelectors }) => matchesAny(serviceSelectors, spec.labels));
  if (matching.length === 0) return "noMatchingAdvertisement";
  if (contradict(matching, addresses)) return "conflictingAdvertisements";
  if (node.networkUnavailable) return "nodeNetworkUnavailable";
  if (node.excluded) return "nodeLabeledExcludeBalancers";
  const { serving, trafficPolicy } = spec;
  if (serving !== null && !serving.anywhere) return "noEndpoints";
  if (serving !== null && trafficPolicy === "Local" && !serving.nodes.has(node.name)) return "noLocalEndpoints";
  return matching;
}

/** Whether two of them would announce one prefix to one peer with different local preferences. */
function contradict(advertisements: readonly ResolvedBGPAdvertisement[], addresses: readonly string[]): boolean {
  const hasV4 = addresses.some((address) => !address.includes(":"));
  const hasV6 = addresses.some((address) => address.includes(":"));
  return advertisements.some((left, index) =>
    advertisements.slice(index + 1).some((right) => {
      const isSamePrefix =
        (hasV4 && left.aggregationLength === right.aggregationLength) ||
        (hasV6 && left.aggregationLengthV6 === right.aggregationLengthV6);
      return left.localPref !== right.localPref && isSamePrefix && sharePeer(left.peers, right.peers);
    }),
  );
}

function sharePeer(left: readonly string[], right: readonly string[]): boolean {
  return left.length === 0 || right.length === 0 || left.some((peer) => right.includes(peer));
}

function addRoutes(
  addresses: readonly string[],
  { peers, aggregationLength, aggregationLengthV6, localPref, communities }: ResolvedBGPAdvertisement,
  open: ReadonlyMap<string, Map<string, OpenRoute>>,
  reached: Set<string>,
): void {
  for (const address of addresses) {
    const parsed = ip.parse(address)!;
    const length = parsed.family === 4 ? aggregationLength : aggregationLengthV6;
    const { family, first } = ip.prefixAround(parsed, length);
    const prefix = `${ip.format({ family, value: first })}/${length}`;
    for (const [peer, routes] of open) {
      if (peers.length > 0 && !peers.includes(peer)) continue;
      reached.add(peer);
      let route = routes.get(prefix);
      if (route === undefined) {
        // Of routes that become one the first decides about the preference (MetalLB).
        route = { prefix, localPref: localPref || null, communities: new Set(), largeCommunities: new Map() };
        routes.set(prefix, route);
      }
      for (const community of communities) {
        if (community.kind === "standard") route.communities.add(community.value);
        else route.largeCommunities.set(community.value.join(":"), community.value);
      }
    }
  }
}

function closed({ prefix, localPref, communities, largeCommunities }: OpenRoute): BgpRoute {
  return {
    prefix,
    localPref,
    communities: [...communities].toSorted((left, right) => left - right),
    largeCommunities: [...largeCommunities.values()].toSorted(
      (left, right) => left[0] - right[0] || left[1] - right[1] || left[2] - right[2],
    ),
  };
}

function byPrefix(left: BgpRoute, right: BgpRoute): number {
  return left.prefix < right.prefix ? -1 : left.prefix > right.prefix ? 1 : 0;
}
