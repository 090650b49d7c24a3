// SPDX-License-Identifier: Apache-2.0
// Announcing: who gets which address of which pool, and what says so on the network.

export { allocate, type Allocation, type Allocations, type PoolUse } from "./allocator/allocator.ts";
export {
  bgpPeerConfig,
  createBgpSpeaker,
  createBgpTransport,
  type BgpPeerStatus,
  type BgpSpeaker,
} from "./bgp/index.ts";
export { announceDefaults } from "./defaults.ts";
export { decide, type Decision, type ServiceDecision } from "./decide.ts";
export { Digests } from "./election/election.ts";
export { reachOf } from "./election/reach.ts";
export { createLayer2, usableLinks, type L2Status, type Layer2, type Layer2Announcement } from "./layer2/index.ts";
export { linkAnnouncements, type LinkedAnnouncements, type LinkOptions } from "./link.ts";
export type {
  AnnounceConfig,
  AnnouncedService,
  NodeInfo,
  ResolvedBGPAdvertisement,
  ResolvedPeer,
  ServingNodes,
} from "./link/types.ts";
export { parseKeys, type HeartbeatKeys } from "./membership/keys.ts";
export type { Member, Reach } from "./membership/member.ts";
export { createMembership, type LocalFacts, type Membership } from "./membership/membership.ts";
export { createUdpPort } from "./membership/udp-port.ts";
export { matchesAny } from "./selectors.ts";
