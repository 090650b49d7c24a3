// SPDX-License-Identifier: Apache-2.0
// Says why a request goes where it goes: a plain linear reading of the route table, for `naru routes`. It shares no
// index and no compiled condition with the matcher, so that each is a check on the other.

import type {
  NamedMatch,
  RouteMatch,
  RouteSpec,
  RouteTableSpec,
  StringMatch,
  VirtualHostSpec,
} from "../model/index.ts";
import { hostWithoutPort, lowerAscii, normalDomain } from "./authority.ts";
import { PatternPool } from "./conditions.ts";
import type { RequestView } from "./request-view.ts";

export interface RouteExplanation {
  /** The authority without port, in the form that was compared with domains. */
  readonly host: string;
  /** null when no domain covers the host. */
  readonly virtualHost: VirtualHostSpec | null;
  /** The domain that won, as written, and what kind of match it was; null together with `virtualHost`. */
  readonly domain: string | null;
  readonly domainMatch: "exact" | "suffix" | "any" | null;
  /** Every route of the virtual host in order. */
  readonly routes: readonly RouteVerdict[];
  readonly matched: RouteSpec | null;
}

export type RouteVerdict =
  | { readonly route: RouteSpec; readonly outcome: "matched" }
  | { readonly route: RouteSpec; readonly outcome: "failed"; readonly failure: ConditionFailure }
  | { readonly route: RouteSpec; readonly outcome: "not reached" };

/** The first condition of a route that did not hold. */
export interface ConditionFailure {
  /** `uri`, `method`, `scheme`, `authority`, `headers.NAME`, `withoutHeaders.NAME`, `queryParams.NAME`. */
  readonly condition: string;
  /** `exact "/a"`, `prefix "/a"`, `regex "a+"`, `present`; with `not ` before it, and ` (any case)` behind. */
  readonly wanted: string;
  /** null when the request has no such header or parameter. */
  readonly actual: string | null;
}

/** Regular expressions must have passed `compilePattern`: an invalid one throws BUG. */
export function explainRoutes(
  table: RouteTableSpec,
  authority: string,
  path: string,
  request: RequestView,
): RouteExplanation {
  const host = hostWithoutPort(authority);
  const choice = chooseHost(table, host);
  const patterns = new PatternPool();
  const routes: RouteVerdict[] = [];
  let matched: RouteSpec | null = null;
  for (const route of choice?.virtualHost.routes ?? []) {
    if (matched !== null) {
      routes.push({ route, outcome: "not reached" });
      continue;
    }
    const failure = firstFailure(route.match, path, request, patterns);
    if (failure === null) matched = route;
    routes.push(failure === null ? { route, outcome: "matched" } : { route, outcome: "failed", failure });
  }
  return {
    host,
    virtualHost: choice?.virtualHost ?? null,
    domain: choice?.domain ?? null,
    domainMatch: choice?.domainMatch ?? null,
    routes,
    matched,
  };
}

interface HostChoice {
  readonly virtualHost: VirtualHostSpec;
  readonly domain: string;
  readonly domainMatch: "exact" | "suffix" | "any";
}

function chooseHost(table: RouteTableSpec, host: string): HostChoice | null {
  let best: HostChoice | null = null;
  let bestRank = 0;
  for (const virtualHost of table.hosts) {
    for (const domain of virtualHost.domains) {
      const normal = normalDomain(domain);
      const domainMatch = matchDomain(normal, host);
      if (domainMatch === null) continue;
      // `*` ranks lowest, suffixes by length, an exact name above all.
      const rank = domainMatch === "exact" ? Infinity : normal.length;
      if (rank <= bestRank) continue;
      best = { virtualHost, domain, domainMatch };
      bestRank = rank;
    }
  }
  return best;
}

function matchDomain(domain: string, host: string): HostChoice["domainMatch"] | null {
  if (domain === "*") return "any";
  if (!domain.startsWith("*.")) return domain === host ? "exact" : null;
  return host.length > domain.length - 1 && host.endsWith(domain.slice(1)) ? "suffix" : null;
}

interface Check {
  readonly condition: string;
  readonly match: StringMatch;
  readonly actual: string | null;
  readonly inverted?: boolean;
  readonly anyCase?: boolean;
}

function firstFailure(
  match: RouteMatch,
  path: string,
  request: RequestView,
  patterns: PatternPool,
): ConditionFailure | null {
  for (const check of checksOf(match, path, request)) {
    if (passes(check, patterns)) continue;
    const wanted = `${check.inverted === true ? "not " : ""}${describe(check.match)}`;
    return {
      condition: check.condition,
      wanted: check.anyCase === true ? `${wanted} (any case)` : wanted,
      actual: check.actual,
    };
  }
  return null;
}

/** All conditions of a route in the order in which people write them. */
function* checksOf(match: RouteMatch, path: string, request: RequestView): Generator<Check> {
  const { uri, method, scheme, authority } = match;
  if (uri !== null) {
    yield { condition: "uri", match: uri, actual: path, anyCase: match.ignoreUriCase && uri.kind !== "regex" };
  }
  if (method !== null) yield { condition: "method", match: method, actual: request.method };
  if (scheme !== null) yield { condition: "scheme", match: scheme, actual: request.scheme };
  if (authority !== null) yield { condition: "authority", match: authority, actual: request.authority() };
  for (const { name, match: wanted } of match.headers) {
    yield { condition: `headers.${name}`, match: wanted, actual: request.header(name) };
  }
  for (const { name, match: wanted } of match.withoutHeaders) {
    yield { condition: `withoutHeaders.${name}`, match: wanted, actual: request.header(name), inverted: true };
  }
  for (const parameter of match.queryParams) yield queryCheck(parameter, request.query());
}

function queryCheck({ name, match }: NamedMatch, query: string): Check {
  const pairs = query.split("&").map((part) => /^([^=]+)(?:=([^]*))?$/.exec(part));
  const pair = pairs.find((parts) => parts?.[1] === name);
  return { condition: `queryParams.${name}`, match, actual: pair ? (pair[2] ?? "") : null };
}

function passes({ match, actual, inverted, anyCase }: Check, patterns: PatternPool): boolean {
  if (match.kind === "presence") return (actual !== null) !== (inverted === true);
  // An absent header is an empty one under withoutHeaders, and a failure elsewhere.
  if (actual === null && inverted !== true) return false;
  const fold = anyCase === true ? lowerAscii : (text: string) => text;
  const text = fold(actual ?? "");
  let holds: boolean;
  if (match.kind === "exact") holds = text === fold(match.value);
  else if (match.kind === "prefix") holds = text.startsWith(fold(match.value));
  else holds = patterns.get(match.value).matches(text);
  return holds !== (inverted === true);
}

function describe(match: StringMatch): string {
  return match.kind === "presence" ? "present" : `${match.kind} ${JSON.stringify(match.value)}`;
}
