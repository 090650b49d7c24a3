// SPDX-License-Identifier: Apache-2.0
// Age of resources, which decides conflicts, and their sorting into kinds.

import type { Resource, ResourceKind } from "./resources.ts";

/** All resources of each kind, oldest first. */
export type ResourcesByKind = {
  readonly [Kind in ResourceKind]: readonly Extract<Resource, { readonly kind: Kind }>[];
};

/**
 * Istio's "oldest wins": creation time, then position in the input, then name and namespace. Without a creation time
 * a resource counts as the youngest, because whatever carries one already existed somewhere.
 */
function compareAge(left: Resource, right: Resource): number {
  const leftMs = left.createdMs ?? Number.MAX_SAFE_INTEGER;
  const rightMs = right.createdMs ?? Number.MAX_SAFE_INTEGER;
  if (leftMs !== rightMs) return leftMs - rightMs;
  if (left.order !== right.order) return left.order - right.order;
  return compareText(left.name, right.name) || compareText(left.namespace, right.namespace);
}

export function sortByKind(resources: readonly Resource[]): ResourcesByKind {
  const kinds = {
    Gateway: [],
    VirtualService: [],
    DestinationRule: [],
    ServiceEntry: [],
    WorkloadEntry: [],
    Service: [],
    EndpointSlice: [],
    Endpoints: [],
    Namespace: [],
    Node: [],
    Secret: [],
    IPAddressPool: [],
    L2Advertisement: [],
    BGPAdvertisement: [],
    BGPPeer: [],
    BFDProfile: [],
    Community: [],
  } satisfies Record<ResourceKind, Resource[]>;
  for (const resource of resources.toSorted(compareAge)) (kinds[resource.kind] as Resource[]).push(resource);
  return kinds;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
