// SPDX-License-Identifier: Apache-2.0
// Which addresses a node can announce by layer 2: those in a subnet of an interface that the advertisements allow. Pure.

import { ip } from "../../core/index.ts";
import type { AnnounceConfig } from "../link/types.ts";
import type { Reach } from "../membership/member.ts";

type Ip = NonNullable<ReturnType<typeof ip.parse>>;

/** An interface as the system has it; only those on which announcing is possible. */
export interface ReachableLink {
  readonly name: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly prefixLength: number;
    readonly usable: boolean;
  }[];
}

/**
 * What others must know of our interfaces to decide as we do, and no more: subnets with addresses of some pool in them, and
 * interfaces that an advertisement names.
 */
export function reachOf(links: readonly ReachableLink[], { pools, l2 }: Pick<AnnounceConfig, "pools" | "l2">): Reach[] {
  const ranges = pools.flatMap((pool) =>
    pool.ranges.map(({ family, first, last }) => ({ family, first: valueOf(first), last: valueOf(last) })),
  );
  const named = new Set(l2.flatMap(({ interfaces }) => interfaces));
  const reach: Reach[] = [];
  for (const { name, addresses } of links) {
    const prefixes = new Set<string>();
    for (const { address, prefixLength, usable } of addresses) {
      const parsed = usable ? ip.parse(address) : null;
      if (parsed === null) continue;
      const subnet = ip.prefixAround(parsed, prefixLength);
      if (ranges.some((range) => ip.overlaps(range, subnet))) {
        prefixes.add(`${ip.format({ family: subnet.family, value: subnet.first })}/${prefixLength}`);
      }
    }
    if (prefixes.size > 0 || named.has(name)) reach.push({ name, prefixes: [...prefixes].toSorted() });
  }
  return reach.toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

/** Interfaces with their subnets as numbers, read once a round. */
export class ReachMap {
  readonly #links: readonly { readonly name: string; readonly subnets: readonly ip.IpRange[] }[] | null;

  constructor(reach: readonly Reach[] | null) {
    this.#links =
      reach?.map(({ name, prefixes }) => ({
        name,
        subnets: prefixes.flatMap((prefix) => ip.parseCidr(prefix) ?? []),
      })) ?? null;
  }

  /** Whether it has one of these interfaces; `names` null = any. */
  hasInterface(names: ReadonlySet<string> | null): boolean {
    return this.#links === null || names === null || this.#links.some(({ name }) => names.has(name));
  }

  /** Whether the address is in a subnet of one of these interfaces. */
  holds(address: Ip, names: ReadonlySet<string> | null): boolean {
    if (this.#links === null) return true;
    return this.#links.some(
      ({ name, subnets }) =>
        (names === null || names.has(name)) && subnets.some((subnet) => ip.contains(subnet, address)),
    );
  }
}

function valueOf(text: string): bigint {
  return ip.parse(text)!.value;
}
