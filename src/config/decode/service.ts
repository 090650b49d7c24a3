// SPDX-License-Identifier: Apache-2.0
// Kubernetes Service and Namespace (core/v1).

import { ipFamily } from "../../core/index.ts";
import type { Namespace, Service, ServicePort } from "../../model/index.ts";
import { documentFields, type Kind } from "./kind.ts";
import { loadBalancerFields, loadBalancerOf, serviceStatus } from "./load-balancer.ts";
import { dnsLabel, isDnsLabel, labels, normalizeHost } from "./names.ts";
import { excerpt, type Place } from "./place.ts";
import { isOneOf, object, optional, required, silent, unserved, type Decoder } from "./schema.ts";
import { distinct, list, oneOf, port, text } from "./values.ts";

const servicePort: Decoder<ServicePort> = object(
  "kubernetes",
  {
    name: optional(dnsLabel),
    port: required(port, "write the port number of the service"),
    targetPort: optional(targetPort),
    protocol: optional(oneOf(["TCP", "UDP", "SCTP"])),
    appProtocol: optional(text),
    nodePort: silent,
  },
  (fields) => ({
    name: fields.name ?? "",
    port: fields.port,
    targetPort: fields.targetPort ?? fields.port,
    protocol: fields.protocol ?? "TCP",
    appProtocol: fields.appProtocol ?? "",
  }),
);

const spec = object(
  "kubernetes",
  {
    type: optional(oneOf(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
    selector: optional(labels),
    ports: optional(distinct(servicePort, portKeys)),
    clusterIP: optional(clusterIP),
    clusterIPs: optional(list(clusterIP)),
    externalName: optional(externalName),
    publishNotReadyAddresses: unserved("endpoints that are not ready get no requests", isOneOf(false)),
    sessionAffinity: unserved("requests of one client go to all endpoints", isOneOf("None", "")),
    trafficDistribution: unserved("requests go to endpoints in all zones"),
    ...loadBalancerFields,
    allocateLoadBalancerNodePorts: silent,
    externalIPs: silent,
    healthCheckNodePort: silent,
    internalTrafficPolicy: silent,
    ipFamily: silent,
    loadBalancerSourceRanges: silent,
    sessionAffinityConfig: silent,
    topologyKeys: silent,
  },
  (fields, { place, at }) => {
    const type = fields.type ?? "ClusterIP";
    const ports = fields.ports ?? [];
    const isHeadless = fields.clusterIP === "None" || (fields.clusterIPs ?? []).includes("None");
    if (type === "ExternalName" && at("externalName") === undefined) {
      place.error("REQUIRED", "`externalName` is missing; name the host, or choose another type");
    }
    if (type !== "ExternalName" && !isHeadless && ports.length === 0 && at("ports") === undefined) {
      place.error("REQUIRED", "`ports` is missing or empty; write at least one port");
    }
    if (ports.length > 1 && ports.some(({ name }) => name === "")) {
      at("ports")?.error("REQUIRED", "`name` is missing at a port; each of several ports needs one");
    }
    const addresses = fields.clusterIPs ?? (fields.clusterIP === undefined ? [] : [fields.clusterIP]);
    return {
      type,
      selector: fields.selector === undefined || Object.keys(fields.selector).length === 0 ? null : fields.selector,
      ports,
      clusterIPs: addresses.filter((address) => address !== ""),
      externalName: type === "ExternalName" ? (fields.externalName ?? "") : "",
      fields,
    };
  },
);

/** Two ports may share a number when they speak different protocols (DNS). */
function portKeys({ name, port: number, protocol }: ServicePort): readonly string[] {
  const byNumber = `port ${number}/${protocol}`;
  return name === "" ? [byNumber] : [byNumber, `the port name ${name}`];
}

function targetPort(place: Place): number | string | undefined {
  if (place.value.kind !== "scalar" || typeof place.value.value !== "string") return port(place);
  const name = place.value.value;
  if (name.length <= 15 && isDnsLabel(name)) return name;
  return place.error(
    "VALUE",
    `${excerpt(name)} is not a valid port name; write a number or the name of a container port`,
  );
}

function clusterIP(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "" || value === "None" || ipFamily(value) !== 0) return value;
  return place.error("VALUE", `${excerpt(value)} is no IP address; write one, None, or remove the field`);
}

function externalName(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  return normalizeHost(value, false) ?? place.error("VALUE", `${excerpt(value)} is not a valid host; write a DNS name`);
}

const decodeService = object(
  "kubernetes",
  { ...documentFields, spec: required(spec, "write selector and ports under it"), status: optional(serviceStatus) },
  ({ spec: { fields, ...decoded }, status = [] }, { place }) => ({
    ...decoded,
    loadBalancer: decoded.type === "LoadBalancer" ? loadBalancerOf(place, fields, status) : null,
  }),
);

export const service: Kind = {
  kind: "Service",
  group: "",
  versions: ["v1"],
  namespaced: true,
  dottedName: false,
  decode(document, header): Service | undefined {
    const fields = decodeService(document);
    return fields === undefined ? undefined : { kind: "Service", ...header, ...fields };
  },
};

const decodeNamespace = object("kubernetes", { ...documentFields, spec: silent }, () => ({}));

export const namespace: Kind = {
  kind: "Namespace",
  group: "",
  versions: ["v1"],
  namespaced: false,
  dottedName: false,
  decode(document, header): Namespace | undefined {
    return decodeNamespace(document) === undefined ? undefined : { kind: "Namespace", ...header };
  },
};
