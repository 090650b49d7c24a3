// SPDX-License-Identifier: Apache-2.0
// Names of BGP communities.

import type { BGPAdvertisement, BGPCommunity, Community, ProblemList } from "../../model/index.ts";
import { where } from "./names.ts";

export type CommunityAliases = ReadonlyMap<string, BGPCommunity>;

/** The oldest resource that has a name has it alone. */
export function linkCommunities(resources: readonly Community[], problems: ProblemList): CommunityAliases {
  const aliases = new Map<string, BGPCommunity>();
  const owners = new Map<string, Community>();
  for (const resource of resources) {
    for (const [index, { name, value, position }] of resource.communities.entries()) {
      const owner = owners.get(name);
      if (owner === undefined) {
        owners.set(name, resource);
        aliases.set(name, value);
      } else {
        const message = `${where(owner)} has the name ${name}, too, and its value is used; rename one of them`;
        const path = `spec.communities[${index}].name`;
        problems.add({ code: "CONFLICT", severity: "error", resource, position, path, message });
      }
    }
  }
  return aliases;
}

/** null after reporting a name that means nothing: a route without its communities may go where it must not. */
export function resolveCommunities(
  advertisement: BGPAdvertisement,
  aliases: CommunityAliases,
  problems: ProblemList,
): readonly BGPCommunity[] | null {
  const resolved = new Map<string, BGPCommunity>();
  let isComplete = true;
  for (const [index, each] of advertisement.communities.entries()) {
    const community = each.kind === "alias" ? aliases.get(each.name) : each;
    if (community !== undefined) resolved.set(String(community.value), community);
    else if (each.kind === "alias") {
      isComplete = false;
      const message = `no Community resource has the name ${each.name}; without it nothing is announced`;
      const path = `spec.communities[${index}]`;
      problems.add({ code: "REFERENCE", severity: "error", resource: advertisement, path, message });
    }
  }
  return isComplete ? [...resolved.values()] : null;
}
