// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { formatHostPort, ipFamily, isHostName, parseHostPort, parsePort } from "../../../src/core/index.ts";

test("authorities are split into host and port", () => {
  const cases: readonly (readonly [string, ReturnType<typeof parseHostPort>])[] = [
    ["example.org", { host: "example.org", port: null }],
    ["example.org:80", { host: "example.org", port: 80 }],
    ["127.0.0.1:65535", { host: "127.0.0.1", port: 65_535 }],
    ["[::1]", { host: "::1", port: null }],
    ["[::1]:8080", { host: "::1", port: 8_080 }],
    ["::1", { host: "::1", port: null }],
    ["", null],
    [":80", null],
    ["a:", null],
    ["a:65536", null],
    ["a:+1", null],
    ["a:b:c", null],
    ["[::1", null],
    ["[::1]80", null],
    ["[nonsense]:80", null],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseHostPort(text), expected, text);
});

test("ports are plain decimal numbers up to 65535", () => {
  assert.equal(parsePort("0"), 0);
  assert.equal(parsePort("8080"), 8_080);
  for (const text of ["", " 80", "80 ", "1e3", "0x50", "-1", "65536", "123456"])
    assert.equal(parsePort(text), null, text);
});

test("IPv6 addresses are bracketed when joined with a port", () => {
  assert.equal(formatHostPort("10.0.0.1", 80), "10.0.0.1:80");
  assert.equal(formatHostPort("::1", 80), "[::1]:80");
});

test("addresses are told from names", () => {
  assert.equal(ipFamily("10.0.0.1"), 4);
  assert.equal(ipFamily("fe80::1"), 6);
  for (const text of ["fe80::1%eth0", "[::1]", "10.0.0.256", "example.org"]) assert.equal(ipFamily(text), 0, text);
});

test("host names follow RFC 1123, with the underscores that Kubernetes users have", () => {
  for (const name of ["a", "a-b.c", "my_service.default.svc.cluster.local", "1.example"])
    assert.ok(isHostName(name), name);
  for (const name of ["", "-a", "a-", "a..b", ".a", "a.", "a b", "a/b", "ä", "x".repeat(64), `${"a.".repeat(127)}a`]) {
    assert.ok(!isHostName(name), name);
  }
});
