// SPDX-License-Identifier: Apache-2.0
// A routing snapshot as a flat list of routes in the order in which they are tried. Pure.

import type { ListenerSpec, RouteSpec, RouteTableSpec, RoutingSnapshot, VirtualHostSpec } from "../model/index.ts";
import { describeAction, describeMatch, describeOrigin, describePosition } from "./describe-route.ts";
import { renderTable, type Column } from "../cli/index.ts";

/** Which part of the snapshot is asked about. */
export interface RouteSelection {
  /** null = gateways and mesh. */
  readonly role: "gateway" | "mesh" | null;
  /** Port of the gateway's server, or of the service in the mesh; null = all. */
  readonly port: number | null;
}

/** One route and all that leads to it. */
export interface ListedRoute {
  readonly listener: ListenerSpec;
  readonly port: number;
  readonly table: RouteTableSpec;
  readonly host: VirtualHostSpec;
  /** Position in its virtual host, from 1: the first that matches wins. */
  readonly order: number;
  readonly route: RouteSpec;
}

/** All routes of the selection, hosts in the table's order. */
export function listRoutes(routing: RoutingSnapshot, selection: RouteSelection): readonly ListedRoute[] {
  return selectTables(routing, selection).flatMap(({ listener, port, table }) =>
    table.hosts.flatMap((host) =>
      host.routes.map((route, index) => ({ listener, port, table, host, order: index + 1, route })),
    ),
  );
}

export interface SelectedTable {
  readonly listener: ListenerSpec;
  readonly port: number;
  readonly table: RouteTableSpec;
}

/** The route tables of the selection, by listener and port. */
export function selectTables(routing: RoutingSnapshot, selection: RouteSelection): readonly SelectedTable[] {
  return routing.listeners
    .filter((listener) => selection.role === null || listener.role === selection.role)
    .flatMap((listener) =>
      [...listener.tables].map(([port, name]) => ({ listener, port, table: routing.routeTables.get(name) })),
    )
    .filter((each): each is SelectedTable => each.table !== undefined)
    .filter(({ port }) => selection.port === null || selection.port === port);
}

const columns: readonly Column[] = [
  { title: "LISTENER" },
  { title: "HOSTS" },
  { title: "#", align: "right" },
  { title: "MATCH" },
  { title: "TO" },
  { title: "FROM" },
];

/** For people: one row per route. */
export function renderRoutes(
  listed: readonly ListedRoute[],
  width: number | null,
  styleTitle: (text: string) => string,
): string {
  const rows = listed.map(({ listener, port, host, order, route }) => [
    listener.role === "mesh" ? `mesh:${port}` : `gateway:${port}`,
    shortDomains(host.domains),
    String(order),
    describeMatch(route.match),
    describeAction(route.action),
    describePosition(route.origin),
  ]);
  return renderTable(columns, rows, width, styleTitle);
}

/** For programs: the same and more, plain data. */
export function routeData({
  listener,
  port,
  table,
  host,
  order,
  route,
}: ListedRoute): Readonly<Record<string, unknown>> {
  return {
    listener: { name: listener.name, role: listener.role, port },
    routeTable: table.name,
    virtualHost: host.name,
    domains: host.domains,
    order,
    name: route.name,
    match: route.match,
    action: route.action,
    resource: route.origin.resource,
    path: route.origin.path,
    position: route.origin.position,
    text: { match: describeMatch(route.match), to: describeAction(route.action), from: describeOrigin(route.origin) },
  };
}

/** In the mesh a service answers to many spellings of its name; the longest says it all. */
function shortDomains(domains: readonly string[]): string {
  const [first] = domains;
  if (first === undefined) return "";
  const aliasOfFirst = (domain: string) => first.startsWith(`${domain}.`);
  const kept = domains.filter((domain) => domain === first || !aliasOfFirst(domain));
  return kept.join(",");
}
