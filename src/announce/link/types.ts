// SPDX-License-Identifier: Apache-2.0
// What the parts of the announcer work from: resources that know each other, without those that contradict others.

import type {
  BFDProfile,
  BGPAdvertisement,
  BGPCommunity,
  BGPPeer,
  IPAddressPool,
  L2Advertisement,
  Labels,
} from "../../model/index.ts";
import type { AllocatorService } from "../allocator/allocator.ts";

export interface AnnounceConfig {
  /** No two have an address or a name in common. */
  readonly pools: readonly IPAddressPool[];
  /** Of type LoadBalancer and ours to serve, oldest first. */
  readonly services: readonly AnnouncedService[];
  readonly nodes: readonly NodeInfo[];
  readonly l2: readonly L2Advertisement[];
  readonly bgp: readonly ResolvedBGPAdvertisement[];
  readonly peers: readonly ResolvedPeer[];
}

export interface NodeInfo {
  readonly name: string;
  readonly labels: Labels;
  readonly ready: boolean;
  readonly networkUnavailable: boolean;
  /** Label node.kubernetes.io/exclude-from-external-load-balancers, whatever its value. */
  readonly excluded: boolean;
  /** InternalIP. */
  readonly addresses: readonly string[];
}

export interface AnnouncedService extends AllocatorService {
  /** externalTrafficPolicy. */
  readonly trafficPolicy: "Cluster" | "Local";
  /** Where endpoints serve; null = not known, which counts as everywhere. */
  readonly serving: ServingNodes | null;
}

export interface ServingNodes {
  /** Some endpoint serves, on whatever node. */
  readonly anywhere: boolean;
  /** By name; endpoints that do not say where they are add none. */
  readonly nodes: ReadonlySet<string>;
}

export interface ResolvedBGPAdvertisement extends Omit<BGPAdvertisement, "communities"> {
  /** Each once. */
  readonly communities: readonly BGPCommunity[];
}

export interface ResolvedPeer extends Omit<BGPPeer, "bfdProfile" | "passwordSecret"> {
  readonly bfd: BFDProfile | null;
}
