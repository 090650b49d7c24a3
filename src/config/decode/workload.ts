// SPDX-License-Identifier: Apache-2.0
// Istio WorkloadEntry, which is also the inline endpoint of a ServiceEntry
// (istio.io/latest/docs/reference/config/networking/workload-entry).

import { Buffer } from "node:buffer";

import type { WorkloadEntry, WorkloadSpec } from "../../model/index.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { isUnixPath, labels, normalizeHost } from "./names.ts";
import { excerpt, type Place } from "./place.ts";
import { object, optional, required, unserved, type Decoder } from "./schema.ts";
import { int, maxUint32, port, record, text } from "./values.ts";

const unixScheme = "unix://";
/** sun_path of unix(7), without its zero; some systems have four less. */
const maxUnixPathBytes = 103;

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
  (fields, { place, at }): WorkloadSpec => {
    if (isUnixPath(fields.address) && Object.keys(fields.ports ?? {}).length > 0) {
      (at("ports") ?? place).error("CONFLICT", "a Unix socket has no ports; remove the field");
    }
    return {
      position: place.position,
      address: fields.address,
      ports: fields.ports ?? {},
      labels: fields.labels ?? {},
      locality: fields.locality ?? "",
      // protobuf cannot tell 0 from absent, and absent means an equal share.
      weight: fields.weight === undefined || fields.weight === 0 ? 1 : fields.weight,
      serviceAccount: fields.serviceAccount ?? "",
    };
  },
);

function isEmptyText({ value }: Place): boolean {
  return value.kind === "scalar" && value.value === "";
}

function address(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  if (value.startsWith("unix:")) return unixPath(value, place);
  return (
    normalizeHost(value, false) ??
    place.error("VALUE", `${excerpt(value)} is no address; write an IP address or a DNS name`)
  );
}

/** `unix:///absolute/path` → the path. */
function unixPath(value: string, place: Place): string | undefined {
  const path = value.slice(unixScheme.length);
  if (!value.startsWith(unixScheme) || !(isUnixPath(path) || path.startsWith("@"))) {
    return place.error("VALUE", `${excerpt(value)} is no Unix socket; write unix:// and an absolute path`);
  }
  if (path.startsWith("@")) {
    return place.error(
      "UNSERVED_FIELD",
      "abstract Unix sockets are not served yet: write unix:// and an absolute path",
    );
  }
  const length = Buffer.byteLength(path);
  return length <= maxUnixPathBytes
    ? path
    : place.error("VALUE", `the path has ${length} bytes, and systems allow ${maxUnixPathBytes}; use a shorter one`);
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
