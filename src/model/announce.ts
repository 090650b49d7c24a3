// SPDX-License-Identifier: Apache-2.0
// What the announcer reads: MetalLB's resources, and of Kubernetes' what matters to it, as decoded, with defaults applied.
// Meaning is their own; names differ only where a unit is added. Readonly and serialisable.

import type { Position } from "./problem.ts";
import type { Labels, ResourceBase } from "./resources.ts";

/** Kubernetes LabelSelector; every part must hold. Empty = matches everything. */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelExpression[];
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

/** Inclusive. Text forms are canonical (RFC 5952); both ends have one family. */
export interface AddressRange {
  readonly position: Position;
  /** As written, for messages. */
  readonly text: string;
  readonly family: 4 | 6;
  readonly first: string;
  readonly last: string;
}

export interface IPAddressPool extends ResourceBase {
  readonly kind: "IPAddressPool";
  readonly ranges: readonly AddressRange[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIPs: boolean;
  /** null = for every service. */
  readonly serviceAllocation: ServiceAllocation | null;
}

export interface ServiceAllocation {
  /** Lower is preferred; 0 comes last. */
  readonly priority: number;
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
}

/** Which pools an advertisement is about; both empty = all pools, otherwise their union. */
interface Advertisement {
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  /** OR; empty = all nodes. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** OR; empty = all services. */
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface L2Advertisement extends ResourceBase, Advertisement {
  readonly kind: "L2Advertisement";
  /** Empty = all. */
  readonly interfaces: readonly string[];
  /** Weights of all that a node matches are added up, over all advertisements; the highest sum announces. */
  readonly preferredNodes: readonly PreferredNodes[];
}

export interface PreferredNodes {
  /** From 1 to 100. */
  readonly weight: number;
  readonly preference: LabelSelector;
}

export interface BGPAdvertisement extends ResourceBase, Advertisement {
  readonly kind: "BGPAdvertisement";
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  readonly localPref: number;
  readonly communities: readonly (BGPCommunity | CommunityAlias)[];
  /** Names of BGPPeers; empty = all. */
  readonly peers: readonly string[];
}

export interface BGPPeer extends ResourceBase {
  readonly kind: "BGPPeer";
  readonly myASN: number;
  /** A number, or what the peer's AS must be to ours. */
  readonly peerASN: number | "internal" | "external";
  readonly peerAddress: string;
  readonly peerPort: number;
  /** "" = the system's choice. */
  readonly sourceAddress: string;
  /** "" = derived from the node. */
  readonly routerID: string;
  readonly holdTimeMs: number;
  readonly keepaliveTimeMs: number;
  readonly connectTimeMs: number;
  readonly nodeSelectors: readonly LabelSelector[];
  /** Plain password or null; a secret that never is in a message. */
  readonly password: string | null;
  readonly passwordSecret: { readonly name: string; readonly namespace: string } | null;
  /** "" = none. */
  readonly bfdProfile: string;
  readonly enableGracefulRestart: boolean;
  readonly ebgpMultiHop: boolean;
  readonly dualStackAddressFamily: boolean;
}

export interface BFDProfile extends ResourceBase {
  readonly kind: "BFDProfile";
  readonly receiveIntervalMs: number;
  readonly transmitIntervalMs: number;
  readonly detectMultiplier: number;
  readonly passiveMode: boolean;
  readonly minimumTtl: number;
}

export interface Community extends ResourceBase {
  readonly kind: "Community";
  readonly communities: readonly {
    readonly position: Position;
    readonly name: string;
    readonly value: BGPCommunity;
  }[];
}

/** What a Community resource calls a community. */
export interface CommunityAlias {
  readonly kind: "alias";
  readonly name: string;
}

/** A Service of type LoadBalancer, as far as only the announcer reads it. */
export interface LoadBalancerService {
  /** spec.loadBalancerClass; "" = none. */
  readonly loadBalancerClass: string;
  /** Addresses asked for, as written: by annotation, else by spec.loadBalancerIP. Empty = any. */
  readonly requestedIPs: readonly string[];
  /** "" = any. */
  readonly requestedPool: string;
  /** "" = the address is not shared. */
  readonly sharingKey: string;
  readonly externalTrafficPolicy: "Cluster" | "Local";
  /** Empty where the cluster has not decided yet. */
  readonly ipFamilies: readonly (4 | 6)[];
  /** null = not said. */
  readonly ipFamilyPolicy: "SingleStack" | "PreferDualStack" | "RequireDualStack" | null;
  /** Addresses it has had so far: status.loadBalancer.ingress[].ip. */
  readonly ingressIPs: readonly string[];
}

export interface Node extends ResourceBase {
  readonly kind: "Node";
  /** InternalIP. */
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
  /** Condition Ready; a node that says nothing is ready. */
  readonly ready: boolean;
  /** Condition NetworkUnavailable. */
  readonly networkUnavailable: boolean;
}

/** Of type kubernetes.io/basic-auth; no other is read. */
export interface Secret extends ResourceBase {
  readonly kind: "Secret";
  /** Never in a message. null = the Secret has none. */
  readonly password: string | null;
}

/** On the wire: RFC 1997 as one 32-bit number, RFC 8092 as three. */
export type BGPCommunity =
  | { readonly kind: "standard"; readonly value: number }
  | { readonly kind: "large"; readonly value: readonly [number, number, number] };
