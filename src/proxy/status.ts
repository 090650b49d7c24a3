// SPDX-License-Identifier: Apache-2.0
// What `/clusters` shows of a cluster.

import type { ClusterStatus } from "../telemetry/port.ts";
import type { Cluster } from "./cluster.ts";

export function clusterStatus(cluster: Cluster): ClusterStatus {
  return {
    name: cluster.spec.name,
    service: cluster.spec.service,
    loadBalancer: cluster.spec.loadBalancer,
    connectionsActive: cluster.connectionsActive,
    requestsActive: cluster.requestsActive,
    requestsPending: cluster.pending.length,
    endpoints: [...cluster.endpoints].map((endpoint) => ({
      address: endpoint.key,
      ready: endpoint.ready,
      weight: endpoint.weight,
      workload: endpoint.workload.workload,
      version: endpoint.workload.canonicalRevision,
      connectionsActive: endpoint.connectionsActive,
      connectionsTotal: endpoint.connectionsTotal,
      connectionsFailed: endpoint.connectionsFailed,
      requestsActive: endpoint.requestsActive,
      requestsTotal: endpoint.requestsTotal,
      requestsSucceeded: endpoint.requestsSucceeded,
      requestsFailed: endpoint.requestsFailed,
      requestsTimedOut: endpoint.requestsTimedOut,
    })),
  };
}
