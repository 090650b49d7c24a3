// SPDX-License-Identifier: Apache-2.0
// Route tables of gateway listeners: VirtualServices meet the hosts of the Gateways they name.

import {
  formatRef,
  type ListenerSpec,
  type RouteSpec,
  type RouteTableSpec,
  type VirtualService,
} from "../../model/index.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import { boundDomains, type GatewayListener } from "../link/gateways.ts";
import { compareSpecificity } from "../link/hosts.ts";
import type { LinkedRouting } from "../link/index.ts";
import type { Attachments } from "./attachments.ts";
import { takesEverything, type RouteCompiler } from "./routes.ts";

export interface CompiledListener {
  readonly listener: ListenerSpec;
  readonly tables: readonly RouteTableSpec[];
}

/** A route and whose it is, while a domain is put together. */
interface OwnedRoute {
  readonly owner: VirtualService;
  readonly route: RouteSpec;
}

/** The listener of one address and port with its one table, which is empty when no VirtualService binds (404). */
export function compileGatewayListener(
  listener: GatewayListener,
  linked: LinkedRouting,
  compiler: RouteCompiler,
  attachments: Attachments,
): CompiledListener {
  const { bind, port } = listener;
  const routesByDomain = new Map<string, Set<RouteSpec>>();
  const owners = new Map<RouteSpec, VirtualService>();
  for (const virtualService of linked.virtualServices) {
    for (const gateway of virtualService.gateways) {
      const server = listener.servers.get(gateway);
      const domains = server === undefined ? [] : boundDomains(server, virtualService);
      if (domains.length === 0) continue;
      const { routes, unreachable } = compiler.compile(virtualService, { gateway, port });
      for (const { route, behind } of unreachable) attachments.hidden(virtualService, route, hiddenBehind(behind));
      for (const route of routes) owners.set(route, virtualService);
      for (const domain of domains) {
        if (routes.length === 0) break;
        const merged = getOrCreate(routesByDomain, domain, () => new Set<RouteSpec>());
        for (const route of routes) merged.add(route);
      }
    }
  }
  const name = bind === "" ? `http.${port}` : `http.${port}.${bind}`;
  const hosts = [...routesByDomain]
    .toSorted(([left], [right]) => compareSpecificity(left, right))
    .map(([domain, routes]) => {
      const owned = Array.from(routes, (route) => ({ route, owner: owners.get(route)! }));
      return { name: `${domain}:${port}`, domains: [domain], routes: mergeRoutes(domain, owned, attachments) };
    });
  return {
    listener: {
      name: `gateway_${bind === "" ? "0.0.0.0" : bind}_${port}`,
      role: "gateway",
      bind,
      port,
      tables: new Map([[port, name]]),
    },
    tables: [{ name, hosts }],
  };
}

/** Says that a route of the same VirtualService hides this one. */
export function hiddenBehind(path: string): string {
  return `it can never match: ${path} above it takes every request`;
}

/**
 * Routes of several VirtualServices in age order; those that take everything go to the end (Istio SortVHostRoutes), and
 * of these only the oldest can ever match.
 */
function mergeRoutes(domain: string, owned: readonly OwnedRoute[], attachments: Attachments): readonly RouteSpec[] {
  const merged: OwnedRoute[] = owned.filter(({ route }) => !takesEverything(route));
  const [first, ...rest] = owned.filter(({ route }) => takesEverything(route));
  if (first !== undefined) merged.push(first);
  for (const { owner, route } of merged) attachments.served(owner, [route]);
  for (const { owner, route } of rest) {
    attachments.hidden(
      owner,
      route,
      `it can never match on ${domain}: ${first!.route.origin.path} of the older ` +
        `${formatRef(first!.route.origin.resource)} takes every request that is left`,
    );
  }
  return merged.map(({ route }) => route);
}
