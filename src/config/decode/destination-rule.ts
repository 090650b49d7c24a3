// SPDX-License-Identifier: Apache-2.0
// Istio DestinationRule (istio.io/latest/docs/reference/config/networking/destination-rule).

import type { DestinationRule, Subset } from "../../model/index.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { dnsLabel, exportTo, labels, meshHost } from "./names.ts";
import { object, optional, refused, required, type Decoder } from "./schema.ts";
import { trafficPolicy } from "./traffic-policy.ts";
import { distinct } from "./values.ts";

const subset: Decoder<Subset> = object(
  "istio",
  {
    name: required(dnsLabel, "name the subset, as routes refer to it"),
    labels: optional(labels),
    trafficPolicy: optional(trafficPolicy),
  },
  (fields, { place }) => ({
    position: place.position,
    name: fields.name,
    labels: fields.labels ?? {},
    trafficPolicy: fields.trafficPolicy ?? null,
  }),
);

const decodeSpec = istioDocument(
  object(
    "istio",
    {
      host: required(meshHost, "name the service that the rule is for"),
      trafficPolicy: optional(trafficPolicy),
      subsets: optional(distinct(subset, ({ name }) => [`the subset name ${name}`])),
      exportTo: optional(exportTo),
      workloadSelector: refused("the rule would act for every client, not for the selected ones; remove it"),
    },
    (fields) => ({
      host: fields.host,
      trafficPolicy: fields.trafficPolicy ?? null,
      subsets: fields.subsets ?? [],
      exportTo: fields.exportTo === undefined || fields.exportTo.length === 0 ? ["*"] : fields.exportTo,
    }),
  ),
);

export const destinationRule: Kind = {
  kind: "DestinationRule",
  group: istioGroup,
  versions: istioVersions,
  namespaced: true,
  dottedName: true,
  decode(document, header): DestinationRule | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "DestinationRule", ...header, ...fields };
  },
};
