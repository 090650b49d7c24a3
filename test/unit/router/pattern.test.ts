// SPDX-License-Identifier: Apache-2.0
// Regular expressions: RE2 syntax, full match, linear time, bounded memory.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RE2JS } from "re2js";

import { compilePattern } from "../../../src/router/index.ts";
import { PatternPool } from "../../../src/router/conditions.ts";

function pattern(source: string) {
  const result = compilePattern(source);
  assert.ok(result.ok, `${source} compiles`);
  return result.pattern;
}

const matching: readonly (readonly [source: string, text: string, expected: boolean])[] = [
  ["/a", "/a", true],
  ["/a", "/ab", false],
  ["/a", "x/a", false],
  ["^/a$", "/a", true],
  ["/a/.*", "/a/b/c", true],
  ["/a/.*", "/a/", true],
  ["/a/.*", "/a", false],
  ["/a/.*", "/a/\n", false],
  ["(?s)/a/.*", "/a/\n", true],
  [".*", "", true],
  ["", "", true],
  ["", "x", false],
  ["/a\\.b", "/a.b", true],
  ["/a\\.b", "/axb", false],
  ["/a.b", "/axb", true],
  ["/a|/b", "/b", true],
  ["^/a|/b", "/b", true],
  ["^/a|/b", "/c/b", false],
  ["(?i)/A", "/a", true],
  ["/v\\d+/items(/.*)?", "/v12/items", true],
  ["/v\\d+/items(/.*)?", "/v12/itemsx", false],
  ["/\\pL+", "/é", true],
  ["\\Q/a.*\\E", "/a.*", true],
  ["\\Q/a.*", "/a.*", true],
  ["\\Q/a.*", "/axx", false],
];

for (const [source, text, expected] of matching) {
  test(`${JSON.stringify(source)} on ${JSON.stringify(text)}`, () => {
    assert.equal(pattern(source).matches(text), expected);
    assert.equal(RE2JS.compile(source).testExact(text), expected, "RE2 agrees");
  });
}

const invalid = [
  "*",
  "(",
  "[a",
  "a**",
  "(?=a)",
  "(?<!a)b",
  "\\1",
  "a{1001}",
  "\\",
  `${"(".repeat(2000)}${")".repeat(2000)}`,
];

for (const source of invalid) {
  test(`${JSON.stringify(source.slice(0, 20))} is refused with a reason`, () => {
    const result = compilePattern(source);
    assert.equal(result.ok, false);
    assert.match(result.ok ? "" : result.message, /\w/);
  });
}

test("a pattern that compiles to more than Istio's limit is refused", () => {
  const result = compilePattern(`(${"ab".repeat(20)}){1000}`);
  assert.equal(result.ok, false);
  assert.match(result.ok ? "" : result.message, /too large: compiles to \d+ instructions, at most 32768 are allowed/);
});

const prefixes: readonly (readonly [source: string, literalPrefix: string])[] = [
  ["/api/v\\d+", "/api/v"],
  ["^/api/v\\d+", "/api/v"],
  ["/api/(a|b)/x", "/api/"],
  ["/api/a|/api/b", "/api/"],
  ["/a|/b", "/"],
  ["^/a|b", ""],
  ["/apix*", "/api"],
  ["/apix?", "/api"],
  ["(?i)/api", "/"],
  ["/api/.*", "/api/"],
  ["/\\.well-known/[a-z]+", "/.well-known/"],
  [".*", ""],
];

for (const [source, literalPrefix] of prefixes) {
  test(`every match of ${source} begins with ${JSON.stringify(literalPrefix)}`, () => {
    assert.equal(pattern(source).literalPrefix, literalPrefix);
  });
}

test("equal sources share one automaton", () => {
  const pool = new PatternPool();
  assert.equal(pool.get("a+"), pool.get("a+"));
  assert.throws(() => pool.get("("), { code: "BUG" });
});

test("a pattern that makes backtracking engines explode takes linear time", () => {
  const hostile = pattern("(a+)+$");
  // Sixteen times the text: 16 when linear, 256 when quadratic, never finished when exponential.
  const short = `${"a".repeat(3125)}b`;
  const long = `${"a".repeat(50_000)}b`;
  assert.equal(hostile.matches("a".repeat(50_000)), true);
  const ratio = fastestMs(() => hostile.matches(long)) / fastestMs(() => hostile.matches(short));
  assert.ok(ratio < 80, `${ratio.toFixed(1)} times the time for 16 times the text`);
});

function fastestMs(run: () => boolean): number {
  let fastest = Infinity;
  for (let round = 0; round < 20; round++) {
    const start = performance.now();
    assert.equal(run(), false);
    fastest = Math.min(fastest, performance.now() - start);
  }
  return fastest;
}

test("an automaton with a million states is kept within its budget", () => {
  const compiled = RE2JS.compile("(a|b)*a(a|b){19}");
  let state = 1;
  const text = Array.from({ length: 60_000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state & 0x10000 ? "a" : "b";
  }).join("");
  assert.equal(compiled.testExact(text), text.at(-20) === "a");
  const { stateCount, maxMem } = compiled.re2().lazyDFA;
  assert.equal(maxMem, 8 * 1024 * 1024);
  // 60,000 random letters pass 60,000 different states; each holds some twenty numbers of eight bytes, and overhead.
  assert.ok(stateCount > 100 && stateCount < 30_000, `${stateCount} states`);
});
