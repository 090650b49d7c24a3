// SPDX-License-Identifier: Apache-2.0
// Kubernetes Node (core/v1), as far as announcing depends on it.

import { ip } from "../../core/index.ts";
import type { Node } from "../../model/index.ts";
import { documentFields, type Kind } from "./kind.ts";
import { excerpt } from "./place.ts";
import { object, optional, required, silent } from "./schema.ts";
import { list, text, textThat } from "./values.ts";

const prefix = textThat((value) =>
  ip.parseCidr(value) === null ? `${excerpt(value)} is no prefix; write one such as 10.244.0.0/24` : null,
);

const spec = object(
  "kubernetes",
  {
    podCIDR: optional(prefix),
    podCIDRs: optional(list(prefix)),
    configSource: silent,
    externalID: silent,
    providerID: silent,
    taints: silent,
    unschedulable: silent,
  },
  ({ podCIDR, podCIDRs }) => podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]),
);

const address = object(
  "kubernetes",
  { type: required(text, "write InternalIP"), address: required(text, "write the address") },
  (fields) => fields,
);

const condition = object(
  "kubernetes",
  {
    type: required(text, "write the type of the condition"),
    status: required(text, "write True, False or Unknown"),
    lastHeartbeatTime: silent,
    lastTransitionTime: silent,
    message: silent,
    observedGeneration: silent,
    reason: silent,
  },
  (fields) => fields,
);

const status = object(
  "kubernetes",
  {
    addresses: optional(list(address)),
    conditions: optional(list(condition)),
    allocatable: silent,
    capacity: silent,
    config: silent,
    daemonEndpoints: silent,
    declaredFeatures: silent,
    features: silent,
    images: silent,
    nodeInfo: silent,
    phase: silent,
    runtimeHandlers: silent,
    volumesAttached: silent,
    volumesInUse: silent,
  },
  ({ addresses = [], conditions = [] }) => ({
    addresses: addresses.flatMap((each) => (each.type === "InternalIP" ? [each.address] : [])),
    // In files nobody writes conditions: a node without them is one that works.
    ready: conditions.every((each) => each.type !== "Ready" || each.status === "True"),
    networkUnavailable: conditions.some((each) => each.type === "NetworkUnavailable" && each.status === "True"),
  }),
);

const decodeNode = object(
  "kubernetes",
  { ...documentFields, spec: optional(spec), status: optional(status) },
  (document) => ({
    podCIDRs: document.spec ?? [],
    ...(document.status ?? { addresses: [], ready: true, networkUnavailable: false }),
  }),
);

export const node: Kind = {
  kind: "Node",
  group: "",
  versions: ["v1"],
  namespaced: false,
  dottedName: true,
  decode(document, header): Node | undefined {
    const fields = decodeNode(document);
    return fields === undefined ? undefined : { kind: "Node", ...header, ...fields };
  },
};
