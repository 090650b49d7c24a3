// SPDX-License-Identifier: Apache-2.0
// Which virtual host an authority gets.

import assert from "node:assert/strict";
import { test } from "node:test";

import { compileRouteTable } from "../../../src/router/index.ts";
import { RecentCache } from "../../../src/router/recent-cache.ts";
import { route, table } from "./fixtures.ts";

const spec = table({
  "*": [route("any")],
  "*.example.com": [route("suffix")],
  "*.shop.example.com": [route("longer suffix")],
  "www.shop.example.com Upper.Example.com dotted.example.com.": [route("exact")],
  "10.0.0.1 2001:db8::1 [2001:db8::2]": [route("addresses")],
});
const compiled = compileRouteTable(spec, (found) => found.name);

function hostOf(authority: string): string | undefined {
  return compiled.host(authority)?.spec.routes[0]?.name;
}

const cases: readonly (readonly [authority: string, expected: string])[] = [
  ["www.shop.example.com", "exact"],
  ["WWW.Shop.Example.com:8080", "exact"],
  ["www.shop.example.com.", "exact"],
  ["upper.example.com", "exact"],
  ["dotted.example.com", "exact"],
  ["a.shop.example.com", "longer suffix"],
  ["a.b.c.shop.example.com:80", "longer suffix"],
  ["shop.example.com", "suffix"],
  ["a.b.example.com", "suffix"],
  ["example.com", "any"],
  [".example.com", "any"],
  ["xexample.com", "any"],
  ["example.com.evil.test", "any"],
  ["www.shop.example.com:http", "any"],
  ["", "any"],
  ["10.0.0.1:9080", "addresses"],
  ["[2001:DB8::1]:9080", "addresses"],
  ["[2001:db8::2]", "addresses"],
  [`${"a.".repeat(30_000)}example.com`, "suffix"],
];

for (const [authority, expected] of cases) {
  test(`host ${JSON.stringify(authority.slice(0, 40))}`, () => {
    assert.equal(hostOf(authority), expected);
    assert.equal(hostOf(authority), expected, "the same when asked again");
  });
}

test("no domain covers the host", () => {
  const closed = compileRouteTable(table({ "a.test *.b.test": [route("only")] }), () => null);
  assert.equal(closed.host("c.test"), null);
  assert.equal(closed.host("c.test"), null);
  assert.equal(closed.host("b.test"), null);
  assert.notEqual(closed.host("x.b.test"), null);
});

test("every host is found again after a flood of others", () => {
  for (let index = 0; index < 10_000; index++) assert.equal(hostOf(`flood-${index}.example.com`), "suffix");
  for (const [authority, expected] of cases) assert.equal(hostOf(authority), expected);
});

test("a recent cache keeps what is in use and never holds more than twice its limit", () => {
  const cache = new RecentCache<number | null>(4);
  cache.set("kept", null);
  for (let index = 0; index < 1000; index++) {
    cache.set(`key-${index}`, index);
    if (index % 3 === 0) assert.equal(cache.get("kept"), null);
    assert.ok(cache.size <= 8, `${cache.size} entries`);
  }
  assert.equal(cache.get("key-0"), undefined);
  assert.equal(cache.get("key-999"), 999);
});

test("a value set again replaces the one before", () => {
  const cache = new RecentCache<string>(1);
  cache.set("a", "old");
  cache.set("b", "other");
  cache.set("a", "new");
  assert.equal(cache.get("a"), "new");
});

test("actions are bound once for each route, in order", () => {
  const bound: string[] = [];
  const actions = compileRouteTable(table({ "a b": [route("1"), route("2")], c: [route("3")] }), ({ name }) => {
    bound.push(name);
    return { name };
  });
  assert.deepEqual(bound, ["1", "2", "3"]);
  assert.equal(actions.host("a"), actions.host("b"));
});
