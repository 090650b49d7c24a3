// SPDX-License-Identifier: Apache-2.0
// Content hashes of snapshots: equal versions behave alike. Positions are left out, so that moving a rule down by a
// comment is no change. Relies on the compiler building objects with their keys in one order.

import { createHash, type Hash } from "node:crypto";
import type { EndpointSnapshot, RouteSpec, RoutingSnapshot } from "../../model/index.ts";

/** First 16 hex digits of a SHA-256. */
export function routingVersion({ listeners, routeTables, clusters }: Omit<RoutingSnapshot, "version">): string {
  const hash = createHash("sha256");
  // Tables share most routes; each is written out once and then named by its number.
  const numbers = new Map<RouteSpec, number>();
  for (const { tables, ...listener } of listeners) updateJson(hash, [listener, [...tables]]);
  for (const { hosts, ...table } of routeTables.values()) {
    updateJson(hash, [table, hosts.length]);
    for (const { routes, ...host } of hosts) {
      updateJson(hash, [host, routes.map((route) => numbers.get(route) ?? -1)]);
      for (const route of routes) {
        if (numbers.has(route)) continue;
        numbers.set(route, numbers.size);
        updateJson(hash, withoutPosition(route));
      }
    }
  }
  updateJson(hash, [...clusters.values()]);
  return shorten(hash);
}

/** As `routingVersion`. */
export function endpointsVersion({ endpoints }: Omit<EndpointSnapshot, "version">): string {
  const hash = createHash("sha256");
  for (const entry of endpoints) updateJson(hash, entry);
  return shorten(hash);
}

function withoutPosition({ origin: { resource, path }, ...route }: RouteSpec): object {
  return { ...route, origin: { resource, path } };
}

/** Every piece is one JSON text, so the end of one cannot be taken for the beginning of the next. */
function updateJson(hash: Hash, content: object): void {
  hash.update(JSON.stringify(content));
}

function shorten(hash: Hash): string {
  return hash.digest("hex").slice(0, 16);
}
