// SPDX-License-Identifier: Apache-2.0
// Kubernetes EndpointSlice (discovery.k8s.io/v1) and the older Endpoints (core/v1).

import { ipFamily } from "../../core/index.ts";
import type { Endpoints, EndpointSlice, SliceEndpoint } from "../../model/index.ts";
import { documentFields, type Kind } from "./kind.ts";
import { normalizeHost } from "./names.ts";
import { excerpt, type Place } from "./place.ts";
import { object, optional, required, silent, type Decoder } from "./schema.ts";
import { bool, list, oneOf, port, text } from "./values.ts";

interface EndpointPort {
  readonly name: string;
  readonly port: number;
}

/** null for ports that carry no HTTP: no number ("all ports"), or not TCP. */
const endpointPort: Decoder<EndpointPort | null> = object(
  "kubernetes",
  {
    name: optional(text),
    port: optional(port),
    protocol: optional(oneOf(["TCP", "UDP", "SCTP"])),
    appProtocol: silent,
  },
  (fields) =>
    fields.port === undefined || (fields.protocol ?? "TCP") !== "TCP"
      ? null
      : { name: fields.name ?? "", port: fields.port },
);

/** Name of the pod, "" for any other target. */
const targetRef: Decoder<string> = object(
  "kubernetes",
  {
    kind: optional(text),
    name: optional(text),
    namespace: silent,
    uid: silent,
    apiVersion: silent,
    resourceVersion: silent,
    fieldPath: silent,
  },
  (fields) => (fields.kind === "Pod" ? (fields.name ?? "") : ""),
);

const conditions = object(
  "kubernetes",
  { ready: optional(bool), serving: optional(bool), terminating: optional(bool) },
  (fields) => fields,
);

const sliceEndpoint: Decoder<SliceEndpoint> = object(
  "kubernetes",
  {
    addresses: required(list(address), "write at least one address"),
    conditions: optional(conditions),
    zone: optional(text),
    targetRef: optional(targetRef),
    deprecatedTopology: silent,
    hints: silent,
    hostname: silent,
    nodeName: optional(text),
  },
  (fields) => {
    const ready = fields.conditions?.ready ?? true;
    return {
      addresses: fields.addresses,
      ready,
      // Kubernetes API: consumers that find no `serving` go by `ready`.
      serving: fields.conditions?.serving ?? ready,
      terminating: fields.conditions?.terminating ?? false,
      zone: fields.zone ?? "",
      pod: fields.targetRef ?? "",
      node: fields.nodeName ?? "",
    };
  },
);

const decodeSlice = object(
  "kubernetes",
  {
    ...documentFields,
    addressType: required(oneOf(["IPv4", "IPv6", "FQDN"]), "write IPv4, IPv6 or FQDN"),
    endpoints: optional(list(sliceEndpoint)),
    ports: optional(list(endpointPort)),
  },
  (fields) => ({
    addressType: fields.addressType,
    endpoints: fields.endpoints ?? [],
    ports: (fields.ports ?? []).filter((item) => item !== null),
  }),
);

const subsetAddress = object(
  "kubernetes",
  {
    ip: required(address, "write the IP address"),
    targetRef: optional(targetRef),
    hostname: silent,
    nodeName: optional(text),
  },
  (fields) => ({ ip: fields.ip, pod: fields.targetRef ?? "", node: fields.nodeName ?? "" }),
);

const subset = object(
  "kubernetes",
  {
    addresses: optional(list(subsetAddress)),
    notReadyAddresses: optional(list(subsetAddress)),
    ports: optional(list(endpointPort)),
  },
  (fields) => ({
    addresses: fields.addresses ?? [],
    notReadyAddresses: fields.notReadyAddresses ?? [],
    ports: (fields.ports ?? []).filter((item) => item !== null),
  }),
);

const decodeEndpoints = object("kubernetes", { ...documentFields, subsets: optional(list(subset)) }, (fields) => ({
  subsets: fields.subsets ?? [],
}));

function address(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || ipFamily(value) !== 0) return value;
  return normalizeHost(value, false) ?? place.error("VALUE", `${excerpt(value)} is no address; write an IP address`);
}

export const endpointSlice: Kind = {
  kind: "EndpointSlice",
  group: "discovery.k8s.io",
  versions: ["v1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): EndpointSlice | undefined {
    const fields = decodeSlice(document);
    const service = header.labels["kubernetes.io/service-name"] ?? "";
    return fields === undefined ? undefined : { kind: "EndpointSlice", ...header, service, ...fields };
  },
};

export const endpoints: Kind = {
  kind: "Endpoints",
  group: "",
  versions: ["v1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): Endpoints | undefined {
    const fields = decodeEndpoints(document);
    return fields === undefined ? undefined : { kind: "Endpoints", ...header, ...fields };
  },
};
