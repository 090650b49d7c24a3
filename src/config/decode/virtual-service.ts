// SPDX-License-Identifier: Apache-2.0
// Istio VirtualService (istio.io/latest/docs/reference/config/networking/virtual-service).

import type { HttpRule, RouteDestination, VirtualService } from "../../model/index.ts";
import { durationMs } from "./duration.ts";
import { httpMatch } from "./http-match.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { destinationHost, dnsLabel, exportTo, gatewayName, meshHost } from "./names.ts";
import type { Place } from "./place.ts";
import { retries } from "./retries.ts";
import { object, optional, refused, required, silent, unserved, type Decoder, type Fields } from "./schema.ts";
import { int, list, maxInt32, maxUint32, port, text } from "./values.ts";

interface Destination {
  readonly host: string;
  readonly subset: string;
  readonly port: number | null;
}

const portSelector: Decoder<number> = object(
  "istio",
  { number: required(port, "write the port number") },
  (fields) => fields.number,
);

const destination: Decoder<Destination> = object(
  "istio",
  {
    host: required(destinationHost, "name the service that the traffic goes to"),
    subset: optional(dnsLabel),
    port: optional(portSelector),
  },
  (fields) => ({ host: fields.host, subset: fields.subset ?? "", port: fields.port ?? null }),
);

const routeDestination: Decoder<RouteDestination> = object(
  "istio",
  {
    destination: required(destination, "say which service the traffic goes to"),
    weight: optional(int(0, maxInt32)),
    headers: unserved("headers pass unchanged"),
  },
  (fields, { place }) => ({ position: place.position, ...fields.destination, weight: fields.weight ?? 0 }),
);

const httpRule: Decoder<HttpRule> = object(
  "istio",
  {
    name: optional(text),
    match: optional(list(httpMatch)),
    route: optional(list(routeDestination)),
    timeout: optional(durationMs("zero-allowed")),
    retries: optional(retries),
    redirect: refused("the rule has no other answer; remove the rule or route it"),
    directResponse: refused("the rule has no other answer; remove the rule or route it"),
    delegate: refused("the rules of the other VirtualService are not merged; write them here"),
    rewrite: refused("the service would see the path or host before rewriting; remove it"),
    fault: unserved("requests are neither delayed nor aborted"),
    mirror: unserved("requests are not mirrored"),
    mirrors: unserved("requests are not mirrored"),
    // Reported once, at `mirror`.
    mirrorPercentage: silent,
    mirrorPercent: silent,
    corsPolicy: unserved("CORS headers are left to the service, and preflights reach it"),
    headers: unserved("headers pass unchanged"),
  },
  (fields, map): HttpRule => {
    checkActions(map);
    return {
      position: map.place.position,
      name: fields.name ?? "",
      match: fields.match ?? [],
      route: weighted(fields.route ?? [], map.at("route")),
      timeoutMs: fields.timeout ?? 0,
      retries: fields.retries ?? null,
    };
  },
);

/** Pairs of which Istio allows only one (its validation of HTTPRoute). */
const exclusive: readonly (readonly [string, string])[] = [
  ["redirect", "route"],
  ["redirect", "fault"],
  ["redirect", "rewrite"],
  ["directResponse", "redirect"],
  ["directResponse", "route"],
  ["directResponse", "fault"],
  ["directResponse", "rewrite"],
  ["delegate", "route"],
  ["delegate", "redirect"],
  ["mirror", "mirrors"],
];

function checkActions({ place, at }: Fields): void {
  for (const [first, second] of exclusive) {
    if (isSet(at(first)) && isSet(at(second))) {
      at(first)?.error("CONFLICT", `\`${first}\` and \`${second}\` cannot be in one rule; keep one of them`);
    }
  }
  if (!["route", "redirect", "directResponse", "delegate"].some((name) => isSet(at(name)))) {
    place.error("REQUIRED", "the rule does nothing; write a `route` with a destination");
  }
}

function isSet(place: Place | undefined): boolean {
  return place !== undefined && (place.value.kind !== "list" || place.value.items.length > 0);
}

/** Istio: one destination gets everything whatever its weight; among several, those of weight 0 get nothing. */
function weighted(route: readonly RouteDestination[], place: Place | undefined): readonly RouteDestination[] {
  const written = place?.value.kind === "list" ? place.value.items.length : 0;
  const sum = route.reduce((total, { weight }) => total + weight, 0);
  if (written > 1 && route.length === written) {
    if (sum === 0) place?.error("VALUE", "all weights are 0 or missing; give each destination a weight");
    if (sum > maxUint32) place?.error("VALUE", `the weights add up to more than ${maxUint32}; make them smaller`);
  }
  const used = route.length > 1 ? route.filter(({ weight }) => weight > 0) : route;
  const [only] = used;
  return used.length === 1 && only !== undefined ? [{ ...only, weight: 1 }] : used;
}

const spec = object(
  "istio",
  {
    hosts: required(
      list(meshHost),
      "name the hosts whose requests these rules are for (delegates, which have none, are not served yet)",
    ),
    gateways: optional(list(gatewayName)),
    http: optional(list(httpRule)),
    tls: unserved("TLS connections are not routed by name"),
    tcp: unserved("TCP connections are not routed"),
    exportTo: optional(exportTo),
  },
  (fields, { place, at }) => {
    checkRules(place, at("http"), at("tls") ?? at("tcp"));
    return {
      hosts: [...new Set(fields.hosts)],
      gateways: fields.gateways === undefined || fields.gateways.length === 0 ? ["mesh"] : fields.gateways,
      http: fields.http ?? [],
      exportTo: fields.exportTo === undefined || fields.exportTo.length === 0 ? ["*"] : fields.exportTo,
    };
  },
);

function checkRules(place: Place, http: Place | undefined, other: Place | undefined): void {
  if (isSet(http)) return;
  if (isSet(other)) {
    other?.error("UNSERVED_FIELD", "only `http` rules are served yet: without one nothing of this resource is left");
  } else place.error("REQUIRED", "`http` is missing or empty; write at least one rule");
}

const decodeSpec = istioDocument(spec);

export const virtualService: Kind = {
  kind: "VirtualService",
  group: istioGroup,
  versions: istioVersions,
  namespaced: true,
  dottedName: true,
  decode(document, header): VirtualService | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "VirtualService", ...header, ...fields };
  },
};
