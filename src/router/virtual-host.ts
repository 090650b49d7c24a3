// SPDX-License-Identifier: Apache-2.0
// The routes of one virtual host, compiled so that a match costs the same among ten routes and among ten thousand.
// The path leads to chains of candidates; they are tried in listed order, so the answer is Envoy's linear scan's.

import type { RouteMatch, RouteSpec, VirtualHostSpec } from "../model/index.ts";
import { lowerAscii } from "./authority.ts";
import { compileConditions, type Condition, type PatternPool } from "./conditions.ts";
import { IndexHeap } from "./index-heap.ts";
import { never, PathIndex, type RuleLinks } from "./path-index.ts";
import type { RequestView } from "./request-view.ts";

/** A route with what the caller bound to it. One object per route: its identity may serve as a key. */
export interface CompiledRoute<T> {
  readonly spec: RouteSpec;
  readonly action: T;
}

export interface VirtualHost<T> {
  readonly spec: VirtualHostSpec;
  /**
   * The first route in listed order whose conditions all hold, or null. `path` is in normal form, without query.
   * Synchronous and not re-entrant: `request` must not match on the same host. Allocates nothing itself, save one
   * string when the host has `ignoreUriCase` routes and the path has capitals.
   */
  match(path: string, request: RequestView): CompiledRoute<T> | null;
}

/** Compiles the routes; `bind` is called once for each, in order. */
export function compileVirtualHost<T>(
  spec: VirtualHostSpec,
  bind: (route: RouteSpec) => T,
  patterns: PatternPool,
): VirtualHost<T> {
  const links = new Int32Array(spec.routes.length).fill(-1);
  const conditions = spec.routes.map((route) => compileConditions(route.match, patterns));
  const sameCase = new PathIndex(links);
  const anyCase = new PathIndex(links);
  spec.routes.forEach(({ match }, rule) => {
    const key = indexKey(match, patterns);
    const index = key.anyCase ? anyCase : sameCase;
    const unconditional = conditions[rule]!.length === 0;
    if (key.exact) index.addExact(key.text, rule, unconditional);
    else index.addPrefix(key.text, rule, unconditional);
  });
  const routes = spec.routes.map((route) => ({ spec: route, action: bind(route) }));
  return new IndexedVirtualHost(spec, { routes, conditions, links, sameCase, anyCase: anyCase.empty ? null : anyCase });
}

/** Under which path, or which beginning of paths, a route is found. */
interface IndexKey {
  readonly text: string;
  readonly exact: boolean;
  readonly anyCase: boolean;
}

function indexKey({ uri, ignoreUriCase }: RouteMatch, patterns: PatternPool): IndexKey {
  if (uri === null || uri.kind === "presence") return { text: "", exact: false, anyCase: false };
  if (uri.kind === "regex") {
    // Found by the text every match begins with; the expression itself is among the route's conditions.
    return { text: patterns.get(uri.value).literalPrefix, exact: false, anyCase: false };
  }
  const text = ignoreUriCase ? lowerAscii(uri.value) : uri.value;
  return { text, exact: uri.kind === "exact", anyCase: ignoreUriCase };
}

interface Compiled<T> {
  readonly routes: readonly CompiledRoute<T>[];
  /** By rule; empty where the path decides alone. */
  readonly conditions: readonly (readonly Condition[])[];
  readonly links: RuleLinks;
  readonly sameCase: PathIndex;
  /** Looked up with the path in lower case; null when no route ignores case. */
  readonly anyCase: PathIndex | null;
}

class IndexedVirtualHost<T> implements VirtualHost<T> {
  readonly spec: VirtualHostSpec;
  readonly #routes: readonly CompiledRoute<T>[];
  readonly #conditions: readonly (readonly Condition[])[];
  readonly #links: RuleLinks;
  readonly #sameCase: PathIndex;
  readonly #anyCase: PathIndex | null;
  readonly #candidates = new IndexHeap();

  constructor(spec: VirtualHostSpec, compiled: Compiled<T>) {
    this.spec = spec;
    this.#routes = compiled.routes;
    this.#conditions = compiled.conditions;
    this.#links = compiled.links;
    this.#sameCase = compiled.sameCase;
    this.#anyCase = compiled.anyCase;
  }

  match(path: string, request: RequestView): CompiledRoute<T> | null {
    const candidates = this.#candidates;
    candidates.clear();
    const stop = this.#sameCase.collect(path, candidates, never);
    if (this.#anyCase !== null) this.#anyCase.collect(lowerAscii(path), candidates, stop);
    // Rules that share one path and differ in headers only are tried one by one: what tells them apart is in no index.
    while (candidates.size > 0) {
      const rule = candidates.top;
      if (this.#holds(rule, path, request)) return this.#routes[rule]!;
      const next = this.#links[rule]!;
      if (next < 0) candidates.pop();
      else candidates.replaceTop(next);
    }
    return null;
  }

  #holds(rule: number, path: string, request: RequestView): boolean {
    const conditions = this.#conditions[rule]!;
    for (let at = 0; at < conditions.length; at++) {
      if (!conditions[at]!(path, request)) return false;
    }
    return true;
  }
}
