// SPDX-License-Identifier: Apache-2.0
// What nodes would decide that read the same files and are all alive and well: every node's decision, put together. Pure.

import {
  decide,
  Digests,
  type Allocations,
  type AnnounceConfig,
  type Decision,
  type Member,
  type ServiceDecision,
} from "../../announce/index.ts";
import { anyNode, type Vip } from "./vips.ts";

/** In the order of the services. Interfaces and subnets of nodes are not in files, so every node counts as having them. */
export function expectedVips(config: AnnounceConfig, allocations: Allocations): readonly Vip[] {
  const described = config.nodes.map(({ name }) => name);
  const nodes = described.length > 0 ? described : [anyNode];
  const members = nodes.map((node): Member => {
    return { node, labels: {}, ready: true, seasoned: true, reach: null, announced: new Set(), withheld: new Set() };
  });
  const digests = new Digests();
  const decisions = nodes.map((me): readonly [string, Decision] => [
    me,
    decide({ config, allocations: allocations.services, me, members, offSubnet: false, withheld: new Set() }, digests),
  ]);
  return allocations.services.map(({ failure, notes, ...allocation }, index) => {
    const ofNodes = decisions.map(([node, { services }]) => ({ node, decision: services[index]! }));
    const node = ofNodes[0]?.decision.layer2Node ?? null;
    const announcing = ofNodes.filter(({ decision }) => decision.bgpPeers.length > 0);
    const vip = {
      ...allocation,
      layer2: node === null ? null : { node, interfaces: null },
      bgp:
        announcing.length === 0
          ? null
          : {
              nodes: announcing.map((each) => each.node),
              peers: [...new Set(announcing.flatMap(({ decision }) => decision.bgpPeers))].toSorted(),
            },
    };
    const isSilent = vip.layer2 === null && vip.bgp === null;
    const why = isSilent ? whyNobody(ofNodes.map(({ decision }) => decision)) : null;
    return { ...vip, note: failure ?? ([...notes, ...(why === null ? [] : [why])].join("; ") || null) };
  });
}

/** Of the reasons of all nodes those that are different. */
function whyNobody(decisions: readonly ServiceDecision[]): string | null {
  const sentences = new Set(decisions.flatMap(({ reason }) => reason ?? []));
  return sentences.size === 0 ? null : [...sentences].join("; ");
}
