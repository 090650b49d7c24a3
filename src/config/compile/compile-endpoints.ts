// SPDX-License-Identifier: Apache-2.0
// Resources → EndpointSnapshot: who serves each cluster of a routing snapshot right now. Pure.

import {
  type ClusterSpec,
  createProblemList,
  type EndpointSnapshot,
  type EndpointSpec,
  type Problem,
  type ProblemList,
  type Resource,
  type RoutingSnapshot,
  sortByKind,
} from "../../model/index.ts";
import { getOrCreate, linkDestinationRules, type DestinationRules } from "../link/destination-rules.ts";
import { requestPort } from "../link/destinations.ts";
import { selects, type CompileOptions } from "../link/options.ts";
import { linkServices, type LinkedService } from "../link/services.ts";
import { createCandidates, type Candidate } from "./candidates.ts";
import { endpointsVersion } from "./version.ts";

/**
 * Finds the endpoints of every cluster in `routing`, which must come from the same resources, EndpointSlices,
 * Endpoints and WorkloadEntries excepted. Clusters without endpoints have no entry.
 */
export function compileEndpoints(
  resources: readonly Resource[],
  routing: RoutingSnapshot,
  options: CompileOptions,
): { readonly endpoints: EndpointSnapshot; readonly problems: readonly Problem[] } {
  const problems = createProblemList();
  const kinds = sortByKind(resources);
  // Routing reports what is wrong with services; here it would be the same again.
  const services = linkServices(kinds, options, createProblemList());
  const rules = linkDestinationRules(kinds, options);
  const candidates = createCandidates(kinds, options.identity.workload.cluster, problems);
  const ofPorts = new Map<string, readonly Candidate[]>();
  const endpoints = new Map<string, readonly EndpointSpec[]>();
  for (const cluster of routing.clusters.values()) {
    const service = services.visible.get(cluster.service.host);
    const port = service === undefined ? null : requestPort(service, cluster.port);
    if (service === undefined || port === null) continue;
    const all = getOrCreate(ofPorts, `${cluster.port} ${service.host}`, () => candidates.of(service, port));
    const chosen = chooseSubset(all, cluster, service, rules, problems);
    if (chosen.length === 0) continue;
    const specs = chosen.map(({ endpoint }) => endpoint);
    endpoints.set(cluster.name, specs);
  }
  return { endpoints: { version: endpointsVersion({ endpoints }), endpoints }, problems: problems.sorted() };
}

function chooseSubset(
  candidates: readonly Candidate[],
  cluster: ClusterSpec,
  service: LinkedService,
  rules: DestinationRules,
  problems: ProblemList,
): readonly Candidate[] {
  const linked = rules.policyOf(service).subsets.get(cluster.subset);
  if (linked === undefined) return cluster.subset === "" ? candidates : [];
  const chosen = candidates.filter(({ labels }) => selects(linked.subset.labels, labels));
  if (chosen.length === 0 && candidates.length > 0) {
    const { rule, subset, index } = linked;
    const labels = Object.entries(subset.labels).map(([name, value]) => `${name}=${value}`);
    problems.add({
      code: "REFERENCE",
      severity: "warning",
      resource: rule,
      position: subset.position,
      path: `spec.subsets[${index}].labels`,
      message:
        `${service.host} has endpoints, but none with ${labels.join(",")}; pods are not read, ` +
        "so the labels must stand on the WorkloadEntry or on the EndpointSlice itself",
    });
  }
  return chosen;
}
