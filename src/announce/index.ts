// SPDX-License-Identifier: Apache-2.0
// Announcing: who gets which address of which pool, and what says so on the network.

export { allocate, type Allocation, type Allocations, type PoolUse } from "./allocator/allocator.ts";
export { linkAnnouncements, type LinkedAnnouncements, type LinkOptions } from "./link.ts";
export type {
  AnnounceConfig,
  AnnouncedService,
  NodeInfo,
  ResolvedBGPAdvertisement,
  ResolvedPeer,
  ServingNodes,
} from "./link/types.ts";
