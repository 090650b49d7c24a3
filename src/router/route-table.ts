// SPDX-License-Identifier: Apache-2.0
// Compiles a route table and finds the virtual host for an authority: exact names by map, `*.suffix` by one map look-up
// per label, longest first. Precedence is Envoy's: exact, longest suffix, `*`.

import type { RouteSpec, RouteTableSpec } from "../model/index.ts";
import { hostWithoutPort, normalDomain } from "./authority.ts";
import { PatternPool } from "./conditions.ts";
import { RecentCache } from "./recent-cache.ts";
import { compileVirtualHost, type VirtualHost } from "./virtual-host.ts";

export interface RouteTable<T> {
  /**
   * The virtual host for an authority as received (any case, optional port, trailing dot), or null. Allocates nothing
   * for authorities seen lately.
   */
  host(authority: string): VirtualHost<T> | null;
}

const cachedAuthorities = 1024;
/** A name of 253 characters, its dot, and a port. Longer ones are not cached, which bounds the cache in bytes. */
const maxCachedLength = 260;

/**
 * Compiles a table once per routing snapshot; `bind` is called once for each route. Regular expressions must have
 * passed `compilePattern`: an invalid one throws BUG.
 */
export function compileRouteTable<T>(spec: RouteTableSpec, bind: (route: RouteSpec) => T): RouteTable<T> {
  const patterns = new PatternPool();
  const table = new IndexedRouteTable<T>();
  for (const host of spec.hosts) {
    const compiled = compileVirtualHost(host, bind, patterns);
    for (const domain of host.domains) table.add(normalDomain(domain), compiled);
  }
  return table;
}

class IndexedRouteTable<T> implements RouteTable<T> {
  readonly #exact = new Map<string, VirtualHost<T>>();
  /** Keyed by the text after "*", which begins with a dot. */
  readonly #suffixes = new Map<string, VirtualHost<T>>();
  #any: VirtualHost<T> | null = null;
  #longestSuffix = 0;
  readonly #recent = new RecentCache<VirtualHost<T> | null>(cachedAuthorities);

  /** `domain` in normal form. The first host that names a domain has it. */
  add(domain: string, host: VirtualHost<T>): void {
    if (domain === "*") {
      this.#any ??= host;
    } else if (domain.startsWith("*.")) {
      const suffix = domain.slice(1);
      if (!this.#suffixes.has(suffix)) this.#suffixes.set(suffix, host);
      this.#longestSuffix = Math.max(this.#longestSuffix, suffix.length);
    } else if (!this.#exact.has(domain)) {
      this.#exact.set(domain, host);
    }
  }

  host(authority: string): VirtualHost<T> | null {
    if (this.#exact.size === 0 && this.#suffixes.size === 0) return this.#any;
    const known = this.#recent.get(authority);
    if (known !== undefined) return known;
    const found = this.#find(hostWithoutPort(authority));
    if (authority.length <= maxCachedLength) this.#recent.set(ownCopy(authority), found);
    return found;
  }

  #find(host: string): VirtualHost<T> | null {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    // "*" stands for at least one character. Starting where the longest suffix could start keeps a hostile host of
    // ten thousand dots from costing ten thousand slices.
    let dot = host.indexOf(".", Math.max(1, host.length - this.#longestSuffix));
    for (; dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const found = this.#suffixes.get(host.slice(dot));
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

/** A string of its own: a slice would keep the whole received head in memory for as long as the key is cached. */
function ownCopy(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le");
}
