// SPDX-License-Identifier: Apache-2.0
// Why a node does not announce a service; the codes are MetalLB's where it has one.

export const reasons = {
  noIPAllocated: "the service has no address",
  notAdvertised: "no advertisement is about its pool",
  noMatchingAdvertisement: "no advertisement of its pool matches the service and this node",
  sharedIPWithServiceSelector: "its address may be shared, and an advertisement selects services",
  conflictingAdvertisements: "its advertisements ask for different local preferences",
  noEndpoints: "no endpoint of it serves",
  noLocalEndpoints: "no endpoint of it serves on this node, and its externalTrafficPolicy is Local",
  nodeNetworkUnavailable: "the network of this node is unavailable",
  nodeLabeledExcludeBalancers: "this node is excluded by label",
  nodeNotReady: "this node is not ready",
  notMember: "this node is not among those who elect: it still listens, or another one has its name",
  noInterface: "this node has no interface that its advertisements name",
  notServed: "this node cannot serve its address",
  outsideSubnet: "no interface of this node is in the subnet of the address",
  noPeer: "no BGPPeer is for this node and its advertisements",
  notOwner: "it is announced by another node",
} as const;

export type Reason = keyof typeof reasons;
