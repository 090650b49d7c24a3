// SPDX-License-Identifier: Apache-2.0
// The kinds this version reads. Anything else is ignored and counted.

import { destinationRule } from "./destination-rule.ts";
import { endpoints, endpointSlice } from "./endpoints.ts";
import { gateway } from "./gateway.ts";
import type { Kind } from "./kind.ts";
import { bgpAdvertisement, l2Advertisement } from "./metallb/advertisements.ts";
import { bfdProfile } from "./metallb/bfd-profile.ts";
import { bgpPeer } from "./metallb/bgp-peer.ts";
import { community } from "./metallb/community.ts";
import { metallbConfigMap } from "./metallb/config-map.ts";
import { ipAddressPool } from "./metallb/ip-address-pool.ts";
import { node } from "./node.ts";
import { secret } from "./secret.ts";
import { serviceEntry } from "./service-entry.ts";
import { namespace, service } from "./service.ts";
import { virtualService } from "./virtual-service.ts";
import { workloadEntry } from "./workload.ts";

export const kinds: readonly Kind[] = [
  gateway,
  virtualService,
  destinationRule,
  serviceEntry,
  workloadEntry,
  service,
  endpoints,
  endpointSlice,
  namespace,
  node,
  secret,
  ipAddressPool,
  l2Advertisement,
  bgpAdvertisement,
  bgpPeer,
  bfdProfile,
  community,
  metallbConfigMap,
];

/** By kind and API group: Gateway of gateway.networking.k8s.io is not Istio's. */
export function findKind(kind: string, group: string): Kind | undefined {
  return kinds.find((candidate) => candidate.kind === kind && candidate.group === group);
}
