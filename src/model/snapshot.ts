// SPDX-License-Identifier: Apache-2.0
// What the data plane runs on: data only, readonly, structured-cloneable. Two speeds: a RoutingSnapshot changes when
// somebody edits configuration, an EndpointSnapshot whenever a workload comes or goes.

import type { Position, ResourceRef } from "./problem.ts";
import type { Labels, LoadBalancer, StringMatch } from "./resources.ts";
import type { RetryOn } from "./retry-on.ts";

export interface RoutingSnapshot {
  /** Hash of the content: equal versions route alike. */
  readonly version: string;
  readonly listeners: readonly ListenerSpec[];
  readonly routeTables: ReadonlyMap<string, RouteTableSpec>;
  /** By cluster name. */
  readonly clusters: ReadonlyMap<string, ClusterSpec>;
  /** Its addresses go elsewhere soon, so every response is the last one of its connection. Never taken back. */
  readonly leaving?: true;
}

/**
 * `gateway`: one route table for the whole listener. `mesh`: one table per service port; the request's authority says
 * which (port 80 when it names none), because without captured connections nothing else does.
 */
export interface ListenerSpec {
  /** `gateway_0.0.0.0_80`, `mesh`; stable over reloads, keys of listeners that are kept. */
  readonly name: string;
  readonly role: "gateway" | "mesh";
  /** "" = all addresses, IPv4 and IPv6. */
  readonly bind: string;
  /** As configured; the process may map it to another (`--listen 80=8080`). */
  readonly port: number;
  /** Service port → name of the route table. A gateway has exactly one entry, under its own port. */
  readonly tables: ReadonlyMap<number, string>;
}

export interface RouteTableSpec {
  /** Envoy's route configuration name: `http.80` for gateways, `9080` in the mesh. */
  readonly name: string;
  readonly hosts: readonly VirtualHostSpec[];
}

export interface VirtualHostSpec {
  /** `<domain>:<port>`. */
  readonly name: string;
  /** Exact names, `*.suffix` or `*`; lower case, without port. No domain stands in two hosts of a table. */
  readonly domains: readonly string[];
  /** In match order: the first that matches wins. */
  readonly routes: readonly RouteSpec[];
}

/** One match block of one rule: a rule with three blocks makes three routes that share their action object. */
export interface RouteSpec {
  /** Envoy's route name: `rule`, `rule.match`, or "" (logged as `default`). */
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  readonly origin: RouteOrigin;
}

/** Which line of which file a route came from. */
export interface RouteOrigin {
  readonly resource: ResourceRef;
  /** Of the match block, or of the rule when it has none. */
  readonly position: Position;
  /** `spec.http[0].match[2]`, or `spec.http[0]`. */
  readonly path: string;
}

/** All conditions must hold; absent ones (null, empty) always do. Conditions on the client are already decided. */
export interface RouteMatch {
  /** On the path without its query. `presence` never occurs. */
  readonly uri: StringMatch | null;
  /** For exact and prefix `uri` only. */
  readonly ignoreUriCase: boolean;
  readonly method: StringMatch | null;
  readonly scheme: StringMatch | null;
  readonly authority: StringMatch | null;
  readonly headers: readonly NamedMatch[];
  readonly withoutHeaders: readonly NamedMatch[];
  readonly queryParams: readonly NamedMatch[];
}

export interface NamedMatch {
  /** Header names lower case. */
  readonly name: string;
  readonly match: StringMatch;
}

export type RouteAction = ForwardAction | ReplyAction;

export interface ForwardAction {
  readonly kind: "forward";
  /** At least one; weights are positive, and 1 when it stands alone. */
  readonly destinations: readonly WeightedCluster[];
  /** 0 = none. From the end of the request to the end of the response, retries included. */
  readonly timeoutMs: number;
  readonly retries: RetryPolicy;
}

export interface WeightedCluster {
  /** Key of RoutingSnapshot.clusters; a name without a cluster is answered 503 NC. */
  readonly cluster: string;
  readonly weight: number;
}

/** Answer without an upstream (Istio's `block_all`: 502 for hosts the mesh does not know). */
export interface ReplyAction {
  readonly kind: "reply";
  readonly status: number;
  readonly body: string;
}

export interface RetryPolicy {
  /** Retries after the first attempt; 0 = none. */
  readonly attempts: number;
  /** 0 = none. */
  readonly perTryTimeoutMs: number;
  readonly on: readonly RetryOn[];
  readonly statusCodes: readonly number[];
  /** Wait before retry N: uniform in [0, (2^N − 1) × base), at most 10 × base (Envoy). */
  readonly backoffMs: number;
}

/** Istio's way to say "no limit": Envoy's circuit breaker thresholds are 32 bits wide. */
export const unlimited = 2 ** 32 - 1;

export interface ClusterSpec {
  /** Istio's: `outbound|<port>|<subset>|<host>`. */
  readonly name: string;
  readonly service: ServiceIdentity;
  readonly port: number;
  /** "" = the whole service. */
  readonly subset: string;
  readonly loadBalancer: LoadBalancer;
  readonly connectTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  /** 0 = for ever. */
  readonly idleTimeoutMs: number;
  /** `dns`: endpoint addresses are host names that the data plane resolves again and again. */
  readonly discovery: "static" | "dns";
}

/** Labels destination_service, destination_service_name and destination_service_namespace of Istio's metrics. */
export interface ServiceIdentity {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

export interface EndpointSnapshot {
  readonly version: string;
  /** By cluster name; a cluster without an entry has no endpoints. */
  readonly endpoints: ReadonlyMap<string, readonly EndpointSpec[]>;
}

export interface EndpointSpec {
  /** IP address, or absolute path of a Unix socket, whose port is 0; for `dns` clusters a host name. */
  readonly address: string;
  readonly port: number;
  /** Relative share, positive. */
  readonly weight: number;
  /** Not ready endpoints get no requests; they are listed so that `/clusters` shows them. */
  readonly ready: boolean;
  readonly workload: WorkloadIdentity;
}

/** Source or destination labels of Istio's metrics. Unknown parts are `unknown`, the revision `latest`, never "". */
export interface WorkloadIdentity {
  readonly workload: string;
  readonly namespace: string;
  readonly principal: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
}

export const unknownWorkload: WorkloadIdentity = {
  workload: "unknown",
  namespace: "unknown",
  principal: "unknown",
  app: "unknown",
  version: "unknown",
  cluster: "unknown",
  canonicalService: "unknown",
  canonicalRevision: "latest",
};

/** What the process that routes is; decides which Gateways select it and what its metrics call it. */
export interface ProxyIdentity {
  readonly workload: WorkloadIdentity;
  readonly labels: Labels;
  /** Short names in the mesh resolve here. */
  readonly namespace: string;
  /** `cluster.local`. */
  readonly clusterDomain: string;
}
