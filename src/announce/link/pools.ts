// SPDX-License-Identifier: Apache-2.0
// Pools that do not take addresses from each other, nor from nodes or pods.

import { ip } from "../../core/index.ts";
import type { AddressRange, IPAddressPool, Node, ProblemList, ResourcesByKind } from "../../model/index.ts";
import { where, withOwnName } from "./names.ts";

/** An address belongs to the oldest pool; a younger one that has it, too, is left out whole. */
export function linkPools(resources: ResourcesByKind, problems: ProblemList): readonly IPAddressPool[] {
  const taken = new ip.RangeMap<readonly [pool: IPAddressPool, range: AddressRange]>();
  const pools: IPAddressPool[] = [];
  for (const pool of withOwnName(resources.IPAddressPool, problems)) {
    let isDisjoint = true;
    for (const [index, range] of pool.ranges.entries()) {
      const other = taken.overlapping(ip.rangeOf(range));
      if (other === undefined) continue;
      isDisjoint = false;
      const message = `${range.text} overlaps ${other[1].text} of ${where(other[0])}, so this pool is not used; no address may be in two pools`;
      const path = `spec.addresses[${index}]`;
      problems.add({ code: "CONFLICT", severity: "error", resource: pool, position: range.position, path, message });
    }
    if (!isDisjoint) continue;
    for (const range of pool.ranges) taken.add(ip.rangeOf(range), [pool, range]);
    pools.push(pool);
  }
  reportForeignAddresses(pools, resources.Node, problems);
  return pools;
}

interface Foreign {
  readonly range: ip.IpRange;
  /** `192.0.2.1, an address of the node a`. */
  readonly what: string;
}

/** A service that gets such an address takes it from its owner; some do that on purpose, so the pool stays. */
function reportForeignAddresses(pools: readonly IPAddressPool[], nodes: readonly Node[], problems: ProblemList): void {
  const foreign = nodes.flatMap(addressesOf);
  for (const pool of pools) {
    for (const [index, range] of pool.ranges.entries()) {
      const overlapped = foreign.find((each) => ip.overlaps(each.range, ip.rangeOf(range)));
      if (overlapped === undefined) continue;
      problems.add({
        code: "CONFLICT",
        severity: "warning",
        resource: pool,
        position: range.position,
        path: `spec.addresses[${index}]`,
        message: `${range.text} overlaps ${overlapped.what}; a service that gets such an address cuts its owner off`,
      });
    }
  }
}

function addressesOf({ name, addresses, podCIDRs }: Node): readonly Foreign[] {
  const foreign: Foreign[] = [];
  for (const text of addresses) {
    const address = ip.parse(text);
    if (address === null) continue;
    const range = { family: address.family, first: address.value, last: address.value };
    foreign.push({ range, what: `${text}, an address of the node ${name}` });
  }
  for (const text of podCIDRs) {
    const range = ip.parseCidr(text);
    if (range !== null) foreign.push({ range, what: `${text}, where the node ${name} has its pods` });
  }
  return foreign;
}
