// SPDX-License-Identifier: Apache-2.0
// Names as Kubernetes and Istio write them: resource names, labels, hosts, gateways, namespaces to export to.

import { ipFamily, isHostName } from "../../core/index.ts";
import type { Labels } from "../../model/index.ts";
import { excerpt, type Place } from "./place.ts";
import type { Decoder } from "./schema.ts";
import { list, record, text, textThat } from "./values.ts";

/** RFC 1123 label, as Kubernetes wants it: lower case. */
export function isDnsLabel(value: string): boolean {
  return value.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(value);
}

/** RFC 1123 subdomain: labels with dots between them. */
export function isDnsSubdomain(value: string): boolean {
  return value.length <= 253 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(value);
}

/** A DNS label. "" passes where it is not required: protobuf cannot tell it from absent. */
export const dnsLabel: Decoder<string> = textThat((value) =>
  value === "" || isDnsLabel(value)
    ? null
    : `${excerpt(value)} is not a valid name; use up to 63 lower-case letters, digits and dashes`,
);

/** Kubernetes labels, both sides checked. */
export const labels: Decoder<Labels> = record(textThat(labelValueProblem), (key, place) => {
  const [name = "", prefix, ...rest] = key.split("/").toReversed();
  const valid = rest.length === 0 && isLabelPart(name) && (prefix === undefined || isDnsSubdomain(prefix));
  if (valid) return key;
  place.reportKey(
    "VALUE",
    "error",
    `${excerpt(key)} is not a valid label name; use letters, digits, '-', '_' and '.', at most 63`,
  );
  return null;
});

function labelValueProblem(value: string): string | null {
  if (value === "" || isLabelPart(value)) return null;
  return `${excerpt(value)} is not a valid label value; use up to 63 letters, digits, '-', '_' and '.'`;
}

function isLabelPart(value: string): boolean {
  return value.length <= 63 && /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(value);
}

/** Lower case, no trailing dot; null when it is neither an address, a DNS name nor (if allowed) `*` or `*.suffix`. */
export function normalizeHost(value: string, wildcard: boolean): string | null {
  const host = (value.endsWith(".") ? value.slice(0, -1) : value).toLowerCase();
  if (wildcard && (host === "*" || (host.startsWith("*.") && isHostName(host.slice(2))))) return host;
  return isHostName(host) || ipFamily(host) !== 0 ? host : null;
}

/** An address that is no host but the absolute path of a Unix socket. */
export function isUnixPath(address: string): boolean {
  return address.startsWith("/");
}

/** `reviews` → `reviews.<namespace>.svc.<clusterDomain>`; anything with a dot, an address or `*` stays as it is. */
export function expandHost(host: string, place: Place): string {
  const { namespace, clusterDomain } = place.scope;
  const isShort = !host.includes(".") && !host.includes("*") && ipFamily(host) === 0;
  return isShort ? `${host}.${namespace}.svc.${clusterDomain}` : host;
}

/** A DNS name, an address, `*` or `*.suffix`; lower case, not expanded. */
export const wildcardHost: Decoder<string> = (place) => {
  const value = text(place);
  if (value === undefined) return undefined;
  const host = normalizeHost(value, true);
  const advice = value.includes("*")
    ? "a wildcard stands alone or as the first label, as in *.example.com"
    : "write a DNS name or an IP address";
  return host ?? place.error("VALUE", `${excerpt(value)} is not a valid host; ${advice}`);
};

/** As `wildcardHost`, short names expanded with the resource's own namespace. */
export const meshHost: Decoder<string> = (place) => {
  const host = wildcardHost(place);
  return host === undefined ? undefined : expandHost(host, place);
};

/** The host of a service that traffic is sent to: as `meshHost`, but not `*`. */
export const destinationHost: Decoder<string> = (place) => {
  const host = meshHost(place);
  return host === "*" ? place.error("VALUE", "`*` names no service; write the host of one") : host;
};

/** `mesh`, or any of Istio's ways to name a Gateway, as `namespace/name`. */
export const gatewayName: Decoder<string> = (place) => {
  const value = text(place);
  if (value === undefined) return undefined;
  if (value === "mesh") return value;
  const [namespace, name] = splitGatewayName(value, place.scope.namespace);
  if (isDnsLabel(namespace) && isDnsSubdomain(name)) return `${namespace}/${name}`;
  return place.error("VALUE", `${excerpt(value)} names no Gateway; write name, namespace/name or mesh`);
};

function splitGatewayName(value: string, ownNamespace: string): readonly [namespace: string, name: string] {
  const slash = value.indexOf("/");
  if (slash >= 0) {
    const namespace = value.slice(0, slash);
    return [namespace === "." ? ownNamespace : namespace, value.slice(slash + 1)];
  }
  // Istio's old way: the name looked like a service, `name.namespace.svc.cluster.local`.
  const [name = "", namespace] = value.split(".");
  return namespace === undefined ? [ownNamespace, value] : [namespace, name];
}

/** `exportTo`, with `.` resolved. */
export const exportTo: Decoder<readonly string[]> = list((place) => {
  const value = text(place);
  if (value === undefined || value === "*" || value === "~") return value;
  if (value === ".") return place.scope.namespace;
  return isDnsLabel(value)
    ? value
    : place.error("VALUE", `${excerpt(value)} is no namespace; write a namespace, ".", "*" or "~"`);
});
