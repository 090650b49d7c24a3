// SPDX-License-Identifier: Apache-2.0
// What the announcer reads of a Service of type LoadBalancer: fields, MetalLB's annotations, and the addresses it has had.

import { ipFamily } from "../../core/index.ts";
import type { LoadBalancerService } from "../../model/index.ts";
import { excerpt, type Place } from "./place.ts";
import { object, optional, silent, type Decoded, type Decoder } from "./schema.ts";
import { distinct, list, oneOf, text } from "./values.ts";

const ipFamilies: Decoder<readonly ("IPv4" | "IPv6")[]> = distinct(oneOf(["IPv4", "IPv6"]), (family) => [family]);

/** Fields of a Service's spec. */
export const loadBalancerFields = {
  externalTrafficPolicy: optional(oneOf(["Cluster", "Local"])),
  ipFamilies: optional(ipFamilies),
  ipFamilyPolicy: optional(oneOf(["SingleStack", "PreferDualStack", "RequireDualStack"])),
  loadBalancerClass: optional(text),
  loadBalancerIP: optional(text),
} as const;

const ingress: Decoder<string> = object(
  "kubernetes",
  { ip: optional(text), hostname: silent, ipMode: silent, ports: silent },
  (fields) => fields.ip ?? "",
);

const loadBalancerStatus = object("kubernetes", { ingress: optional(list(ingress)) }, (fields) =>
  (fields.ingress ?? []).filter((address) => address !== ""),
);

/** A Service's status: the addresses it has had. */
export const serviceStatus: Decoder<readonly string[]> = object(
  "kubernetes",
  { loadBalancer: optional(loadBalancerStatus), conditions: silent },
  (fields) => fields.loadBalancer ?? [],
);

/**
 * Puts together what stands in several places of a Service. What is wrong with an address costs the Service its
 * address, not its routes, so it is a warning: whoever allocates says the rest.
 */
export function loadBalancerOf(
  document: Place,
  fields: Decoded<typeof loadBalancerFields>,
  ingressIPs: readonly string[],
): LoadBalancerService {
  const annotated = annotation(document, "loadBalancerIPs");
  const field = document.child("spec")?.child("loadBalancerIP") ?? null;
  const addresses = annotated.value.split(",").map((address) => address.trim());
  const requestedIPs = addresses.filter((address) => address !== "");
  if (annotated.place !== null) checkAddresses(requestedIPs, annotated.place);
  if (field !== null && fields.loadBalancerIP !== undefined && fields.loadBalancerIP !== "") {
    if (requestedIPs.length === 0) {
      requestedIPs.push(fields.loadBalancerIP);
      checkAddresses(requestedIPs, field);
    } else if (requestedIPs.join() !== fields.loadBalancerIP) {
      field.reportKey(
        "CONFLICT",
        "warning",
        "the annotation metallb.io/loadBalancerIPs asks for other addresses and wins",
      );
    }
  }
  return {
    loadBalancerClass: fields.loadBalancerClass ?? "",
    requestedIPs,
    requestedPool: annotation(document, "address-pool").value,
    sharingKey: annotation(document, "allow-shared-ip").value,
    externalTrafficPolicy: fields.externalTrafficPolicy ?? "Cluster",
    ipFamilies: (fields.ipFamilies ?? []).map((family) => (family === "IPv4" ? 4 : 6)),
    ipFamilyPolicy: fields.ipFamilyPolicy ?? null,
    ingressIPs,
  };
}

function checkAddresses(addresses: readonly string[], place: Place): void {
  for (const address of addresses) {
    if (ipFamily(address) !== 0) continue;
    place.warn(
      "VALUE",
      `${excerpt(address)} is no IP address, so the service gets none; write one, or two with a comma`,
    );
  }
}

/** An annotation of MetalLB's, also by the prefix it had until 0.13; "" when there is none. */
function annotation(document: Place, name: string): { readonly place: Place | null; readonly value: string } {
  const annotations = document.child("metadata")?.child("annotations");
  const current = annotations?.child(`metallb.io/${name}`) ?? null;
  const old = annotations?.child(`metallb.universe.tf/${name}`) ?? null;
  const advice = current === null ? `write metallb.io/${name}` : `metallb.io/${name} is used; remove this one`;
  old?.reportKey("DEPRECATED", "warning", `this is the old name of the annotation; ${advice}`);
  const place = current ?? old;
  return { place, value: place === null ? "" : (text(place) ?? "") };
}
