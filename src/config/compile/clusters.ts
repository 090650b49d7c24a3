// SPDX-License-Identifier: Apache-2.0
// Clusters with the traffic policy that holds for them; limits and timeouts default to Istio's.

import {
  unlimited,
  type ClusterSpec,
  type ConnectionPool,
  type LoadBalancer,
  type TrafficPolicy,
} from "../../model/index.ts";
import type { DestinationRules } from "../link/destination-rules.ts";
import type { ClusterKey } from "./destinations.ts";

interface EffectivePolicy {
  readonly loadBalancer: LoadBalancer | null;
  readonly connectionPool: ConnectionPool | null;
}

/** One cluster; `name` is the one its key was made into. */
export function compileCluster(name: string, key: ClusterKey, rules: DestinationRules): ClusterSpec {
  const { service, port, subset } = key;
  const policy = rules.policyOf(service);
  const own = policy.subsets.get(subset)?.subset.trafficPolicy ?? null;
  const { loadBalancer, connectionPool } = override(override(noPolicy, policy.trafficPolicy, port), own, port);
  return {
    name,
    service: service.identity,
    port,
    subset,
    loadBalancer: loadBalancer ?? "LEAST_REQUEST",
    connectTimeoutMs: connectionPool?.connectTimeoutMs ?? 10_000,
    // Zero is Envoy's default of an unset threshold in Istio's translation, that is: no limit.
    maxConnections: connectionPool?.maxConnections || unlimited,
    maxPendingRequests: connectionPool?.maxPendingRequests || unlimited,
    maxRequests: connectionPool?.maxRequests || unlimited,
    maxRetries: connectionPool?.maxRetries || unlimited,
    maxRequestsPerConnection: connectionPool?.maxRequestsPerConnection ?? 0,
    idleTimeoutMs: connectionPool?.idleTimeoutMs ?? 3_600_000,
    discovery: service.discovery,
  };
}

const noPolicy: EffectivePolicy = { loadBalancer: null, connectionPool: null };

/**
 * A narrower level replaces each part it sets. Port-level settings replace both parts, set or not: what they leave out
 * falls back to the defaults, not to the level around them (Istio MergeTrafficPolicy).
 */
function override(base: EffectivePolicy, policy: TrafficPolicy | null, port: number): EffectivePolicy {
  if (policy === null) return base;
  const portLevel = policy.portLevel.find((each) => each.port === port);
  if (portLevel !== undefined) return portLevel;
  return {
    loadBalancer: policy.loadBalancer ?? base.loadBalancer,
    connectionPool: policy.connectionPool ?? base.connectionPool,
  };
}
