// SPDX-License-Identifier: Apache-2.0
// Advertisements with what they refer to: pools, peers and communities.

import type {
  BGPAdvertisement,
  IPAddressPool,
  L2Advertisement,
  ProblemList,
  ResourcesByKind,
} from "../../model/index.ts";
import { selectsPool } from "../selectors.ts";
import { checkAggregation, checkLocalPreference } from "./bgp-rules.ts";
import { resolveCommunities, type CommunityAliases } from "./communities.ts";
import { where } from "./names.ts";
import type { NodeInfo, ResolvedBGPAdvertisement } from "./types.ts";

type Advertisement = L2Advertisement | BGPAdvertisement;

/** Each once. */
export function linkL2Advertisements(
  resources: ResourcesByKind,
  pools: readonly IPAddressPool[],
  problems: ProblemList,
): readonly L2Advertisement[] {
  for (const advertisement of resources.L2Advertisement) checkPools(advertisement, resources, pools, problems);
  return withoutEqual(resources.L2Advertisement, problems);
}

/** Each once, without those that would announce something else than they say. */
export function linkBGPAdvertisements(
  resources: ResourcesByKind,
  pools: readonly IPAddressPool[],
  nodes: readonly NodeInfo[],
  aliases: CommunityAliases,
  problems: ProblemList,
): readonly ResolvedBGPAdvertisement[] {
  const linked: ResolvedBGPAdvertisement[] = [];
  for (const advertisement of resources.BGPAdvertisement) {
    checkPools(advertisement, resources, pools, problems);
    checkPeers(advertisement, resources, problems);
  }
  for (const advertisement of withoutEqual(resources.BGPAdvertisement, problems)) {
    const selected = pools.filter((pool) => selectsPool(advertisement, pool));
    const communities = resolveCommunities(advertisement, aliases, problems);
    const isAggregable = checkAggregation(advertisement, selected, problems);
    const agrees = checkLocalPreference(advertisement, linked, selected, nodes, problems);
    if (communities !== null && isAggregable && agrees) linked.push({ ...advertisement, communities });
  }
  return linked;
}

/** Allocated and never announced is the most common mistake with MetalLB. */
export function reportUnannouncedPools(
  pools: readonly IPAddressPool[],
  { L2Advertisement: l2, BGPAdvertisement: bgp }: ResourcesByKind,
  problems: ProblemList,
): void {
  for (const pool of pools) {
    if ([...l2, ...bgp].some((advertisement) => selectsPool(advertisement, pool))) continue;
    problems.add({
      code: "UNATTACHED",
      severity: "warning",
      resource: pool,
      path: "",
      message: `services get addresses of this pool, and nobody announces them; add an L2Advertisement or a BGPAdvertisement for ${pool.name}`,
    });
  }
}

function checkPools(
  advertisement: Advertisement,
  { IPAddressPool: all }: ResourcesByKind,
  pools: readonly IPAddressPool[],
  problems: ProblemList,
): void {
  const names = new Set(all.map(({ name }) => name));
  for (const [index, name] of advertisement.pools.entries()) {
    if (names.has(name)) continue;
    const message = `there is no IPAddressPool ${name}`;
    const path = `spec.ipAddressPools[${index}]`;
    problems.add({ code: "REFERENCE", severity: "warning", resource: advertisement, path, message });
  }
  if (advertisement.pools.length > 0 || pools.some((pool) => selectsPool(advertisement, pool))) return;
  const message = pools.length === 0 ? "there is no IPAddressPool to announce" : "it selects no IPAddressPool";
  problems.add({ code: "UNATTACHED", severity: "warning", resource: advertisement, path: "", message });
}

function checkPeers(advertisement: BGPAdvertisement, { BGPPeer: peers }: ResourcesByKind, problems: ProblemList): void {
  for (const [index, name] of advertisement.peers.entries()) {
    if (peers.some((peer) => peer.name === name)) continue;
    const message = `there is no BGPPeer ${name}`;
    const path = `spec.peers[${index}]`;
    problems.add({ code: "REFERENCE", severity: "warning", resource: advertisement, path, message });
  }
  if (peers.length > 0 || advertisement.peers.length > 0) return;
  const message = "there is no BGPPeer to announce anything to";
  problems.add({ code: "UNATTACHED", severity: "warning", resource: advertisement, path: "", message });
}

function withoutEqual<A extends Advertisement>(advertisements: readonly A[], problems: ProblemList): readonly A[] {
  const byContent = new Map<string, A>();
  for (const advertisement of advertisements) {
    const content = contentOf(advertisement);
    const older = byContent.get(content);
    if (older === undefined) byContent.set(content, advertisement);
    else {
      const message = `${where(older)} says the same; remove one of them`;
      problems.add({ code: "UNATTACHED", severity: "warning", resource: advertisement, path: "", message });
    }
  }
  return [...byContent.values()];
}

/** Equal for advertisements that say the same, in whatever order they list it. */
function contentOf(advertisement: Advertisement): string {
  const { labels: _labels, createdMs: _created, order: _order, position: _position, ...rest } = advertisement;
  const { namespace: _namespace, name: _name, origin: _origin, ...content } = rest;
  const fields = Object.entries(content).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify(fields.map(([field, value]) => [field, comparable(value)]));
}

function comparable(value: unknown): unknown {
  return Array.isArray(value) ? value.map((each: unknown) => JSON.stringify(each)).toSorted() : value;
}
