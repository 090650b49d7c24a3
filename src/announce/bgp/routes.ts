// SPDX-License-Identifier: Apache-2.0
// What a peer has been told, and the UPDATEs that bring it to what it should know. No I/O.

import type { Buffer } from "node:buffer";

import type { BgpRoute } from "../decide-bgp.ts";
import type { PathAttributes } from "./messages/attributes.ts";
import { encodePrefix, type WirePrefix } from "./messages/prefixes.ts";
import type { Family } from "./messages/protocol.ts";
import { encodeAnnouncements, encodeWithdrawals } from "./messages/update.ts";
import type { Agreement } from "./session/events.ts";

/** How routes are announced on a session. */
export interface RouteContext {
  readonly localAsn: number;
  readonly agreement: Pick<Agreement, "internal" | "families" | "fourOctetAs">;
  /** null = this node has no address of the family to be reached at. */
  readonly nextHops: Readonly<Record<Family, string | null>>;
}

interface Known {
  readonly family: Family;
  readonly wire: WirePrefix;
  /** Equal for equal attributes. */
  readonly path: string;
}

interface Group {
  readonly family: Family;
  readonly attributes: PathAttributes;
  readonly path: string;
  readonly prefixes: Map<string, WirePrefix>;
}

/** Most implementations' default (RFC 4271 leaves it open). */
const defaultLocalPref = 100;

export class AdvertisedRoutes {
  readonly #known = new Map<string, Known>();

  /** Prefixes the peer has been told of. */
  get size(): number {
    return this.#known.size;
  }

  /** The session is over. */
  clear(): void {
    this.#known.clear();
  }

  /** The next `update` says all of this family again. */
  forget(family: Family): void {
    for (const [prefix, known] of this.#known) if (known.family === family) this.#known.delete(prefix);
  }

  /** Least UPDATEs from what the peer knows to `routes`, withdrawals first. What cannot be announced is left out. */
  update(routes: readonly BgpRoute[], context: RouteContext): Buffer[] {
    const groups = new Map<string, Group>();
    const wanted = new Set<string>();
    for (const route of routes) {
      const group = this.#groupFor(route, context, groups);
      if (group === null) continue;
      wanted.add(route.prefix);
      if (this.#known.get(route.prefix)?.path !== group.path) {
        group.prefixes.set(route.prefix, encodePrefix(route.prefix)!.wire);
      }
    }
    const announcements = [...groups.values()].flatMap((group) => this.#announce(group, context, wanted));
    return [...this.#withdraw(wanted), ...announcements];
  }

  #groupFor(
    route: BgpRoute,
    { localAsn, agreement, nextHops }: RouteContext,
    groups: Map<string, Group>,
  ): Group | null {
    const family: Family = route.prefix.includes(":") ? 6 : 4;
    const nextHop = nextHops[family];
    if (nextHop === null || !agreement.families.includes(family)) return null;
    const attributes: PathAttributes = {
      origin: "igp",
      asPath: agreement.internal ? [] : [{ kind: "sequence", asns: [localAsn] }],
      nextHop,
      med: null,
      localPref: agreement.internal ? (route.localPref ?? defaultLocalPref) : null,
      communities: [...new Set(route.communities)].sort((left, right) => left - right),
      largeCommunities: route.largeCommunities,
    };
    const path = JSON.stringify(attributes);
    const known = groups.get(path);
    if (known !== undefined) return known;
    const group = { family, attributes, path, prefixes: new Map<string, WirePrefix>() };
    groups.set(path, group);
    return group;
  }

  #announce({ family, attributes, path, prefixes }: Group, context: RouteContext, wanted: Set<string>): Buffer[] {
    const { fourOctetAs } = context.agreement;
    const messages = encodeAnnouncements(family, [...prefixes.values()], attributes, attributes.nextHop!, fourOctetAs);
    for (const [prefix, wire] of prefixes) {
      if (messages === null) wanted.delete(prefix);
      else this.#known.set(prefix, { family, wire, path });
    }
    return messages ?? [];
  }

  #withdraw(wanted: ReadonlySet<string>): Buffer[] {
    const gone: Record<Family, WirePrefix[]> = { 4: [], 6: [] };
    for (const [prefix, { family, wire }] of this.#known) {
      if (wanted.has(prefix)) continue;
      gone[family].push(wire);
      this.#known.delete(prefix);
    }
    return [...encodeWithdrawals(4, gone[4]), ...encodeWithdrawals(6, gone[6])];
  }
}
