// SPDX-License-Identifier: Apache-2.0
// The kinds this version reads. Anything else is ignored and counted.

import { destinationRule } from "./destination-rule.ts";
import { endpoints, endpointSlice } from "./endpoints.ts";
import { gateway } from "./gateway.ts";
import type { Kind } from "./kind.ts";
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
];

/** By kind and API group: Gateway of gateway.networking.k8s.io is not Istio's. */
export function findKind(kind: string, group: string): Kind | undefined {
  return kinds.find((candidate) => candidate.kind === kind && candidate.group === group);
}
