// SPDX-License-Identifier: Apache-2.0
// What is matched is what is forwarded: one reading of the request target, and refusal where another reader could have
// a second one (RFC 9112 §3.2, Istio's path normalisation BASE).

import assert from "node:assert/strict";
import { test } from "node:test";

import { route } from "../support/proxy-under-test.ts";
import { Arena, refusals, smuggled, valuesOf } from "./support/arena.ts";

const get = (target: string, host = "a"): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

test("bytes that are no part of a target", async () => {
  await using arena = await Arena.start();
  for (const target of [
    "/a#b",
    "/#",
    "#",
    "/?a#b",
    "http://a/#b",
    "/\xe9",
    "/caf\xc3\xa9",
    "/\xc0\xaf",
    "/a b",
    "/\x7f",
    "",
  ]) {
    await arena.refused(get(target), refusals.badRequest);
  }
});

test("forms that are neither a path nor an http:// URL", async () => {
  await using arena = await Arena.start();
  for (const target of [
    "a",
    "a/b",
    "a:80",
    "a.example:443",
    "?a",
    "\\a",
    "*a",
    "**",
    "https://a/",
    "ftp://a/",
    "HTTPS://a/",
    "file:///etc/passwd",
    "http:/a/",
    "http:a",
  ]) {
    await arena.refused(get(target), refusals.badRequest);
  }
});

test("CONNECT is not served, in any form", async () => {
  await using arena = await Arena.start();
  for (const target of ["a:443", "/", "http://a/", "127.0.0.1:22"]) {
    await arena.refused(`CONNECT ${target} HTTP/1.1\r\nHost: a:443\r\n\r\n${smuggled}`, refusals.method);
  }
});

test("the asterisk is for OPTIONS alone", async () => {
  await using arena = await Arena.start({ routes: [route({})] });
  for (const method of ["GET", "POST", "HEAD", "X-OWN"]) {
    await arena.refused(`${method} * HTTP/1.1\r\nHost: a\r\n\r\n`, refusals.badRequest);
  }
  const seen = await arena.forwarded("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(seen.target, "*");
});

test("absolute form: the authority must be the Host's, and an authority", async () => {
  await using arena = await Arena.start();
  for (const [target, host] of [
    ["http://evil/", "a"],
    ["http://a.evil/", "a"],
    ["http://a:80/", "a"],
    ["http://a/", "a:80"],
    ["http://a:81/", "a:80"],
    ["http://user@a/", "a"],
    ["http://a@evil/", "evil"],
    ["http:///", "a"],
    ["http://", "a"],
    ["http://?a", "a"],
    ["http://a,b/", "a"],
    ["http://a:/", "a"],
    ["http://a:99999/", "a:99999"],
    ["http://a\\@evil/", "a"],
    ["http://%61/", "a"],
  ] as const) {
    await arena.refused(get(target, host), refusals.badRequest);
  }
});

test("absolute form reaches the origin as a path, with everything matched in it", async () => {
  await using arena = await Arena.start();
  for (const [target, forwarded] of [
    ["http://a/", "/"],
    ["http://a", "/"],
    ["HTTP://A/b?c", "/b?c"],
    ["http://a?b=c", "/?b=c"],
    ["http://a/../b", "/b"],
    ["http://a/x/%2e%2e/b?../c", "/b?../c"],
  ] as const) {
    const seen = await arena.forwarded(get(target));
    assert.equal(seen.target, forwarded, target);
    assert.deepEqual(valuesOf(seen, "host"), ["a"]);
  }
});

/** What Istio's BASE normalisation makes of a path. */
const normalised: readonly (readonly [received: string, forwarded: string])[] = [
  ["/a/../b", "/b"],
  ["/a/./b", "/a/b"],
  ["/..", "/"],
  ["/../../..", "/"],
  ["/a/b/..", "/a/"],
  ["/a/.", "/a/"],
  ["/a/%2e%2e/b", "/b"],
  ["/a/%2E%2e/b", "/b"],
  ["/a/.%2e/b", "/b"],
  ["/a\\b", "/a/b"],
  ["/a/..\\..\\b", "/b"],
  ["/%61dmin", "/admin"],
  ["/%2561dmin", "/%2561dmin"],
  ["/%252e%252e/b", "/%252e%252e/b"],
  ["/a%2fb", "/a%2fb"],
  ["/a%2Fb", "/a%2Fb"],
  ["/a%5cb", "/a%5cb"],
  ["/a%c0%ae%c0%ae/b", "/a%c0%ae%c0%ae/b"],
  ["/a/...", "/a/..."],
  ["//a//b", "//a//b"],
  ["/a;/../b", "/b"],
  ["/a?/../b%2e", "/a?/../b%2e"],
  ["/.?a", "/?a"],
];

test("dot segments, backslashes and escapes: the normal form is what reaches the origin", async () => {
  await using arena = await Arena.start();
  for (const [received, forwarded] of normalised) {
    const seen = await arena.forwarded(get(received));
    assert.equal(seen.target, forwarded, received);
  }
});

test("the normal form is also what is matched: no spelling gets past a route", async () => {
  const closed = route({ uri: { kind: "prefix", value: "/admin" } });
  await using arena = await Arena.start({
    routes: [
      { ...closed, action: { kind: "reply", status: 403, body: "" } },
      route({ uri: { kind: "prefix", value: "/" } }),
    ],
  });
  for (const target of [
    "/admin",
    "/%61dmin",
    "/x/../admin",
    "/x/%2e%2e/admin",
    "/x\\..\\admin",
    "/\\..\\admin",
    "/./admin/x",
    "/%2e/admin",
    "http://a/x/../admin",
    "/admin/../%61dmin",
  ]) {
    await arena.answered(get(target), 403);
  }
});

test("escapes that no two readers agree on", async () => {
  await using arena = await Arena.start();
  for (const target of ["/%00", "/a%00.html", "/%", "/%4", "/%zz", "/a%", "/%-1", "/%u0041", "http://a/%00"]) {
    await arena.answered(get(target), 400);
    assert.equal(arena.proxy.accessLog.at(-2)?.responseCodeDetails, "path_normalization_failed");
  }
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(get("http://evil/"), refusals.badRequest);
  await arena.refusedAtEverySplit(get("/a#b"), refusals.badRequest);
  const payload = get("/x/%2e%2e/b?c");
  for (let cut = 0; cut < payload.length; cut++) assert.equal((await arena.forwarded(payload, [cut])).target, "/b?c");
});
