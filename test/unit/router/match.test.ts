// SPDX-License-Identifier: Apache-2.0
// What each condition of a route means, and which route wins.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { RouteMatch, RouteSpec } from "../../../src/model/index.ts";
import { compileRouteTable, explainRoutes, type RequestView } from "../../../src/router/index.ts";
import { exact, prefix, presence, regex, request, route, table, type RequestParts } from "./fixtures.ts";

function matchAmong(routes: readonly RouteSpec[], path: string, view: RequestView = request()): string | null {
  const spec = table({ "*": routes });
  const found = compileRouteTable(spec, ({ name }) => name)
    .host("any")!
    .match(path, view);
  assert.equal(found?.spec, explainRoutes(spec, "any", path, view).matched ?? undefined, "the explanation agrees");
  return found?.action ?? null;
}

const uris: readonly (readonly [match: Partial<RouteMatch>, hits: readonly string[], misses: readonly string[]])[] = [
  [{}, ["/", "/a", ""], []],
  [{ uri: exact("/foo") }, ["/foo"], ["/foo/", "/Foo", "/fo", "/foobar", "/"]],
  [{ uri: exact("/Foo"), ignoreUriCase: true }, ["/foo", "/FOO", "/Foo"], ["/foo/", "/fo"]],
  [{ uri: prefix("/foo") }, ["/foo", "/foobar", "/foo/bar"], ["/fo", "/Foo", "/", "/bar/foo"]],
  [{ uri: prefix("/Foo"), ignoreUriCase: true }, ["/foo", "/FOOBAR", "/foo/Bar"], ["/fo", "/bar"]],
  [{ uri: prefix("/") }, ["/", "/a"], ["", "*"]],
  [{ uri: regex("/v[0-9]+") }, ["/v1", "/v22"], ["/v", "/v1/", "/V1", "x/v1"]],
  // Istio: ignoreUriCase is for exact and prefix only.
  [{ uri: regex("/API/[0-9]+"), ignoreUriCase: true }, ["/API/1"], ["/api/1"]],
  [{ uri: regex("(?i)/API/[0-9]+") }, ["/API/1", "/api/1"], ["/api/x"]],
  [{ uri: exact("/K"), ignoreUriCase: true }, ["/k"], ["/\u212a"]],
  [{ uri: exact("/\u00c4"), ignoreUriCase: true }, ["/\u00c4"], ["/\u00e4"]],
];

for (const [match, hits, misses] of uris) {
  test(`uri ${JSON.stringify(match)}`, () => {
    for (const path of hits) assert.equal(matchAmong([route("r", match)], path), "r", path);
    for (const path of misses) assert.equal(matchAmong([route("r", match)], path), null, path);
  });
}

const header = (match: RouteMatch["headers"][number]["match"]) => ({ headers: [{ name: "x-a", match }] });
const without = (match: RouteMatch["headers"][number]["match"]) => ({ withoutHeaders: [{ name: "x-a", match }] });
const query = (match: RouteMatch["headers"][number]["match"], name = "q") => ({ queryParams: [{ name, match }] });

type ConditionCase = readonly [
  match: Partial<RouteMatch>,
  hits: readonly RequestParts[],
  misses: readonly RequestParts[],
];
const absent: RequestParts = {};
const xa = (value: string): RequestParts => ({ headers: { "x-a": value } });
const q = (raw: string): RequestParts => ({ query: raw });

const conditions: readonly ConditionCase[] = [
  [{ method: exact("GET") }, [{ method: "GET" }], [{ method: "get" }, { method: "POST" }]],
  [{ method: regex("GET|HEAD") }, [{ method: "HEAD" }], [{ method: "GETS" }]],
  [{ method: presence }, [{ method: "PURGE" }], []],
  [{ scheme: exact("https") }, [{ scheme: "https" }], [{ scheme: "http" }]],
  // The authority as received: with its port, and case-sensitive.
  [
    { authority: exact("a.test:80") },
    [{ authority: "a.test:80" }],
    [{ authority: "a.test" }, { authority: "A.test:80" }],
  ],
  [{ authority: prefix("a.test") }, [{ authority: "a.test:80" }], [{ authority: "b.test" }]],
  [header(exact("v")), [xa("v")], [xa("V"), xa("v2"), xa(""), absent]],
  [header(exact("")), [xa("")], [absent, xa("v")]],
  [header(prefix("v")), [xa("v"), xa("v2")], [xa("xv"), absent]],
  [header(regex("v.")), [xa("v1")], [xa("v"), xa("v12"), absent]],
  [header(regex(".*")), [xa("v"), xa("")], [absent]],
  [header(presence), [xa("v"), xa("")], [absent]],
  [without(exact("v")), [xa("w"), xa(""), absent], [xa("v")]],
  // An absent header counts as an empty one.
  [without(exact("")), [xa("v")], [xa(""), absent]],
  [without(prefix("v")), [xa("w"), absent], [xa("v"), xa("v1")]],
  [without(regex(".*")), [], [xa("v"), xa(""), absent]],
  [without(presence), [absent], [xa("v"), xa("")]],
  [
    query(exact("1")),
    [q("q=1"), q("a=2&q=1"), q("q=1&q=2")],
    [q(""), q("q=2&q=1"), q("q"), q("xq=1"), q("Q=1"), q("qq=1")],
  ],
  [query(exact("")), [q("q"), q("q="), q("a&q&b"), q("q&q=1")], [q(""), q("q=1"), q("a=q")]],
  [query(prefix("v")), [q("q=v"), q("q=v2")], [q("q=w"), q("q")]],
  [query(regex("[0-9]+")), [q("q=12")], [q("q=1a"), q("q")]],
  [query(presence), [q("q"), q("q=1"), q("&&q=1")], [q(""), q("p"), q("q%3d1")]],
  [query(exact("a=b")), [q("q=a=b")], [q("q=a")]],
  // Neither names nor values are percent-decoded, as in Envoy.
  [query(exact("a b")), [], [q("q=a%20b"), q("q=a+b")]],
  [query(exact("a%20b")), [q("q=a%20b")], [q("q=a b")]],
  [query(presence, ""), [], [q(""), q("&"), q("=1")]],
  [query(presence, "a=b"), [], [q("a=b"), q("a=b=c")]],
  [query(presence, "a&b"), [], [q("a&b")]],
  [query(presence, "hasOwnProperty"), [q("hasOwnProperty")], [absent]],
  [
    { method: exact("GET"), ...header(presence), ...query(presence) },
    [{ headers: { "x-a": "" }, query: "q" }],
    [{ headers: { "x-a": "" } }, { query: "q" }, { method: "PUT", headers: { "x-a": "" }, query: "q" }],
  ],
  [
    { headers: [...header(exact("v")).headers, { name: "x-b", match: presence }] },
    [{ headers: { "x-a": "v", "x-b": "" } }],
    [xa("v")],
  ],
];

for (const [match, hits, misses] of conditions) {
  const { uri: _uri, ...shown } = route("r", match).match;
  test(`condition ${JSON.stringify(Object.fromEntries(Object.entries(shown).filter(([name]) => name in match)))}`, () => {
    for (const uri of [null, exact("/p"), prefix("/"), regex("/[a-z]")]) {
      const rules = [route("r", { ...match, uri })];
      for (const parts of hits) assert.equal(matchAmong(rules, "/p", request(parts)), "r", JSON.stringify(parts));
      for (const parts of misses) assert.equal(matchAmong(rules, "/p", request(parts)), null, JSON.stringify(parts));
    }
  });
}

const orders: readonly (readonly [
  name: string,
  routes: readonly RouteSpec[],
  path: string,
  expected: string | null,
])[] = [
  ["a prefix before an exact path", [route("p", { uri: prefix("/a") }), route("e", { uri: exact("/a") })], "/a", "p"],
  ["an exact path before a prefix", [route("e", { uri: exact("/a") }), route("p", { uri: prefix("/a") })], "/a", "e"],
  [
    "a short prefix before a longer one",
    [route("s", { uri: prefix("/a") }), route("l", { uri: prefix("/a/b") })],
    "/a/b",
    "s",
  ],
  [
    "a longer prefix before a short one",
    [route("l", { uri: prefix("/a/b") }), route("s", { uri: prefix("/a") })],
    "/a/b",
    "l",
  ],
  ["a regex before an exact path", [route("r", { uri: regex("/.") }), route("e", { uri: exact("/a") })], "/a", "r"],
  ["the first of two equal rules", [route("1", { uri: exact("/a") }), route("2", { uri: exact("/a") })], "/a", "1"],
  [
    "any case before exact case",
    [route("i", { uri: exact("/A"), ignoreUriCase: true }), route("e", { uri: exact("/a") })],
    "/a",
    "i",
  ],
  ["a rule without uri first", [route("any"), route("e", { uri: exact("/a") })], "/a", "any"],
  ["nothing matches", [route("e", { uri: exact("/a") }), route("p", { uri: prefix("/b") })], "/c", null],
  ["no rules", [], "/", null],
];

for (const [name, routes, path, expected] of orders) {
  test(`order: ${name}`, () => assert.equal(matchAmong(routes, path), expected));
}

test("a rule that fails its conditions leaves the request to the next one on any kind of path", () => {
  const canary = header(exact("canary"));
  const rules = [
    route("1", { uri: regex("/a/.*b"), ...canary }),
    route("2", { uri: exact("/a/b"), ...canary }),
    route("3", { uri: prefix("/a"), ...canary }),
    route("4", { ...canary, method: exact("POST") }),
    route("5", { uri: exact("/a/b"), method: exact("PUT") }),
    route("6", { uri: prefix("/") }),
    route("7", { uri: exact("/a/b") }),
  ];
  assert.equal(matchAmong(rules, "/a/b", request(xa("canary"))), "1");
  assert.equal(matchAmong(rules.slice(1), "/a/b", request(xa("canary"))), "2");
  assert.equal(matchAmong(rules.slice(2), "/a/b", request(xa("canary"))), "3");
  assert.equal(matchAmong(rules.slice(3), "/a/b", request({ ...xa("canary"), method: "POST" })), "4");
  assert.equal(matchAmong(rules, "/a/b", request({ method: "PUT" })), "5");
  assert.equal(matchAmong(rules, "/a/b"), "6");
});

test("only rules whose path can match are asked, in listed order, up to the one that matches", () => {
  const rules = [
    ...Array.from({ length: 50 }, (_, index) =>
      route("other", { uri: prefix(`/other-${index}/`), ...header(exact("x")) }),
    ),
    ...Array.from({ length: 50 }, (_, index) =>
      route("regex", { uri: regex(`/regex-${index}/.+`), ...header(exact("x")) }),
    ),
    route("first", { uri: exact("/a/b"), headers: [{ name: "first", match: presence }] }),
    route("second", { uri: prefix("/a"), headers: [{ name: "second", match: presence }] }),
    route("third", { headers: [{ name: "third", match: presence }] }),
    route("free", { uri: exact("/a/b") }),
    route("late", { uri: prefix("/a"), headers: [{ name: "late", match: presence }] }),
  ];
  const asked: string[] = [];
  const view: RequestView = {
    ...request(),
    header: (name) => {
      asked.push(name);
      return null;
    },
  };
  const host = compileRouteTable(table({ "*": rules }), ({ name }) => name).host("any")!;
  assert.equal(host.match("/a/b", view)?.action, "free");
  assert.deepEqual(asked, ["first", "second", "third"]);
});

test("four thousand nested prefixes compile and match", () => {
  const rules = Array.from({ length: 4000 }, (_, index) =>
    route(String(index), { uri: prefix(`/${"a".repeat(index)}`), method: exact(index === 0 ? "PUT" : "GET") }),
  );
  const host = compileRouteTable(table({ "*": rules }), ({ name }) => name).host("any")!;
  assert.equal(host.match(`/${"a".repeat(4000)}`, request())?.action, "1");
  assert.equal(host.match(`/${"a".repeat(4000)}`, request({ method: "PUT" }))?.action, "0");
  assert.equal(host.match(`/${"a".repeat(4000)}`, request({ method: "DELETE" })), null);
});

test("a match leaves nothing behind for the next one", () => {
  const rules = [
    route("a", { uri: prefix("/a"), ...header(presence) }),
    route("ab", { uri: prefix("/a/b"), ...header(presence) }),
  ];
  const host = compileRouteTable(table({ "*": rules }), ({ name }) => name).host("any")!;
  assert.equal(host.match("/a/b", request(xa("1")))?.action, "a");
  assert.equal(host.match("/x", request(xa("1"))), null);
  const failing: RequestView = {
    ...request(),
    header: () => {
      throw new Error("torn down");
    },
  };
  assert.throws(() => host.match("/a/b", failing), /torn down/);
  assert.equal(host.match("/", request(xa("1"))), null);
  assert.equal(host.match("/a/b", request(xa("1")))?.action, "a");
});
