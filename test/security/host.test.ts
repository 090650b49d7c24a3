// SPDX-License-Identifier: Apache-2.0
// One Host, and one that names a host (RFC 9112 §3.2): routing, caches and virtual hosts behind us all go by it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, refusals, valuesOf } from "./support/arena.ts";

const wrong = [
  "",
  "a, b",
  "a,b",
  "a b",
  "a\tb",
  "user@a",
  "user:secret@a",
  "@a",
  "a/",
  "a/path",
  "/a",
  "http://a",
  "a?b",
  "a#b",
  "a\\b",
  "a:",
  "a:b",
  "a:-1",
  "a:+80",
  "a:65536",
  "a:99999",
  "a:080080",
  "a:80:80",
  "a:80a",
  "a: 80",
  ":80",
  "a%00",
  "a%2eb",
  "%61",
  "\xe9.example",
  "a\xa0",
  "<a>",
  '"a"',
  "a|b",
  "a^b",
  "{a}",
  "[::1",
  "::1",
  "[]",
  "[a]",
  "[::1]a",
  "[::1]:",
  "[127.0.0.1]",
  "[fe80::1%25eth0]",
];

test("a Host that names no host is refused", async () => {
  await using arena = await Arena.start();
  for (const value of wrong) await arena.refused(`GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`, refusals.badRequest);
});

test("none at all in HTTP/1.1", async () => {
  await using arena = await Arena.start();
  await arena.refused("GET / HTTP/1.1\r\n\r\n", refusals.missingHost);
  await arena.refused("GET / HTTP/1.1\r\nX-Host: a\r\nHosts: a\r\n\r\n", refusals.missingHost);
  await arena.refused("GET http://a/ HTTP/1.1\r\n\r\n", refusals.missingHost);
});

test("more than one, equal or not, in any letter case", async () => {
  await using arena = await Arena.start();
  for (const lines of [
    "Host: a\r\nHost: a",
    "Host: a\r\nHost: b",
    "Host: a\r\nX-A: 1\r\nhost: b",
    "Host: a\r\nHOST:",
  ]) {
    await arena.refused(`GET / HTTP/1.1\r\n${lines}\r\n\r\n`, refusals.badRequest);
    await arena.refused(`GET / HTTP/1.0\r\n${lines}\r\n\r\n`, refusals.badRequest);
  }
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", refusals.badRequest);
  await arena.refusedAtEverySplit("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", refusals.badRequest);
});

test("names, addresses and ports that are right are forwarded as they came", async () => {
  await using arena = await Arena.start();
  for (const value of [
    "a",
    "A.Example",
    "a:80",
    "a:0",
    "a:65535",
    "127.0.0.1:8080",
    "[::1]",
    "[2001:db8::1]:8080",
    "a_b-c.d~e",
  ]) {
    const seen = await arena.forwarded(`GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`);
    assert.deepEqual(valuesOf(seen, "host"), [value]);
  }
});
