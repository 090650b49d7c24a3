// SPDX-License-Identifier: Apache-2.0
// One address of a cluster: its idle connections, its counters, and the metric series of answers that came from it.

import { formatHostPort } from "../core/index.ts";
import type { EndpointSpec, WorkloadIdentity } from "../model/index.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

export class Endpoint {
  /** `ip:port`; key inside the cluster. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  weight: number;
  ready: boolean;
  workload: WorkloadIdentity;
  /** Removed from the configuration: serves what is in flight and no more. */
  retired = false;

  /** LIFO: the most recently used is the least likely to be closed by the other side. Oldest first. */
  readonly idle: UpstreamConnection[] = [];
  /** Metric series by response code, negative for requests of the mesh listener; null before the first; see recorder.ts. */
  series: Map<number, number> | null = null;

  connectionsActive = 0;
  connectionsTotal = 0;
  connectionsFailed = 0;
  requestsActive = 0;
  requestsTotal = 0;
  requestsSucceeded = 0;
  requestsFailed = 0;
  requestsTimedOut = 0;

  constructor(spec: EndpointSpec) {
    this.key = formatHostPort(spec.address, spec.port);
    this.address = spec.address;
    this.port = spec.port;
    this.weight = spec.weight;
    this.ready = spec.ready;
    this.workload = spec.workload;
  }

  update(spec: EndpointSpec): void {
    this.weight = spec.weight;
    this.ready = spec.ready;
    if (this.workload === spec.workload) return;
    this.workload = spec.workload;
    this.series = null;
  }

  /** No new work; idle connections are closed now, busy ones when their exchange ends. */
  retire(): void {
    this.retired = true;
    this.closeIdle();
  }

  closeIdle(): void {
    for (const connection of this.idle.splice(0)) connection.close();
  }
}
