// SPDX-License-Identifier: Apache-2.0
// Rules of a VirtualService → routes, as one listener sees them. What can be decided now (port, gateway, client
// workload) is decided here; the rest is the router's.

import {
  type HttpMatch,
  type HttpRule,
  type NamedMatch,
  refOf,
  type ResourceRef,
  type RouteAction,
  type RouteMatch,
  type RouteSpec,
  type StringMatch,
  type VirtualService,
} from "../../model/index.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import { selects, type CompileOptions } from "../link/options.ts";
import { compileRetries } from "./retries.ts";
import type { Destinations } from "./destinations.ts";

/** Where routes are wanted: `gateway` is `mesh` or the `namespace/name` of a Gateway. */
export interface RouteContext {
  readonly gateway: string;
  readonly port: number;
}

/** Routes of one VirtualService in one context, in match order. */
export interface CompiledRules {
  readonly routes: readonly RouteSpec[];
  /** Routes that stand behind one that takes everything. */
  readonly unreachable: readonly UnreachableRoute[];
}

export interface UnreachableRoute {
  readonly route: RouteSpec;
  /** Path of the route that takes everything. */
  readonly behind: string;
}

export interface RouteCompiler {
  /** Equal match blocks give the same route object in every context of one port. */
  compile(virtualService: VirtualService, context: RouteContext): CompiledRules;
}

/** A match block (null = a rule without any) with the route it becomes. */
interface Block {
  readonly match: HttpMatch | null;
  readonly route: RouteSpec;
}

/** Remembers what it compiled, so that a VirtualService on many hosts and gateways is translated once per port. */
export function createRouteCompiler(destinations: Destinations, options: CompileOptions): RouteCompiler {
  const blocksByPort = new Map<VirtualService, Map<number, readonly Block[]>>();
  return {
    compile(virtualService, context) {
      const byPort = getOrCreate(blocksByPort, virtualService, () => new Map<number, readonly Block[]>());
      const blocks = getOrCreate(byPort, context.port, () => compileBlocks(virtualService, context.port, destinations));
      return selectBlocks(blocks, context, options);
    },
  };
}

/**
 * No condition is left that the router would have to look at (Istio's IsCatchAllRoute). A prefix `/` takes every path
 * there is.
 */
export function takesEverything({ match }: RouteSpec): boolean {
  return (
    takesEveryPath(match.uri) &&
    match.method === null &&
    match.scheme === null &&
    match.authority === null &&
    match.headers.length === 0 &&
    match.withoutHeaders.length === 0 &&
    match.queryParams.length === 0
  );
}

/** A route match without conditions. */
export const matchEverything: RouteMatch = {
  uri: null,
  ignoreUriCase: false,
  method: null,
  scheme: null,
  authority: null,
  headers: [],
  withoutHeaders: [],
  queryParams: [],
};

function compileBlocks(virtualService: VirtualService, port: number, destinations: Destinations): readonly Block[] {
  const resource = refOf(virtualService);
  const blocks: Block[] = [];
  for (const [index, rule] of virtualService.http.entries()) {
    const matches = rule.match.filter((match) => match.port === null || match.port === port);
    if (rule.match.length > 0 && matches.length === 0) continue;
    const path = `spec.http[${index}]`;
    const action = compileAction(virtualService, rule, path, port, destinations);
    if (rule.match.length === 0) {
      blocks.push({ match: null, route: ruleRoute(rule, path, resource, action) });
      continue;
    }
    for (const [matchIndex, match] of rule.match.entries()) {
      if (match.port !== null && match.port !== port) continue;
      blocks.push({ match, route: matchRoute(rule, match, `${path}.match[${matchIndex}]`, resource, action) });
    }
  }
  return blocks;
}

function compileAction(
  virtualService: VirtualService,
  rule: HttpRule,
  path: string,
  port: number,
  destinations: Destinations,
): RouteAction {
  // A weight only means something beside others (Istio drops zero weights only then).
  const weighted = rule.route.length > 1 ? rule.route.filter((each) => each.weight > 0) : rule.route;
  const clusters = weighted.map((destination) => ({
    cluster: destinations.resolve(
      virtualService,
      destination,
      `${path}.route[${rule.route.indexOf(destination)}]`,
      port,
    ),
    weight: weighted.length === 1 ? 1 : destination.weight,
  }));
  // The decoder has reported a rule that leads nowhere. It still takes its requests: passing them on to the rules
  // behind it would send them to a workload they were never meant for.
  if (clusters.length === 0) return { kind: "reply", status: 503, body: "" };
  return {
    kind: "forward",
    destinations: clusters,
    timeoutMs: rule.timeoutMs,
    retries: compileRetries(rule.retries, rule.timeoutMs),
  };
}

function ruleRoute(rule: HttpRule, path: string, resource: ResourceRef, action: RouteAction): RouteSpec {
  return { name: rule.name, match: matchEverything, action, origin: { resource, position: rule.position, path } };
}

function matchRoute(
  rule: HttpRule,
  match: HttpMatch,
  path: string,
  resource: ResourceRef,
  action: RouteAction,
): RouteSpec {
  return {
    name: match.name === "" ? rule.name : `${rule.name}.${match.name}`,
    match: {
      uri: match.uri?.kind === "presence" ? null : match.uri,
      ignoreUriCase: match.ignoreUriCase,
      method: match.method,
      scheme: match.scheme,
      authority: match.authority,
      headers: namedMatches(match.headers),
      withoutHeaders: namedMatches(match.withoutHeaders),
      queryParams: namedMatches(match.queryParams),
    },
    action,
    origin: { resource, position: match.position, path },
  };
}

function selectBlocks(blocks: readonly Block[], context: RouteContext, options: CompileOptions): CompiledRules {
  const routes: RouteSpec[] = [];
  const unreachable: UnreachableRoute[] = [];
  let behind: string | null = null;
  for (const { match, route } of blocks) {
    if (match !== null && !appliesTo(match, context, options)) continue;
    if (behind !== null) {
      unreachable.push({ route, behind });
      continue;
    }
    routes.push(route);
    if (takesEverything(route)) behind = route.origin.path;
  }
  return { routes, unreachable };
}

function appliesTo(match: HttpMatch, context: RouteContext, options: CompileOptions): boolean {
  if (match.gateways !== null && !match.gateways.includes(context.gateway)) return false;
  return concernsClient(match, options);
}

/** Conditions on the client workload, which is this very process. */
export function concernsClient(match: HttpMatch, options: CompileOptions): boolean {
  if (match.sourceNamespace !== "" && match.sourceNamespace !== options.identity.namespace) return false;
  return selects(match.sourceLabels, options.identity.labels);
}

function takesEveryPath(uri: StringMatch | null): boolean {
  if (uri === null) return true;
  if (uri.kind === "prefix") return uri.value === "/" || uri.value === "";
  return uri.kind === "regex" && uri.value === ".*";
}

function namedMatches(matches: Readonly<Record<string, StringMatch>>): readonly NamedMatch[] {
  const named = Object.entries(matches).map(([name, match]) => ({ name, match }));
  // Most have none, and routes are kept: one empty list does for all.
  return named.length === 0 ? matchEverything.headers : named;
}
