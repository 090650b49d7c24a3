// SPDX-License-Identifier: Apache-2.0
// The conditions of a route beside its exact path or prefix, compiled into functions once per table. Semantics are
// Envoy's header and query parameter matchers as Istio configures them.

import { NaruError } from "../core/index.ts";
import type { NamedMatch, RouteMatch, StringMatch } from "../model/index.ts";
import { compilePattern, type IndexablePattern } from "./pattern.ts";
import type { RequestView } from "./request-view.ts";

export type Condition = (path: string, request: RequestView) => boolean;
type TextTest = (text: string) => boolean;

/** Patterns by source: rules that repeat an expression share one automaton and its cache. */
export class PatternPool {
  readonly #patterns = new Map<string, IndexablePattern>();

  /** Throws BUG on invalid syntax: configuration is checked with `compilePattern` before it gets here. */
  get(source: string): IndexablePattern {
    const known = this.#patterns.get(source);
    if (known !== undefined) return known;
    const result = compilePattern(source);
    if (!result.ok) throw new NaruError("BUG", `unchecked regular expression in a route: ${result.message}`);
    this.#patterns.set(source, result.pattern);
    return result.pattern;
  }
}

/** All of them must hold; none at all when exact path or prefix decide alone. Cheapest first. */
export function compileConditions(match: RouteMatch, patterns: PatternPool): readonly Condition[] {
  const conditions: Condition[] = [];
  const { method, scheme, authority } = match;
  if (method !== null) conditions.push(onText(method, patterns, (request) => request.method));
  if (scheme !== null) conditions.push(onText(scheme, patterns, (request) => request.scheme));
  if (match.uri?.kind === "regex") {
    const pattern = patterns.get(match.uri.value);
    conditions.push((path) => pattern.matches(path));
  }
  // Case-sensitive and with the port, as received: Envoy matches the :authority header here, not the host.
  if (authority !== null) conditions.push(onText(authority, patterns, (request) => request.authority()));
  for (const header of match.headers) conditions.push(withHeader(header, patterns));
  for (const header of match.withoutHeaders) conditions.push(withoutHeader(header, patterns));
  for (const parameter of match.queryParams) conditions.push(withQueryParameter(parameter, patterns));
  return conditions;
}

function onText(match: StringMatch, patterns: PatternPool, read: (request: RequestView) => string): Condition {
  const test = textTest(match, patterns);
  return (_path, request) => test(read(request));
}

function withHeader({ name, match }: NamedMatch, patterns: PatternPool): Condition {
  const test = textTest(match, patterns);
  return (_path, request) => {
    const value = request.header(name);
    return value !== null && test(value);
  };
}

/** An absent header counts as empty (Istio sets treat_missing_header_as_empty), except under `presence`. */
function withoutHeader({ name, match }: NamedMatch, patterns: PatternPool): Condition {
  if (match.kind === "presence") return (_path, request) => request.header(name) === null;
  const test = textTest(match, patterns);
  return (_path, request) => !test(request.header(name) ?? "");
}

function withQueryParameter({ name, match }: NamedMatch, patterns: PatternPool): Condition {
  // No parameter can have such a name; the search below relies on it.
  if (/^$|[=&]/.test(name)) return () => false;
  const test = textTest(match, patterns);
  return (_path, request) => {
    const value = queryValue(request.query(), name);
    return value !== null && test(value);
  };
}

/**
 * The first value of a parameter, "" for one without "=", null when absent. Not percent-decoded, neither name nor
 * value: Envoy's router matches parameters as they were sent (QueryParamsMulti::parseQueryString). `name` is not empty
 * and holds no "=" or "&".
 */
function queryValue(query: string, name: string): string | null {
  for (let start = 0; start < query.length;) {
    const separator = query.indexOf("&", start);
    const end = separator < 0 ? query.length : separator;
    if (query.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return "";
      if (query[after] === "=") return query.slice(after + 1, end);
    }
    start = end + 1;
  }
  return null;
}

function textTest(match: StringMatch, patterns: PatternPool): TextTest {
  if (match.kind === "presence") return () => true;
  const { kind, value } = match;
  if (kind === "exact") return (text) => text === value;
  if (kind === "prefix") return (text) => text.startsWith(value);
  const pattern = patterns.get(value);
  return (text) => pattern.matches(text);
}
