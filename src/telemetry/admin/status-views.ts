// SPDX-License-Identifier: Apache-2.0
// Listeners and clusters as Envoy's admin shows them, because people and tools read them there. Pure.

import { formatHostPort, parseHostPort } from "../../core/index.ts";
import type { ClusterStatus, EndpointStatus, ListenerStatus } from "../port.ts";
import type { View } from "./endpoint.ts";

/** `<cluster>::<address>::<statistic>::<value>`, or Envoy's `cluster_statuses`. */
export function clustersView(clusters: () => readonly ClusterStatus[]): View {
  return {
    text: () => clusters().map(clusterText).join(""),
    data: () => ({ cluster_statuses: clusters().map(clusterData) }),
  };
}

/** `<name>::<address>`, with the reason where it could not be bound; or Envoy's `listener_statuses`. */
export function listenersView(listeners: () => readonly ListenerStatus[]): View {
  return {
    text: () => listeners().map(listenerText).join(""),
    data: () => ({ listener_statuses: listeners().map(listenerData) }),
  };
}

function clusterText(cluster: ClusterStatus): string {
  const lines = [
    `observability_name::${cluster.name}`,
    `lb_policy::${cluster.loadBalancer}`,
    `service::${cluster.service.host}`,
    `cx_active::${cluster.connectionsActive}`,
    `rq_active::${cluster.requestsActive}`,
    `rq_pending_active::${cluster.requestsPending}`,
    ...cluster.endpoints.flatMap((endpoint) =>
      endpointFacts(endpoint).map(([name, value]) => `${endpoint.address}::${name}::${value}`),
    ),
  ];
  return lines.map((line) => `${cluster.name}::${line}\n`).join("");
}

function endpointFacts(endpoint: EndpointStatus): readonly (readonly [string, string | number])[] {
  return [
    ...endpointStats(endpoint).map(({ name, value }) => [name, value] as const),
    ["health_flags", endpoint.ready ? "healthy" : "/failed_eds_health"],
    ["weight", endpoint.weight],
    ["workload", endpoint.workload],
    ["version", endpoint.version],
  ];
}

function clusterData(cluster: ClusterStatus): unknown {
  return {
    name: cluster.name,
    observability_name: cluster.name,
    lb_policy: cluster.loadBalancer,
    service: cluster.service,
    cx_active: cluster.connectionsActive,
    rq_active: cluster.requestsActive,
    rq_pending_active: cluster.requestsPending,
    host_statuses: cluster.endpoints.map((endpoint) => ({
      address: socketAddress(endpoint.address),
      // Protobuf's JSON has 64-bit integers as strings, and leaves out COUNTER as the default.
      stats: endpointStats(endpoint).map(({ name, value, gauge }) =>
        gauge ? { type: "GAUGE", name, value: String(value) } : { name, value: String(value) },
      ),
      health_status: { eds_health_status: endpoint.ready ? "HEALTHY" : "UNHEALTHY" },
      weight: endpoint.weight,
      workload: endpoint.workload,
      version: endpoint.version,
    })),
  };
}

function endpointStats(endpoint: EndpointStatus): { name: string; value: number; gauge: boolean }[] {
  const counter = (name: string, value: number) => ({ name, value, gauge: false });
  const gauge = (name: string, value: number) => ({ name, value, gauge: true });
  return [
    gauge("cx_active", endpoint.connectionsActive),
    counter("cx_connect_fail", endpoint.connectionsFailed),
    counter("cx_total", endpoint.connectionsTotal),
    gauge("rq_active", endpoint.requestsActive),
    counter("rq_error", endpoint.requestsFailed),
    counter("rq_success", endpoint.requestsSucceeded),
    counter("rq_timeout", endpoint.requestsTimedOut),
    counter("rq_total", endpoint.requestsTotal),
  ];
}

function listenerText(listener: ListenerStatus): string {
  const line = `${listener.name}::${formatHostPort(listener.address, listener.port)}`;
  return listener.error === null ? `${line}\n` : `${line}::error::${listener.error}\n`;
}

function listenerData(listener: ListenerStatus): unknown {
  return {
    name: listener.name,
    local_address: { socket_address: { address: listener.address, port_value: listener.port } },
    role: listener.role,
    configured_port: listener.configuredPort,
    cx_active: listener.connectionsActive,
    error: listener.error,
  };
}

function socketAddress(address: string): unknown {
  if (address.startsWith("/")) return { pipe: { path: address } };
  const parsed = parseHostPort(address);
  return { socket_address: { address: parsed?.host ?? address, port_value: parsed?.port ?? 0 } };
}
