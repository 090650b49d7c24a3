// SPDX-License-Identifier: Apache-2.0
// One pool while addresses are handed out: which services it is for, and its lowest address for each of them.

import { ip } from "../../core/index.ts";
import type { IPAddressPool, Labels } from "../../model/index.ts";
import { matchesAny, matchesSelector } from "../selectors.ts";
import { AddressUse, type Sharer } from "./address-use.ts";
import { RangeUse } from "./range-use.ts";
import { SharedAddresses } from "./shared-addresses.ts";

export type Family = 4 | 6;
type Ip = NonNullable<ReturnType<typeof ip.parse>>;

/** A service as pools look at it. */
export interface PoolCandidate {
  readonly namespace: string;
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
}

export class Pool {
  readonly name: string;
  readonly autoAssign: boolean;
  readonly #spec: IPAddressPool;
  readonly #ranges: readonly (ip.IpRange & { readonly use: RangeUse })[];
  readonly #uses = { 4: new Map<bigint, AddressUse>(), 6: new Map<bigint, AddressUse>() } as const;
  /** By the sharing key of their users. */
  readonly #shared = { 4: new Map<string, SharedAddresses>(), 6: new Map<string, SharedAddresses>() } as const;
  readonly #inUse = { 4: 0, 6: 0 };

  constructor(spec: IPAddressPool) {
    this.name = spec.name;
    this.autoAssign = spec.autoAssign;
    this.#spec = spec;
    this.#ranges = spec.ranges
      .map(ip.rangeOf)
      .map((range) => ({ ...range, use: new RangeUse(range.first, range.last) }));
  }

  /** Lower comes first; 0 stands for none and comes last (MetalLB). */
  get priority(): number {
    return this.#spec.serviceAllocation?.priority || Infinity;
  }

  /** It is meant for particular services. */
  get pinned(): boolean {
    return this.#spec.serviceAllocation !== null;
  }

  hasFamily(family: Family): boolean {
    return this.#ranges.some((range) => range.family === family);
  }

  contains(address: Ip): boolean {
    return this.#ranges.some((range) => ip.contains(range, address));
  }

  /** Both the namespace and the service must be among those it is for; a selector that matches nothing admits nobody. */
  admits({ namespace, labels, namespaceLabels }: PoolCandidate): boolean {
    const allocation = this.#spec.serviceAllocation;
    if (allocation === null) return true;
    const { namespaces, namespaceSelectors, serviceSelectors } = allocation;
    const anyNamespace = namespaces.length === 0 && namespaceSelectors.length === 0;
    const inNamespace =
      anyNamespace ||
      namespaces.includes(namespace) ||
      namespaceSelectors.some((selector) => matchesSelector(selector, namespaceLabels));
    return inNamespace && matchesAny(serviceSelectors, labels);
  }

  /** Why the service cannot have this address, which the pool contains; null when it can. */
  conflict(address: Ip, sharer: Sharer): string | null {
    if (this.#isBuggy(address)) return `the pool ${this.name} avoids addresses that end in .0 or .255`;
    return this.#uses[address.family].get(address.value)?.conflict(sharer) ?? null;
  }

  take(address: Ip, sharer: Sharer): void {
    const { family, value } = address;
    let use = this.#uses[family].get(value);
    if (use === undefined) {
      use = new AddressUse();
      this.#uses[family].set(value, use);
      this.#inUse[family]++;
      this.#ranges.find((range) => ip.contains(range, address))!.use.take(value);
    }
    use.add(sharer);
    if (sharer.sharingKey === "") return;
    const key = groupOf(sharer);
    let shared = this.#shared[family].get(key);
    if (shared === undefined) this.#shared[family].set(key, (shared = new SharedAddresses()));
    shared.use(value, sharer.ports);
  }

  /** The first address, in the order of the ranges, that is free or may be shared; null when there is none. */
  lowest(family: Family, sharer: Sharer): Ip | null {
    for (const range of this.#ranges) {
      if (range.family !== family) continue;
      const free = this.#lowestFree(family, range.use);
      const group = sharer.sharingKey === "" ? undefined : this.#shared[family].get(groupOf(sharer));
      const shareable = group?.lowest(range.first, range.last, sharer.ports) ?? null;
      const value = free === null || (shareable !== null && shareable < free) ? shareable : free;
      if (value !== null) return { family, value };
    }
    return null;
  }

  /** Addresses that can be handed out in all, and how many are. Counted as MetalLB's metrics do. */
  count(family: Family): { readonly total: bigint; readonly inUse: number } {
    let total = 0n;
    for (const range of this.#ranges) {
      if (range.family !== family) continue;
      total += range.last - range.first + 1n - (this.#spec.avoidBuggyIPs ? buggyIn(range) : 0n);
    }
    return { total, inUse: this.#inUse[family] };
  }

  /** What is never handed out is used up on the way. */
  #lowestFree(family: Family, use: RangeUse): bigint | null {
    for (;;) {
      const value = use.lowestFree();
      if (value === null || !this.#isBuggy({ family, value })) return value;
      use.take(value);
    }
  }

  #isBuggy({ family, value }: Ip): boolean {
    if (!this.#spec.avoidBuggyIPs || family === 6) return false;
    const lastOctet = value & 0xffn;
    return lastOctet === 0n || lastOctet === 255n;
  }
}

/** Only services of one group can have an address together. */
function groupOf({ sharingKey, backendKey }: Sharer): string {
  return JSON.stringify([sharingKey, backendKey]);
}

/** Addresses of a range that end in .0 or .255. */
function buggyIn({ family, first, last }: ip.IpRange): bigint {
  if (family === 6) return 0n;
  const upTo = (value: bigint): bigint => value / 256n + 1n + (value + 1n) / 256n;
  return upTo(last) - (first === 0n ? 0n : upTo(first - 1n));
}
