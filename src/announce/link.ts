// SPDX-License-Identifier: Apache-2.0
// Link: makes of a flat list of resources what the announcer works from, and reports what does not fit together. Pure.

import { createProblemList, sortByKind, type Problem, type Resource } from "../model/index.ts";
import { linkBGPAdvertisements, linkL2Advertisements, reportUnannouncedPools } from "./link/advertisements.ts";
import { linkCommunities } from "./link/communities.ts";
import { nodeInfo } from "./link/nodes.ts";
import { linkPeers } from "./link/peers.ts";
import { linkPools } from "./link/pools.ts";
import { linkServices } from "./link/services.ts";
import type { AnnounceConfig } from "./link/types.ts";

export interface LinkOptions {
  /** Serve Services of this spec.loadBalancerClass; "", the default, those without one. */
  readonly loadBalancerClass?: string;
}

export interface LinkedAnnouncements {
  readonly config: AnnounceConfig;
  /** By resource; a resource with an error is not in `config`, and costs no other. */
  readonly problems: readonly Problem[];
}

/** Resources of other kinds are nobody's business here. Age decides who has what two resources claim. */
export function linkAnnouncements(resources: readonly Resource[], options: LinkOptions = {}): LinkedAnnouncements {
  const byKind = sortByKind(resources);
  const problems = createProblemList();
  const nodes = byKind.Node.map(nodeInfo);
  const pools = linkPools(byKind, problems);
  const aliases = linkCommunities(byKind.Community, problems);
  const config: AnnounceConfig = {
    pools,
    services: linkServices(byKind, options.loadBalancerClass ?? "", problems),
    nodes,
    l2: linkL2Advertisements(byKind, pools, problems),
    bgp: linkBGPAdvertisements(byKind, pools, nodes, aliases, problems),
    peers: linkPeers(byKind, nodes, problems),
  };
  reportUnannouncedPools(pools, byKind, problems);
  return { config, problems: problems.sorted() };
}
