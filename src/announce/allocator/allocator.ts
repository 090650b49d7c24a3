// SPDX-License-Identifier: Apache-2.0
// Which address every LoadBalancer service has: a pure function of pools and services, in MetalLB's order. Addresses a
// service already has come first, then those that are asked for by name, so that nothing moves that need not; equal input
// gives equal addresses on every node.

import { ip } from "../../core/index.ts";
import type { IPAddressPool } from "../../model/index.ts";
import type { Sharer } from "./address-use.ts";
import { Pool, type Family, type PoolCandidate } from "./pool.ts";

type Ip = NonNullable<ReturnType<typeof ip.parse>>;

/** A service of type LoadBalancer that is ours to serve. */
export interface AllocatorService extends Sharer, PoolCandidate {
  /** One or two different families, the primary one first. */
  readonly families: readonly Family[];
  readonly familyPolicy: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  /** Addresses asked for by name; empty = any. */
  readonly requested: readonly string[];
  /** "" = any. */
  readonly requestedPool: string;
  /** Addresses it has had so far (status). */
  readonly current: readonly string[];
}

export interface Allocation {
  /** `namespace/name`. */
  readonly service: string;
  /** IPv4 first; empty when `failure` says why there is none. */
  readonly addresses: readonly string[];
  /** "" without addresses. */
  readonly pool: string;
  readonly failure: string | null;
  /** Why it does not have what it had, or has less than it prefers. */
  readonly notes: readonly string[];
}

export interface PoolUse {
  readonly name: string;
  readonly ipv4: { readonly total: bigint; readonly inUse: number };
  readonly ipv6: { readonly total: bigint; readonly inUse: number };
  readonly services: number;
}

export interface Allocations {
  /** In the order of the services given. */
  readonly services: readonly Allocation[];
  readonly pools: readonly PoolUse[];
}

/**
 * Pools must not overlap. Of services, those with an address are served first, then those that ask for one by name, then the
 * others; each in the order given. So an address that a service has or asks for is never handed out to one that takes any.
 */
export function allocate(pools: readonly IPAddressPool[], services: readonly AllocatorService[]): Allocations {
  const allocator = new Allocator(pools);
  const kept = new Map<string, Grant | Refusal>();
  for (const service of services) {
    if (service.current.length > 0) kept.set(service.key, allocator.keep(service));
  }
  const results = new Map<AllocatorService, Allocation>();
  // Only now may anybody get something new, or he would get what another one has.
  for (const isNamed of [true, false]) {
    for (const service of services) {
      if (service.requested.length > 0 !== isNamed) continue;
      results.set(service, allocator.assign(service, kept.get(service.key) ?? null));
    }
  }
  const allocations = services.map((service) => results.get(service)!);
  return { services: allocations, pools: allocator.poolUse(allocations) };
}

class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

interface Grant {
  readonly pool: Pool;
  readonly addresses: readonly Ip[];
}

/** Hands out addresses one service after the other. */
class Allocator {
  readonly #pools: readonly Pool[];

  constructor(pools: readonly IPAddressPool[]) {
    this.#pools = pools.map((spec) => new Pool(spec)).toSorted((left, right) => compare(left.name, right.name));
  }

  /** Lets a service keep what it has, if it still may have it. */
  keep(service: AllocatorService): Grant | Refusal {
    const grant = this.#current(service);
    if (grant instanceof Refusal) return grant;
    for (const address of grant.addresses) grant.pool.take(address, service);
    return grant;
  }

  /** What a service gets in the end; `kept` is the answer of `keep`, null when it had nothing. */
  assign(service: AllocatorService, kept: Grant | Refusal | null): Allocation {
    if (kept !== null && !(kept instanceof Refusal)) return this.#grant(service, this.#completed(service, kept), []);
    const notes = kept === null ? [] : [`${service.current.join(" and ")} cannot be kept: ${kept.reason}`];
    const grant = this.#find(service);
    if (!(grant instanceof Refusal)) return this.#grant(service, grant, notes);
    return { service: service.key, addresses: [], pool: "", failure: grant.reason, notes };
  }

  poolUse(allocations: readonly Allocation[]): readonly PoolUse[] {
    return this.#pools.map((pool) => ({
      name: pool.name,
      ipv4: pool.count(4),
      ipv6: pool.count(6),
      services: allocations.filter((allocation) => allocation.pool === pool.name).length,
    }));
  }

  #grant(service: AllocatorService, { pool, addresses }: Grant, notes: readonly string[]): Allocation {
    for (const address of addresses) pool.take(address, service);
    const sorted = addresses.toSorted((left, right) => left.family - right.family);
    const isLess = service.familyPolicy === "PreferDualStack" && service.families.length > sorted.length;
    return {
      service: service.key,
      addresses: sorted.map(ip.format),
      pool: pool.name,
      failure: null,
      notes: isLess ? [...notes, `the pool ${pool.name} has no address of the other family`] : notes,
    };
  }

  /** What the service has, if it still may have it. */
  #current(service: AllocatorService): Grant | Refusal {
    const { current, families, familyPolicy, requested, requestedPool } = service;
    const grant = this.#exactly(service, current);
    if (grant instanceof Refusal) return grant;
    const has = grant.addresses.map(({ family }) => family);
    const mayLack = familyPolicy === "PreferDualStack" && has.length === 1;
    if (has.some((family) => !families.includes(family)) || (has.length < families.length && !mayLack)) {
      return new Refusal("the service wants other address families");
    }
    if (requestedPool !== "" && requestedPool !== grant.pool.name) {
      return new Refusal(`the service asks for the pool ${requestedPool}`);
    }
    if (requested.length > 0 && !sameAddresses(requested, grant.addresses)) {
      return new Refusal(`the service asks for ${requested.join(" and ")}`);
    }
    return grant;
  }

  /** With the second family, when one is preferred and the pool has an address by now. */
  #completed(service: AllocatorService, grant: Grant): Grant {
    const { pool, addresses } = grant;
    // Who asks for one address by name wants that one.
    if (service.requested.length > 0) return grant;
    const missing = service.families.find((family) => addresses.every((address) => address.family !== family));
    const added = missing === undefined ? null : pool.lowest(missing, service);
    return added === null ? grant : { pool, addresses: [...addresses, added] };
  }

  #find(service: AllocatorService): Grant | Refusal {
    const { requested, requestedPool } = service;
    if (requested.length > 0) return this.#requested(service);
    if (requestedPool !== "") return this.#fromPool(service, requestedPool);
    const open = this.#pools.filter((pool) => pool.autoAssign && pool.admits(service));
    const pinned = open
      .filter((pool) => pool.pinned)
      .toSorted((left, right) => comparePriority(left.priority, right.priority));
    const unpinned = open.filter((pool) => !pool.pinned);
    const grant = this.#best(service, pinned) ?? this.#best(service, unpinned);
    if (grant !== null) return grant;
    if (this.#pools.length === 0) return new Refusal("there is no IPAddressPool");
    if (open.length === 0) return new Refusal("no pool hands out addresses to this service by itself");
    const families = service.families.map((family) => `IPv${family}`).join(" and ");
    return new Refusal(`no ${families} address is free in ${open.map(({ name }) => name).join(", ")}`);
  }

  #requested(service: AllocatorService): Grant | Refusal {
    const { requested, requestedPool, families } = service;
    const grant = this.#exactly(service, requested);
    if (grant instanceof Refusal) return grant;
    const isFitting =
      grant.addresses.every(({ family }) => families.includes(family)) &&
      (grant.addresses.length === families.length || service.familyPolicy === "PreferDualStack");
    if (!isFitting) {
      const wanted = families.map((family) => `IPv${family}`).join(" and ");
      return new Refusal(`${requested.join(" and ")} does not fit the families of the service, ${wanted}`);
    }
    if (requestedPool !== "" && requestedPool !== grant.pool.name) {
      return new Refusal(`${requested.join(" and ")} is not in the requested pool ${requestedPool}`);
    }
    return grant;
  }

  #fromPool(service: AllocatorService, name: string): Grant | Refusal {
    const pool = this.#pools.find((each) => each.name === name);
    if (pool === undefined) return new Refusal(`there is no pool ${name}`);
    if (!pool.admits(service)) return new Refusal(`the pool ${name} is not for this service`);
    const lacking = service.families.find((family) => !pool.hasFamily(family));
    if (lacking !== undefined && service.familyPolicy !== "PreferDualStack") {
      return new Refusal(`the pool ${name} has no IPv${lacking} range`);
    }
    return this.#best(service, [pool]) ?? new Refusal(`no address is free in the pool ${name}`);
  }

  /** The first pool that has all families; for a service that only prefers both, else the first with either. */
  #best(service: AllocatorService, pools: readonly Pool[]): Grant | null {
    const { families, familyPolicy } = service;
    for (const pool of pools) {
      const addresses = families.map((family) => pool.lowest(family, service));
      if (addresses.every((address) => address !== null)) return { pool, addresses };
    }
    if (familyPolicy !== "PreferDualStack") return null;
    for (const family of families) {
      for (const pool of pools) {
        const address = pool.lowest(family, service);
        if (address !== null) return { pool, addresses: [address] };
      }
    }
    return null;
  }

  /** Exactly these addresses, which must all be in one pool. */
  #exactly(service: AllocatorService, texts: readonly string[]): Grant | Refusal {
    const addresses: Ip[] = [];
    for (const text of texts) {
      const address = ip.parse(text);
      if (address === null) return new Refusal(`${JSON.stringify(text)} is no IP address`);
      addresses.push(address);
    }
    if (addresses.length > 2) return new Refusal("a service has at most two addresses");
    const [first, second] = addresses;
    if (first === undefined) return new Refusal("no address is named");
    if (second !== undefined && first.family === second.family) {
      return new Refusal(`${texts.join(" and ")} are of the same family`);
    }
    const pool = this.#pools.find((each) => addresses.every((address) => each.contains(address)));
    if (pool === undefined) return new Refusal(`${texts.join(" and ")} is in no pool`);
    if (!pool.admits(service)) return new Refusal(`the pool ${pool.name} is not for this service`);
    for (const address of addresses) {
      const conflict = pool.conflict(address, service);
      if (conflict !== null) return new Refusal(`${ip.format(address)} is not to be had: ${conflict}`);
    }
    return { pool, addresses };
  }
}

function sameAddresses(texts: readonly string[], addresses: readonly Ip[]): boolean {
  if (texts.length !== addresses.length) return false;
  const wanted = new Set(texts.map((text) => ip.parse(text)).map((each) => (each === null ? "" : ip.format(each))));
  return addresses.every((address) => wanted.has(ip.format(address)));
}

function comparePriority(left: number, right: number): number {
  return left === right ? 0 : left - right;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
