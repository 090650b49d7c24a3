// SPDX-License-Identifier: Apache-2.0
// What BGP advertisements may not say of the pools they select. Each check reports and tells whether all is well.

import { ip } from "../../core/index.ts";
import type { BGPAdvertisement, IPAddressPool, ProblemList } from "../../model/index.ts";
import { selectsPool } from "../selectors.ts";
import { where } from "./names.ts";
import { shareNode } from "./nodes.ts";
import type { NodeInfo, ResolvedBGPAdvertisement } from "./types.ts";

/** An aggregate may not reach beyond the pool: other addresses would be drawn here, too. */
export function checkAggregation(
  advertisement: BGPAdvertisement,
  pools: readonly IPAddressPool[],
  problems: ProblemList,
): boolean {
  let isValid = true;
  for (const pool of pools) {
    for (const range of pool.ranges) {
      const field = range.family === 4 ? "aggregationLength" : "aggregationLengthV6";
      const shortest = Math.min(...ip.cidrsOf(ip.rangeOf(range)).map(lengthOf));
      if (shortest <= advertisement[field]) continue;
      isValid = false;
      problems.add({
        code: "VALUE",
        severity: "error",
        resource: advertisement,
        path: `spec.${field}`,
        message: `a /${advertisement[field]} is more than ${range.text} of the pool ${pool.name} has; write ${shortest} or more`,
      });
    }
  }
  return isValid;
}

function lengthOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

/** One route cannot have two local preferences: what the routers get would depend on chance. */
export function checkLocalPreference(
  advertisement: BGPAdvertisement,
  older: readonly ResolvedBGPAdvertisement[],
  pools: readonly IPAddressPool[],
  nodes: readonly NodeInfo[],
  problems: ProblemList,
): boolean {
  const other = older.find(
    (each) =>
      each.localPref !== advertisement.localPref &&
      // What is for some services only is compared once it is known which.
      each.serviceSelectors.length === 0 &&
      advertisement.serviceSelectors.length === 0 &&
      pools.some((pool) => selectsPool(each, pool) && sameRoutes(each, advertisement, pool)) &&
      sharePeer(each, advertisement) &&
      shareNode(each, advertisement, nodes),
  );
  if (other === undefined) return true;
  problems.add({
    code: "CONFLICT",
    severity: "error",
    resource: advertisement,
    path: "spec.localPref",
    message: `${where(other)} announces the same routes with the preference ${other.localPref}; write the same, or other pools, peers or nodes`,
  });
  return false;
}

type Aggregation = Pick<BGPAdvertisement, "aggregationLength" | "aggregationLengthV6">;

function sameRoutes(left: Aggregation, right: Aggregation, { ranges }: IPAddressPool): boolean {
  return ranges.some(({ family }) =>
    family === 4
      ? left.aggregationLength === right.aggregationLength
      : left.aggregationLengthV6 === right.aggregationLengthV6,
  );
}

function sharePeer({ peers: left }: Pick<BGPAdvertisement, "peers">, { peers: right }: BGPAdvertisement): boolean {
  return left.length === 0 || right.length === 0 || left.some((name) => right.includes(name));
}
