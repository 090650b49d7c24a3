// SPDX-License-Identifier: Apache-2.0
// What `naru routes` is told: which host and why, and the verdict on every route.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { RouteMatch } from "../../../src/model/index.ts";
import { explainRoutes, type ConditionFailure } from "../../../src/router/index.ts";
import { exact, prefix, presence, regex, request, route, table, type RequestParts } from "./fixtures.ts";

test("names the virtual host, the domain that won and every route's verdict", () => {
  const routes = [
    route("post", { uri: prefix("/api"), method: exact("POST") }),
    route("api", { uri: prefix("/api") }),
    route("rest"),
  ];
  const spec = table({ "*": [route("other")], "*.Example.com": routes });
  const explanation = explainRoutes(spec, "Shop.example.com:8080", "/api/items", request());
  assert.equal(explanation.host, "shop.example.com");
  assert.equal(explanation.virtualHost, spec.hosts[1]);
  assert.equal(explanation.domain, "*.Example.com");
  assert.equal(explanation.domainMatch, "suffix");
  assert.equal(explanation.matched, routes[1]);
  assert.deepEqual(explanation.routes, [
    {
      route: routes[0],
      outcome: "failed",
      failure: { condition: "method", wanted: 'exact "POST"', actual: "GET" },
    },
    { route: routes[1], outcome: "matched" },
    { route: routes[2], outcome: "not reached" },
  ]);
});

test("says when no domain covers the host", () => {
  const explanation = explainRoutes(table({ "a.test": [route("a")] }), "b.test", "/", request());
  assert.deepEqual(explanation, {
    host: "b.test",
    virtualHost: null,
    domain: null,
    domainMatch: null,
    routes: [],
    matched: null,
  });
});

test("tells exact names, suffixes and the catch-all apart", () => {
  const spec = table({ "*": [], "*.b.test": [], "*.a.b.test": [], "x.a.b.test": [] });
  const domainOf = (authority: string) => {
    const { domain, domainMatch } = explainRoutes(spec, authority, "/", request());
    return [domain, domainMatch];
  };
  assert.deepEqual(domainOf("x.a.b.test"), ["x.a.b.test", "exact"]);
  assert.deepEqual(domainOf("y.a.b.test"), ["*.a.b.test", "suffix"]);
  assert.deepEqual(domainOf("a.b.test"), ["*.b.test", "suffix"]);
  assert.deepEqual(domainOf("b.test"), ["*", "any"]);
});

type FailureCase = readonly [match: Partial<RouteMatch>, parts: RequestParts, failure: ConditionFailure];
const failures: readonly FailureCase[] = [
  [{ uri: exact("/a") }, {}, { condition: "uri", wanted: 'exact "/a"', actual: "/p" }],
  [
    { uri: prefix("/A"), ignoreUriCase: true },
    {},
    { condition: "uri", wanted: 'prefix "/A" (any case)', actual: "/p" },
  ],
  [{ uri: regex("/[0-9]"), ignoreUriCase: true }, {}, { condition: "uri", wanted: 'regex "/[0-9]"', actual: "/p" }],
  [{ scheme: exact("https") }, {}, { condition: "scheme", wanted: 'exact "https"', actual: "http" }],
  [{ authority: exact("a") }, { authority: "b:80" }, { condition: "authority", wanted: 'exact "a"', actual: "b:80" }],
  [{ headers: [{ name: "x-a", match: presence }] }, {}, { condition: "headers.x-a", wanted: "present", actual: null }],
  [
    { headers: [{ name: "x-a", match: regex("v.") }] },
    { headers: { "x-a": "w" } },
    { condition: "headers.x-a", wanted: 'regex "v."', actual: "w" },
  ],
  [
    { withoutHeaders: [{ name: "x-a", match: presence }] },
    { headers: { "x-a": "w" } },
    { condition: "withoutHeaders.x-a", wanted: "not present", actual: "w" },
  ],
  [
    { withoutHeaders: [{ name: "x-a", match: exact("") }] },
    {},
    { condition: "withoutHeaders.x-a", wanted: 'not exact ""', actual: null },
  ],
  [
    { queryParams: [{ name: "q", match: exact("1") }] },
    { query: "q=2&q=1" },
    { condition: "queryParams.q", wanted: 'exact "1"', actual: "2" },
  ],
  [
    { queryParams: [{ name: "q", match: exact("1") }] },
    { query: "p=1" },
    { condition: "queryParams.q", wanted: 'exact "1"', actual: null },
  ],
];

for (const [match, parts, failure] of failures) {
  test(`failure of ${failure.condition}, ${failure.wanted}`, () => {
    const spec = table({ "*": [route("r", match)] });
    const [verdict] = explainRoutes(spec, "any", "/p", request(parts)).routes;
    assert.deepEqual(verdict, { route: spec.hosts[0]?.routes[0], outcome: "failed", failure });
  });
}
