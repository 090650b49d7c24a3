// SPDX-License-Identifier: Apache-2.0
// Resources → RoutingSnapshot: listeners, route tables, and the clusters that they can reach. Pure.

import {
  type ClusterSpec,
  createProblemList,
  type Problem,
  type Resource,
  type RouteTableSpec,
  type RoutingSnapshot,
  sortByKind,
} from "../../model/index.ts";
import type { DestinationRules } from "../link/destination-rules.ts";
import { linkRouting } from "../link/index.ts";
import type { CompileOptions } from "../link/options.ts";
import { createAttachments } from "./attachments.ts";
import { compileCluster } from "./clusters.ts";
import { createDestinations, type Destinations } from "./destinations.ts";
import { compileGatewayListener, type CompiledListener } from "./gateway-tables.ts";
import { compileMeshListener } from "./mesh-tables.ts";
import { createRouteCompiler } from "./routes.ts";
import { routingVersion } from "./version.ts";

/**
 * Compiles what one process serves. Linear in the number of rules and services. EndpointSlices, Endpoints and
 * WorkloadEntries have no influence on the result. Never throws for what a resource says: that becomes a problem on
 * the resource, and the rest is served.
 */
export function compileRouting(
  resources: readonly Resource[],
  options: CompileOptions,
): { readonly routing: RoutingSnapshot; readonly problems: readonly Problem[] } {
  const problems = createProblemList();
  const linked = linkRouting(sortByKind(resources), options, problems);
  const destinations = createDestinations(linked, problems);
  const compiler = createRouteCompiler(destinations, options);
  const attachments = createAttachments(linked.gateways, options);
  const compiled: CompiledListener[] = linked.gateways.listeners.map((listener) =>
    compileGatewayListener(listener, linked, compiler, attachments),
  );
  if (options.mesh !== null) {
    const parts = { linked, compiler, destinations, attachments, problems, options };
    compiled.push(compileMeshListener(options.mesh, parts));
  }
  attachments.report(linked.virtualServices, problems);
  const routeTables = new Map(compiled.flatMap(({ tables }) => tables.map((table) => [table.name, table] as const)));
  const content = {
    listeners: compiled.map(({ listener }) => listener),
    routeTables,
    clusters: compileClusters(routeTables.values(), destinations, linked.rules),
  };
  return { routing: { version: routingVersion(content), ...content }, problems: problems.sorted() };
}

/** The clusters that some route names, and those the mesh asks for; by name, so that equal content looks equal. */
function compileClusters(
  tables: Iterable<RouteTableSpec>,
  destinations: Destinations,
  rules: DestinationRules,
): ReadonlyMap<string, ClusterSpec> {
  const names = new Set(destinations.required);
  for (const table of tables) {
    for (const host of table.hosts) {
      for (const { action } of host.routes) {
        if (action.kind === "forward") for (const { cluster } of action.destinations) names.add(cluster);
      }
    }
  }
  const clusters = new Map<string, ClusterSpec>();
  for (const name of [...names].toSorted()) {
    const key = destinations.known.get(name);
    if (key !== undefined) clusters.set(name, compileCluster(name, key, rules));
  }
  return clusters;
}
