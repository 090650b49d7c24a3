// SPDX-License-Identifier: Apache-2.0
// Names the clusters that routes point at, and remembers which service, port and subset each name stands for.

import type { ProblemList, RouteDestination, VirtualService } from "../../model/index.ts";
import { destinationPort, reportMissingPort, requestPort } from "../link/destinations.ts";
import type { LinkedServices } from "../link/index.ts";
import type { LinkedService } from "../link/services.ts";

/** What a cluster name stands for. */
export interface ClusterKey {
  readonly service: LinkedService;
  readonly port: number;
  /** "" = the whole service. */
  readonly subset: string;
}

export interface Destinations {
  /** Names resolved so far that lead somewhere; the others are answered 503 NC. */
  readonly known: ReadonlyMap<string, ClusterKey>;
  /** Names that were asked for by `require`. */
  readonly required: ReadonlySet<string>;
  /** The cluster of a route destination. `path` is where the destination stands, `listenerPort` the last resort. */
  resolve(virtualService: VirtualService, destination: RouteDestination, path: string, listenerPort: number): string;
  /** The cluster of a service port, kept whether or not a route points at it. */
  require(service: LinkedService, port: number, subset: string): string;
}

export function createDestinations(linked: LinkedServices, problems: ProblemList): Destinations {
  const known = new Map<string, ClusterKey>();
  const required = new Set<string>();
  const cluster = (service: LinkedService, port: number, subset: string): string => {
    const name = clusterName(port, subset, service.host);
    if (!known.has(name)) known.set(name, { service, port, subset });
    return name;
  };
  return {
    known,
    required,
    require(service, port, subset) {
      const name = cluster(service, port, subset);
      required.add(name);
      return name;
    },
    resolve(virtualService, destination, path, listenerPort) {
      const { host, subset } = destination;
      const service = linked.services.visible.get(host);
      const port = destinationPort(destination, service, listenerPort);
      if (service === undefined) return clusterName(port, subset, host);
      if (requestPort(service, port) === null) {
        // An explicit port that does not exist has been reported when references were checked.
        if (destination.port === null && service.ports.length > 1) {
          const at = { position: destination.position, path: `${path}.destination.port` };
          reportMissingPort(virtualService, at, service, port, problems);
        }
        return clusterName(port, subset, host);
      }
      if (subset !== "" && !linked.rules.policyOf(service).subsets.has(subset)) return clusterName(port, subset, host);
      return cluster(service, port, subset);
    },
  };
}

/** Istio's outbound cluster name; tools that read metrics and access logs know it. */
export function clusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}
