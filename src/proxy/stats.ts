// SPDX-License-Identifier: Apache-2.0
// Numbers of the data plane that are not about one cluster or listener.

import { limitNames, type LimitName } from "../model/index.ts";
import type { Sample } from "../telemetry/port.ts";
import type { Cluster } from "./cluster.ts";
import type { Listener } from "./listener.ts";
import type { Overload } from "./overload.ts";
import { counter, gauge } from "./samples.ts";

export class DataPlaneStats {
  exchangesActive = 0;
  replies = 0;
  retries = 0;
  deadConnectionRetries = 0;
  bugs = 0;
  descriptorShortages = 0;
  underscores = 0;
  readonly limitHits = Object.fromEntries(limitNames.map((name) => [name, 0])) as Record<LimitName, number>;
}

/** What Prometheus sees of the data plane beside Istio's standard metrics. */
export function dataPlaneSamples(
  stats: DataPlaneStats,
  overload: Overload,
  deadlinesPending: number,
  listeners: Iterable<Listener>,
  clusters: Iterable<Cluster>,
): readonly Sample[] {
  const samples: Sample[] = [
    gauge("naru_exchanges_active", "Requests in flight.", stats.exchangesActive),
    gauge("naru_deadlines_pending", "Timers of requests and connects.", deadlinesPending),
    counter("naru_replies_total", "Responses that naru made itself.", stats.replies),
    counter("naru_retries_total", "Attempts after the first, by route policy.", stats.retries),
    counter(
      "naru_dead_connection_retries_total",
      "Idempotent requests sent again because a kept-alive upstream connection was dead.",
      stats.deadConnectionRetries,
    ),
    counter(
      "naru_descriptor_shortages_total",
      "Upstream connects that failed because no file descriptor was left.",
      stats.descriptorShortages,
    ),
    counter("naru_internal_errors_total", "Exchanges that ended in a bug of naru.", stats.bugs),
    counter(
      "naru_underscore_headers_total",
      "Request headers dropped, and requests rejected, for an underscore.",
      stats.underscores,
    ),
    gauge(
      "naru_overloaded",
      "Data-plane threads that refuse new requests for want of memory.",
      Number(overload.active),
    ),
    ...limitNames.map((limit) =>
      counter("naru_limit_hits_total", "How often a limit was reached.", stats.limitHits[limit], { limit }),
    ),
  ];
  for (const listener of listeners) {
    const labels = { listener: listener.name };
    samples.push(
      gauge("naru_downstream_connections_active", "Open client connections.", listener.connections.size, labels),
      counter("naru_downstream_connections_total", "Client connections accepted.", listener.connectionsTotal, labels),
      counter("naru_accept_errors_total", "Connections lost while accepting them.", listener.acceptErrors, labels),
    );
  }
  for (const cluster of clusters) samples.push(...clusterSamples(cluster));
  return samples;
}

function clusterSamples(cluster: Cluster): readonly Sample[] {
  const labels = { cluster: cluster.spec.name };
  let total = 0;
  let failed = 0;
  for (const endpoint of cluster.endpoints) {
    total += endpoint.connectionsTotal;
    failed += endpoint.connectionsFailed;
  }
  const samples = [
    gauge("naru_upstream_connections_active", "Open upstream connections.", cluster.connectionsActive, labels),
    gauge("naru_upstream_connections_opened", "Upstream connections opened to present endpoints.", total, labels),
    gauge("naru_upstream_connect_failures", "Connects that failed, to present endpoints.", failed, labels),
    gauge("naru_upstream_requests_active", "Attempts in flight.", cluster.requestsActive, labels),
    gauge("naru_upstream_requests_pending", "Requests waiting for a connection.", cluster.pending.length, labels),
  ];
  if (cluster.spec.discovery === "dns") {
    const help = "Host names that did not resolve, each time they were looked up.";
    samples.push(counter("naru_dns_failures_total", help, cluster.resolutionFailures, labels));
  }
  return samples;
}
