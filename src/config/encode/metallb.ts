// SPDX-License-Identifier: Apache-2.0
// MetalLB's resources as they are written in YAML: what decoding them gives back. Defaults are left out.

import type {
  BFDProfile,
  BGPAdvertisement,
  BGPCommunity,
  BGPPeer,
  Community,
  CommunityAlias,
  IPAddressPool,
  L2Advertisement,
  LabelSelector,
  Resource,
} from "../../model/index.ts";
import { formatCommunity } from "../decode/metallb/community.ts";

export type MetallbResource = IPAddressPool | L2Advertisement | BGPAdvertisement | BGPPeer | BFDProfile | Community;

const kinds: ReadonlySet<string> = new Set<MetallbResource["kind"]>([
  "IPAddressPool",
  "L2Advertisement",
  "BGPAdvertisement",
  "BGPPeer",
  "BFDProfile",
  "Community",
]);

export function isMetallb(resource: Resource): resource is MetallbResource {
  return kinds.has(resource.kind);
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A document to apply. Of a BGPPeer it has the password, as the resource has it. */
export function manifestOf(resource: MetallbResource): Manifest {
  const { kind, name, namespace } = resource;
  const apiVersion = kind === "BGPPeer" ? "metallb.io/v1beta2" : "metallb.io/v1beta1";
  return { apiVersion, kind, metadata: { name, namespace }, spec: specOf(resource) };
}

function specOf(resource: MetallbResource): Readonly<Record<string, unknown>> {
  switch (resource.kind) {
    case "IPAddressPool":
      return poolSpec(resource);
    case "L2Advertisement":
      return given({
        ...advertisementFields(resource),
        interfaces: resource.interfaces,
        preferredNodeSelectors: resource.preferredNodes.map(({ weight, preference }) => ({
          weight,
          preference: selectorFields(preference),
        })),
      });
    case "BGPAdvertisement":
      return given({
        ...advertisementFields(resource),
        aggregationLength: unless(32, resource.aggregationLength),
        aggregationLengthV6: unless(128, resource.aggregationLengthV6),
        localPref: unless(0, resource.localPref),
        communities: resource.communities.map(communityText),
        peers: resource.peers,
      });
    case "BGPPeer":
      return peerSpec(resource);
    case "BFDProfile":
      return given({
        receiveInterval: unless(300, resource.receiveIntervalMs),
        transmitInterval: unless(300, resource.transmitIntervalMs),
        detectMultiplier: unless(3, resource.detectMultiplier),
        passiveMode: unless(false, resource.passiveMode),
        minimumTtl: unless(254, resource.minimumTtl),
      });
    case "Community":
      return { communities: resource.communities.map(({ name, value }) => ({ name, value: communityText(value) })) };
  }
}

function poolSpec({ ranges, autoAssign, avoidBuggyIPs, serviceAllocation }: IPAddressPool): Record<string, unknown> {
  return given({
    addresses: ranges.map(({ text }) => text),
    autoAssign: unless(true, autoAssign),
    avoidBuggyIPs: unless(false, avoidBuggyIPs),
    serviceAllocation:
      serviceAllocation === null
        ? undefined
        : given({
            priority: unless(0, serviceAllocation.priority),
            namespaces: serviceAllocation.namespaces,
            namespaceSelectors: serviceAllocation.namespaceSelectors.map(selectorFields),
            serviceSelectors: serviceAllocation.serviceSelectors.map(selectorFields),
          }),
  });
}

function peerSpec(peer: BGPPeer): Record<string, unknown> {
  const { peerASN, holdTimeMs, keepaliveTimeMs } = peer;
  return given({
    myASN: peer.myASN,
    ...(typeof peerASN === "number" ? { peerASN } : { dynamicASN: peerASN }),
    peerAddress: peer.peerAddress,
    peerPort: unless(179, peer.peerPort),
    sourceAddress: unless("", peer.sourceAddress),
    routerID: unless("", peer.routerID),
    holdTime: holdTimeMs === 90_000 ? undefined : durationText(holdTimeMs),
    keepaliveTime: keepaliveTimeMs * 3 === holdTimeMs ? undefined : durationText(keepaliveTimeMs),
    connectTime: peer.connectTimeMs === 120_000 ? undefined : durationText(peer.connectTimeMs),
    nodeSelectors: peer.nodeSelectors.map(selectorFields),
    password: peer.password ?? undefined,
    passwordSecret: peer.passwordSecret ?? undefined,
    bfdProfile: unless("", peer.bfdProfile),
    enableGracefulRestart: unless(false, peer.enableGracefulRestart),
    ebgpMultiHop: unless(false, peer.ebgpMultiHop),
    dualStackAddressFamily: unless(false, peer.dualStackAddressFamily),
  });
}

function advertisementFields(advertisement: L2Advertisement | BGPAdvertisement): Record<string, unknown> {
  return {
    ipAddressPools: advertisement.pools,
    ipAddressPoolSelectors: advertisement.poolSelectors.map(selectorFields),
    nodeSelectors: advertisement.nodeSelectors.map(selectorFields),
    serviceSelectors: advertisement.serviceSelectors.map(selectorFields),
  };
}

function selectorFields({ matchLabels, matchExpressions }: LabelSelector): Record<string, unknown> {
  return given({
    matchLabels: Object.keys(matchLabels).length === 0 ? undefined : matchLabels,
    matchExpressions: matchExpressions.map(({ key, operator, values }) => given({ key, operator, values })),
  });
}

function communityText(community: BGPCommunity | CommunityAlias): string {
  return community.kind === "alias" ? community.name : formatCommunity(community);
}

/** Milliseconds as Go writes them. */
function durationText(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

function unless<T>(byDefault: T, value: T): T | undefined {
  return value === byDefault ? undefined : value;
}

/** Without fields that say nothing. */
function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isGiven = ([, value]: readonly [string, unknown]) =>
    value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(fields).filter(isGiven));
}
