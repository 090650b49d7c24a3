// SPDX-License-Identifier: Apache-2.0
// Decoded resources: defaults applied, durations in milliseconds, enums narrowed. Field meaning is Istio's and
// Kubernetes' own; names differ from theirs only where a unit is added. Readonly and serialisable.

import type {
  BFDProfile,
  BGPAdvertisement,
  BGPPeer,
  Community,
  IPAddressPool,
  L2Advertisement,
  LoadBalancerService,
  Node,
  Secret,
} from "./announce.ts";
import type { Position, ResourceRef } from "./problem.ts";
import type { RetryOn } from "./retry-on.ts";

export type Labels = Readonly<Record<string, string>>;

export interface ResourceBase extends ResourceRef {
  readonly labels: Labels;
  /** metadata.creationTimestamp in ms, or null. Istio's "oldest wins" uses it, then `order`. */
  readonly createdMs: number | null;
  /** Position in the input, ascending; stands in for age where files carry no timestamp. */
  readonly order: number;
  readonly position: Position;
  /** The document it was made of, where that is no resource itself: MetalLB's old ConfigMap. */
  readonly origin?: ResourceRef & { readonly position: Position };
}

/** Istio StringMatch. `presence` is an empty match or regex `*`. */
export type StringMatch =
  | { readonly kind: "exact"; readonly value: string }
  | { readonly kind: "prefix"; readonly value: string }
  | { readonly kind: "regex"; readonly value: string }
  | { readonly kind: "presence" };

export interface Gateway extends ResourceBase {
  readonly kind: "Gateway";
  readonly selector: Labels;
  readonly servers: readonly GatewayServer[];
}

export interface GatewayServer {
  readonly position: Position;
  readonly port: number;
  readonly portName: string;
  /** Only HTTP is served by this version; others are reported and carried no further. */
  readonly protocol: "HTTP";
  /** "" = all addresses. */
  readonly bind: string;
  readonly hosts: readonly GatewayHost[];
}

export interface GatewayHost {
  /** Namespaces whose VirtualServices may bind: `*` all, otherwise one name (`.` is already resolved). */
  readonly namespace: string;
  /** `*`, `*.suffix` or a name; lower case. */
  readonly host: string;
}

export interface VirtualService extends ResourceBase {
  readonly kind: "VirtualService";
  /** Fully qualified, lower case: short names are already expanded with the resource's own namespace. */
  readonly hosts: readonly string[];
  /** `mesh` or `namespace/name`; default `["mesh"]`. */
  readonly gateways: readonly string[];
  readonly http: readonly HttpRule[];
  /** `.` is already resolved; `*` all, `~` none. Default `["*"]`. */
  readonly exportTo: readonly string[];
}

export interface HttpRule {
  readonly position: Position;
  readonly name: string;
  /** Empty = matches everything. */
  readonly match: readonly HttpMatch[];
  readonly route: readonly RouteDestination[];
  /** 0 = none. Total, retries included. */
  readonly timeoutMs: number;
  /** null = Istio's default policy. */
  readonly retries: RetrySpec | null;
}

export interface HttpMatch {
  readonly position: Position;
  readonly name: string;
  readonly uri: StringMatch | null;
  readonly ignoreUriCase: boolean;
  readonly scheme: StringMatch | null;
  readonly method: StringMatch | null;
  readonly authority: StringMatch | null;
  /** Keys lower case. */
  readonly headers: Readonly<Record<string, StringMatch>>;
  readonly withoutHeaders: Readonly<Record<string, StringMatch>>;
  readonly queryParams: Readonly<Record<string, StringMatch>>;
  /** Listener (service or gateway) port; null = any. */
  readonly port: number | null;
  /** null = the VirtualService's own list; entries as there. */
  readonly gateways: readonly string[] | null;
  /** Conditions on the client workload, decided when the configuration is compiled. */
  readonly sourceLabels: Labels;
  /** "" = any. */
  readonly sourceNamespace: string;
}

export interface RouteDestination {
  readonly position: Position;
  /** Fully qualified, lower case. */
  readonly host: string;
  /** "" = the whole service. */
  readonly subset: string;
  /** null = the service's only port. */
  readonly port: number | null;
  readonly weight: number;
}

export interface RetrySpec {
  /** 0 = off. */
  readonly attempts: number;
  /** 0 = the route timeout. */
  readonly perTryTimeoutMs: number;
  /** Without the numeric words, which are status codes. */
  readonly retryOn: readonly RetryOn[];
  readonly retriableStatusCodes: readonly number[];
  /** Base interval of the exponential backoff. */
  readonly backoffMs: number;
}

export interface DestinationRule extends ResourceBase {
  readonly kind: "DestinationRule";
  /** Fully qualified, lower case; may be `*.suffix`. */
  readonly host: string;
  readonly trafficPolicy: TrafficPolicy | null;
  readonly subsets: readonly Subset[];
  readonly exportTo: readonly string[];
}

export interface Subset {
  readonly position: Position;
  readonly name: string;
  readonly labels: Labels;
  readonly trafficPolicy: TrafficPolicy | null;
}

export type LoadBalancer = "LEAST_REQUEST" | "ROUND_ROBIN" | "RANDOM";

/** null = not said, so the wider level or Istio's default holds. */
export interface TrafficPolicy {
  readonly loadBalancer: LoadBalancer | null;
  readonly connectionPool: ConnectionPool | null;
  /** By port number; replaces the other parts wholesale (Istio). */
  readonly portLevel: readonly PortTrafficPolicy[];
}

export interface PortTrafficPolicy {
  readonly port: number;
  readonly loadBalancer: LoadBalancer | null;
  readonly connectionPool: ConnectionPool | null;
}

export interface ConnectionPool {
  readonly connectTimeoutMs: number | null;
  /** Open connections to the cluster. */
  readonly maxConnections: number | null;
  /** Requests waiting for a connection. */
  readonly maxPendingRequests: number | null;
  /** Requests in flight (Istio http2MaxRequests, which also counts HTTP/1.1). */
  readonly maxRequests: number | null;
  readonly maxRequestsPerConnection: number | null;
  /** Retries in flight. */
  readonly maxRetries: number | null;
  /** Upstream connection idle time; 0 = for ever. */
  readonly idleTimeoutMs: number | null;
}

export interface ServiceEntry extends ResourceBase {
  readonly kind: "ServiceEntry";
  readonly hosts: readonly string[];
  readonly ports: readonly ServiceEntryPort[];
  readonly location: "MESH_EXTERNAL" | "MESH_INTERNAL";
  readonly resolution: "STATIC" | "DNS";
  readonly endpoints: readonly WorkloadSpec[];
  /** null = none; selects WorkloadEntries of the same namespace. */
  readonly workloadSelector: Labels | null;
  readonly exportTo: readonly string[];
}

export interface ServiceEntryPort {
  readonly number: number;
  readonly name: string;
  readonly protocol: string;
  /** Port of the endpoints. */
  readonly targetPort: number;
}

/** The inline endpoint of a ServiceEntry and the spec of a WorkloadEntry are the same thing. */
export interface WorkloadSpec {
  readonly position: Position;
  /** IP address, absolute path of a Unix socket, or a host name where the ServiceEntry resolves by DNS. */
  readonly address: string;
  /** Service port name → endpoint port. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Labels;
  readonly locality: string;
  readonly weight: number;
  readonly serviceAccount: string;
}

export interface WorkloadEntry extends ResourceBase {
  readonly kind: "WorkloadEntry";
  readonly spec: WorkloadSpec;
}

export interface Service extends ResourceBase {
  readonly kind: "Service";
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** null = the Service has no selector. */
  readonly selector: Labels | null;
  readonly ports: readonly ServicePort[];
  readonly clusterIPs: readonly string[];
  /** "" unless type is ExternalName. */
  readonly externalName: string;
  /** What only the announcer reads; null unless type is LoadBalancer. */
  readonly loadBalancer: LoadBalancerService | null;
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  /** Number, or the name of a container port. Default: the port itself. */
  readonly targetPort: number | string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** "" = by the name's prefix (`http-web`). */
  readonly appProtocol: string;
}

export interface EndpointSlice extends ResourceBase {
  readonly kind: "EndpointSlice";
  /** Label kubernetes.io/service-name. "" = belongs to no Service. */
  readonly service: string;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  /** conditions.ready; absent counts as ready (Kubernetes API). */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string;
  /** targetRef.name of a Pod, or "". */
  readonly pod: string;
  /** nodeName, or "". */
  readonly node: string;
}

export interface Endpoints extends ResourceBase {
  readonly kind: "Endpoints";
  readonly subsets: readonly {
    readonly addresses: readonly EndpointsAddress[];
    readonly notReadyAddresses: readonly EndpointsAddress[];
    readonly ports: readonly { readonly name: string; readonly port: number }[];
  }[];
}

export interface EndpointsAddress {
  readonly ip: string;
  /** targetRef.name of a Pod, or "". */
  readonly pod: string;
  /** nodeName, or "". */
  readonly node: string;
}

export interface Namespace extends ResourceBase {
  readonly kind: "Namespace";
}

export type Resource =
  | Gateway
  | VirtualService
  | DestinationRule
  | ServiceEntry
  | WorkloadEntry
  | Service
  | EndpointSlice
  | Endpoints
  | Namespace
  | Node
  | Secret
  | IPAddressPool
  | L2Advertisement
  | BGPAdvertisement
  | BGPPeer
  | BFDProfile
  | Community;

export type ResourceKind = Resource["kind"];
