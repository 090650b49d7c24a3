// SPDX-License-Identifier: Apache-2.0
// The indexed matcher and the linear explanation give the same answer for every table and request. They share no index
// and no condition, only the reading of authorities and the regular expression engine.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";
import { RE2JS } from "re2js";

import type { NamedMatch, RouteMatch, RouteTableSpec, StringMatch } from "../../src/model/index.ts";
import { compilePattern, compileRouteTable, explainRoutes } from "../../src/router/index.ts";
import { request, route, table } from "../unit/router/fixtures.ts";

// Few letters, so that paths, prefixes and values meet often.
const piece = fc.constantFrom("a", "b", "A", "/", "ab", "/a", "\u00c4", "a\n");
const path = fc.array(piece, { maxLength: 5 }).map((pieces) => `/${pieces.join("")}`);
const expression = fc.oneof(
  path,
  path.map((text) => `${text}.*`),
  path.map((text) => `^${text}[ab]*$`),
  fc.tuple(path, path).map(([left, right]) => `${left}|${right}`),
  fc.tuple(path, path).map(([left, right]) => `^${left}x?(${right.slice(1)}|b)+`),
  fc.constantFrom(".*", "(?i)/ab.*", "/a?b*", "(/[ab]+)+", "(?s)/a.*", "", "^/A|b", "\\Q/a.*", "/a\\.b", "[^/]*"),
);
const word = fc.constantFrom("", "a", "b", "ab", "A");
const wordExpression = fc.constantFrom("a|b", "a.*", ".*", "", "[^a]", "(?i)a");

function stringMatch(text: fc.Arbitrary<string>, pattern: fc.Arbitrary<string>): fc.Arbitrary<StringMatch> {
  return fc.oneof(
    text.map((value): StringMatch => ({ kind: "exact", value })),
    text.map((value): StringMatch => ({ kind: "prefix", value })),
    pattern.map((value): StringMatch => ({ kind: "regex", value })),
  );
}

const wordMatch = fc.oneof(
  { weight: 4, arbitrary: stringMatch(word, wordExpression) },
  { weight: 1, arbitrary: fc.constant<StringMatch>({ kind: "presence" }) },
);
const seldom = <V>(arbitrary: fc.Arbitrary<V>): fc.Arbitrary<V | null> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
const named = (names: readonly string[]): fc.Arbitrary<readonly NamedMatch[]> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<NamedMatch[]>([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.record({ name: fc.constantFrom(...names), match: wordMatch }), { maxLength: 2 }),
    },
  );

const routeMatch: fc.Arbitrary<RouteMatch> = fc.record({
  uri: fc.option(stringMatch(path, expression), { freq: 8 }),
  ignoreUriCase: fc.boolean(),
  method: seldom(fc.constantFrom<StringMatch>({ kind: "exact", value: "GET" }, { kind: "regex", value: "P.*" })),
  scheme: seldom(fc.constant<StringMatch>({ kind: "exact", value: "https" })),
  authority: seldom(fc.constantFrom<StringMatch>({ kind: "prefix", value: "a." }, { kind: "exact", value: "A.test" })),
  headers: named(["x-a", "x-b"]),
  withoutHeaders: named(["x-a", "x-b"]),
  queryParams: named(["q", "qq", ""]),
});

const domain = fc.constantFrom(
  "*",
  "*.test",
  "*.a.test",
  "*.b.a.test",
  "a.test",
  "b.a.test",
  "x.b.a.test",
  "test",
  "[::1]",
);
const tables = fc
  .tuple(
    fc.uniqueArray(domain, { minLength: 1, maxLength: 4, size: "max" }),
    fc.array(routeMatch, { minLength: 1, maxLength: 12, size: "max" }),
  )
  .map(([domains, matches]) => {
    const routes = matches.map((match, index) => route(String(index), match));
    return table(Object.fromEntries(domains.map((name, index) => [name, routes.slice(index)])));
  });

const queryPart = fc.constantFrom("q", "q=", "q=a", "q=ab", "qq=b", "qq", "=a", "", "q=b=c", "p=a");
const requests = fc
  .record({
    method: fc.constantFrom("GET", "PUT", "POST"),
    scheme: fc.constantFrom("http", "https"),
    authority: fc.constantFrom(
      "a.test",
      "A.test",
      "b.a.test:80",
      "x.b.a.test.",
      "y.b.a.test",
      "test",
      "other",
      "[::1]:80",
    ),
    headers: fc.dictionary(fc.constantFrom("x-a", "x-b"), word),
    query: fc.array(queryPart, { maxLength: 3 }).map((parts) => parts.join("&")),
  })
  .map((parts) => request(parts));

const exchanges = fc.array(
  fc.record({ freePath: path, pick: fc.nat({ max: 12 }), tail: fc.constantFrom("", "", "/", "a"), view: requests }),
  { minLength: 1, maxLength: 6, size: "max" },
);

/** A path close to what one of the table's routes asks for, so that hits are common. */
function pathNear(spec: RouteTableSpec, pick: number, tail: string): string | null {
  const uri = spec.hosts[0]?.routes[pick]?.match.uri;
  return uri && uri.kind !== "presence" ? `${uri.value}${tail}` : null;
}

test("the matcher finds what a linear scan finds", () => {
  let matched = 0;
  let candidatesPassed = 0;
  fc.assert(
    fc.property(tables, exchanges, (spec, received) => {
      const compiled = compileRouteTable(spec, ({ name }) => name);
      for (const { freePath, pick, tail, view } of received) {
        const requestPath = pathNear(spec, pick, tail) ?? freePath;
        const wanted = explainRoutes(spec, view.authority(), requestPath, view);
        const host = compiled.host(view.authority());
        assert.equal(host?.spec, wanted.virtualHost ?? undefined);
        const found = host?.match(requestPath, view) ?? null;
        assert.equal(found?.spec ?? null, wanted.matched);
        assert.equal(found?.action, wanted.matched?.name);
        if (wanted.matched !== null) matched++;
        if (wanted.routes.findIndex(({ outcome }) => outcome === "matched") > 2) candidatesPassed++;
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
  // The inputs are worth something only if hits are common and not always the first rule's.
  assert.ok(matched > 2500, `${matched} matches`);
  assert.ok(candidatesPassed > 900, `${candidatesPassed} matches behind the third rule`);
});

test("shortcuts and literal prefixes agree with RE2 itself", () => {
  let matched = 0;
  fc.assert(
    fc.property(expression, fc.array(path, { minLength: 1, maxLength: 8 }), (source, texts) => {
      const result = compilePattern(source);
      assert.ok(result.ok);
      const reference = RE2JS.compile(source);
      for (const text of texts) {
        const wanted = reference.testExact(text);
        assert.equal(result.pattern.matches(text), wanted);
        if (!wanted) continue;
        matched++;
        assert.ok(text.startsWith(result.pattern.literalPrefix));
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
  assert.ok(matched > 1000, `${matched} matches`);
});
