// SPDX-License-Identifier: Apache-2.0
// Istio WorkloadEntry, which is also the inline endpoint of a ServiceEntry
// (istio.io/latest/docs/reference/config/networking/workload-entry).

import type { WorkloadEntry, WorkloadSpec } from "../../model/index.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { labels, normalizeHost } from "./names.ts";
import { excerpt, type Place } from "./place.ts";
import { object, optional, required, unserved, type Decoder } from "./schema.ts";
import { int, maxUint32, port, record, text } from "./values.ts";

export const workloadSpec: Decoder<WorkloadSpec> = object(
  "istio",
  {
    address: required(address, "write the IP address or host name of the workload"),
    ports: optional(record(port, (name) => name)),
    labels: optional(labels),
    network: unserved("the address is used as it is, without a gateway between networks", (place) =>
      isEmptyText(place),
    ),
    locality: optional(text),
    weight: optional(int(0, maxUint32)),
    serviceAccount: optional(text),
  },
  (fields, { place }): WorkloadSpec => ({
    position: place.position,
    address: fields.address,
    ports: fields.ports ?? {},
    labels: fields.labels ?? {},
    locality: fields.locality ?? "",
    // protobuf cannot tell 0 from absent, and absent means an equal share.
    weight: fields.weight === undefined || fields.weight === 0 ? 1 : fields.weight,
    serviceAccount: fields.serviceAccount ?? "",
  }),
);

function isEmptyText({ value }: Place): boolean {
  return value.kind === "scalar" && value.value === "";
}

function address(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  if (value.startsWith("unix:")) {
    return place.error("UNSERVED_FIELD", "Unix sockets are not served yet: write an IP address or host name");
  }
  return (
    normalizeHost(value, false) ??
    place.error("VALUE", `${excerpt(value)} is no address; write an IP address or a DNS name`)
  );
}

const decodeSpec = istioDocument(workloadSpec);

export const workloadEntry: Kind = {
  kind: "WorkloadEntry",
  group: istioGroup,
  versions: istioVersions,
  namespaced: true,
  dottedName: true,
  decode(document, header): WorkloadEntry | undefined {
    const spec = decodeSpec(document);
    return spec === undefined ? undefined : { kind: "WorkloadEntry", ...header, spec };
  },
};
