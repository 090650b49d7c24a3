// SPDX-License-Identifier: Apache-2.0
// Istio ServiceEntry (istio.io/latest/docs/reference/config/networking/service-entry).

import { ipFamily } from "../../core/index.ts";
import type { ServiceEntry, ServiceEntryPort, WorkloadSpec } from "../../model/index.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { isUnixPath, dnsLabel, exportTo, labels, wildcardHost } from "./names.ts";
import { object, optional, required, silent, unserved, type Decoder, type Fields } from "./schema.ts";
import { distinct, list, oneOf, port, text } from "./values.ts";
import { workloadSpec } from "./workload.ts";

const servicePort: Decoder<ServiceEntryPort> = object(
  "istio",
  {
    number: required(port, "write the port number of the service"),
    name: required(dnsLabel, "give the port a name, for example http"),
    protocol: optional(text),
    targetPort: optional(port),
  },
  (fields) => ({
    number: fields.number,
    name: fields.name,
    protocol: (fields.protocol ?? "").toUpperCase(),
    targetPort: fields.targetPort ?? fields.number,
  }),
);

function portKeys({ name, number }: ServiceEntryPort): readonly string[] {
  return [`the port name ${name}`, `port ${number}`];
}

const workloadSelector = object(
  "istio",
  { labels: required(labels, "write the labels to select by") },
  (fields) => fields.labels,
);

/** The host of a ServiceEntry stands for itself: it is not expanded, and `*` would take all traffic. */
const entryHost: Decoder<string> = (place) => {
  const host = wildcardHost(place);
  return host === "*" ? place.error("VALUE", "`*` is no service; name the hosts") : host;
};

const spec = object(
  "istio",
  {
    hosts: required(list(entryHost), "name the hosts of the service"),
    addresses: unserved("requests are told apart by host name, not by address"),
    ports: required(distinct(servicePort, portKeys), "write at least one port"),
    location: optional(oneOf(["MESH_EXTERNAL", "MESH_INTERNAL"])),
    resolution: optional(oneOf(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"])),
    endpoints: optional(list(workloadSpec)),
    workloadSelector: optional(workloadSelector),
    exportTo: optional(exportTo),
    // Names to expect in the service's certificate, and certificates are not checked on plain text.
    subjectAltNames: silent,
  },
  (fields, map) => {
    const resolution = servedResolution(fields.resolution ?? "NONE", map);
    if (resolution !== null) checkEndpoints(resolution, fields.hosts, fields.endpoints ?? [], map);
    return {
      hosts: [...new Set(fields.hosts)],
      ports: fields.ports,
      location: fields.location ?? "MESH_EXTERNAL",
      resolution: resolution ?? "STATIC",
      endpoints: fields.endpoints ?? [],
      workloadSelector: fields.workloadSelector ?? null,
      exportTo: fields.exportTo === undefined || fields.exportTo.length === 0 ? ["*"] : fields.exportTo,
    };
  },
);

/** null after reporting. */
function servedResolution(resolution: string, { place, at }: Fields): ServiceEntry["resolution"] | null {
  const written = at("resolution");
  if (resolution === "STATIC" || resolution === "DNS") return resolution;
  if (resolution === "DNS_ROUND_ROBIN") {
    written?.warn(
      "UNSERVED_FIELD",
      "DNS_ROUND_ROBIN is not served yet: it is treated as DNS, so all addresses are used at a time",
    );
    return "DNS";
  }
  const what = written === undefined ? "without `resolution` it is NONE, which" : `resolution ${resolution}`;
  (written ?? place).error(
    "UNSERVED_FIELD",
    `${what} is not served yet: the addresses would be unknown; use STATIC with endpoints, or DNS`,
  );
  return null;
}

function checkEndpoints(
  resolution: ServiceEntry["resolution"],
  hosts: readonly string[],
  endpoints: readonly WorkloadSpec[],
  { place, at }: Fields,
): void {
  const written = at("endpoints");
  const selector = at("workloadSelector");
  const hasEndpoints = written?.value.kind === "list" && written.value.items.length > 0;
  if (hasEndpoints && selector !== undefined) {
    selector.error("CONFLICT", "`endpoints` and `workloadSelector` cannot both be set; keep one of them");
  }
  if (resolution === "DNS") {
    if (!hasEndpoints && selector === undefined && hosts.some((host) => host.startsWith("*"))) {
      (at("hosts") ?? place).error("VALUE", "a wildcard host cannot be resolved; write `endpoints`, or the full names");
    }
  } else if (!hasEndpoints && selector === undefined) {
    place.error("REQUIRED", "resolution STATIC needs `endpoints` or a `workloadSelector`; write one of them");
  }
  if (written?.value.kind !== "list" || endpoints.length !== written.value.items.length) return;
  for (const [index, endpoint] of endpoints.entries()) {
    const item = written.value.items[index];
    if (item === undefined || isServedBy(resolution, endpoint.address)) continue;
    const address = written.item(index, item).child("address") ?? written;
    const message =
      resolution === "DNS"
        ? "a Unix socket needs resolution STATIC"
        : "resolution STATIC needs IP addresses or Unix sockets; write one, or use resolution DNS";
    address.error("VALUE", message);
  }
}

function isServedBy(resolution: ServiceEntry["resolution"], address: string): boolean {
  return resolution === "DNS" ? !isUnixPath(address) : isUnixPath(address) || ipFamily(address) !== 0;
}

const decodeSpec = istioDocument(spec);

export const serviceEntry: Kind = {
  kind: "ServiceEntry",
  group: istioGroup,
  versions: istioVersions,
  namespaced: true,
  dottedName: true,
  decode(document, header): ServiceEntry | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "ServiceEntry", ...header, ...fields };
  },
};
