// SPDX-License-Identifier: Apache-2.0
// Routes in words: what one matches, where it goes, where it was written. Pure.

import {
  formatRef,
  type NamedMatch,
  type RouteAction,
  type RouteMatch,
  type RouteOrigin,
  type StringMatch,
} from "../model/index.ts";

/** `exact /login, method GET, header end-user = jason`; `any` when every request matches. */
export function describeMatch(match: RouteMatch): string {
  const parts: string[] = [];
  if (match.uri !== null) parts.push(`${describeUri(match.uri)}${match.ignoreUriCase ? " (any case)" : ""}`);
  if (match.method !== null) parts.push(describeCondition("method", match.method));
  if (match.scheme !== null) parts.push(describeCondition("scheme", match.scheme));
  if (match.authority !== null) parts.push(describeCondition("authority", match.authority));
  for (const header of match.headers) parts.push(describeNamed("header", header));
  for (const header of match.withoutHeaders) parts.push(`not ${describeNamed("header", header)}`);
  for (const parameter of match.queryParams) parts.push(describeNamed("query", parameter));
  return parts.length === 0 ? "any" : parts.join(", ");
}

/** `reviews.shop.svc.cluster.local:9080 v1 90%, ...`; `reply 502` for answers without an upstream. */
export function describeAction(action: RouteAction): string {
  if (action.kind === "reply") return `reply ${action.status}`;
  const total = action.destinations.reduce((sum, destination) => sum + destination.weight, 0);
  const alone = action.destinations.length === 1;
  return action.destinations
    .map(({ cluster, weight }) => `${describeCluster(cluster)}${alone ? "" : ` ${percent(weight, total)}`}`)
    .join(", ");
}

/** Istio's `outbound|9080|v1|reviews.shop.svc.cluster.local` as `reviews.shop.svc.cluster.local:9080 v1`. */
export function describeCluster(name: string): string {
  const [direction, port, subset, host] = name.split("|");
  if (direction !== "outbound" || host === undefined) return name;
  return `${host}:${port}${subset === "" ? "" : ` ${subset}`}`;
}

/** `file:line:column`; routes that nobody wrote come from `(built in)`. */
export function describePosition(origin: RouteOrigin): string {
  const { file, line, column } = origin.position;
  return file.startsWith("(") ? file : `${file}:${line}:${column}`;
}

/** `VirtualService/default/bookinfo spec.http[0].match[1]`. */
export function describeOrigin(origin: RouteOrigin): string {
  return `${formatRef(origin.resource)} ${origin.path}`.trimEnd();
}

function describeUri(match: StringMatch): string {
  return match.kind === "presence" ? "any path" : `${match.kind} ${match.value}`;
}

function describeCondition(what: string, match: StringMatch): string {
  switch (match.kind) {
    case "exact":
      return `${what} = ${match.value}`;
    case "prefix":
      return `${what} starts with ${match.value}`;
    case "regex":
      return `${what} matches ${match.value}`;
    case "presence":
      return `${what} is present`;
  }
}

function describeNamed(what: string, { name, match }: NamedMatch): string {
  return describeCondition(`${what} ${name}`, match);
}

function percent(weight: number, total: number): string {
  return `${Math.round((weight * 1000) / total) / 10}%`;
}
