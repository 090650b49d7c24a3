// SPDX-License-Identifier: Apache-2.0
// A Connection field takes fields out of the message (RFC 9110 §7.6.1). It must not be able to take out framing, routing
// or identity (CVE-2024-45410, CVE-2026-29054), and what it takes out must not be matched either.

import assert from "node:assert/strict";
import { test } from "node:test";

import { route } from "../support/proxy-under-test.ts";
import { Arena, refusals, valuesOf } from "./support/arena.ts";

const protectedNames = [
  "Host",
  "Content-Length",
  "Transfer-Encoding",
  "Authorization",
  "Proxy-Authorization",
  "Cookie",
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Prefix",
  "X-Forwarded-Client-Cert",
  "Forwarded",
  "Via",
  "X-Request-Id",
  "X-Envoy-External-Address",
];

test("framing, routing and identity are not nominable", async () => {
  await using arena = await Arena.start();
  for (const name of protectedNames) {
    for (const value of [name, name.toUpperCase(), `close, ${name}`, `${name},keep-alive`, `x-a ,\t${name}`]) {
      const lines = `Host: a\r\nAuthorization: Basic eA==\r\nCookie: a=b\r\nConnection: ${value}\r\n`;
      await arena.refused(`GET / HTTP/1.1\r\n${lines}\r\n`, refusals.badRequest);
    }
  }
});

test("neither in a second Connection line nor in HTTP/1.0", async () => {
  await using arena = await Arena.start();
  const second = "Host: a\r\nConnection: close\r\nCookie: a=b\r\nconnection: cookie\r\n";
  await arena.refused(`GET / HTTP/1.1\r\n${second}\r\n`, refusals.badRequest);
  await arena.refused("GET / HTTP/1.0\r\nHost: a\r\nConnection: cookie\r\n\r\n", refusals.badRequest);
});

test("a Connection field that is no list of tokens", async () => {
  await using arena = await Arena.start();
  for (const value of ["a b", "close;q=1", '"close"', "close, a b", "a/b", "\xe9", ":authority", "close=1", "[x]"]) {
    await arena.refused(`GET / HTTP/1.1\r\nHost: a\r\nConnection: ${value}\r\n\r\n`, refusals.badRequest);
  }
  const many = Array.from({ length: 40 }, (_, index) => `x${index}`).join(",");
  await arena.refused(`GET / HTTP/1.1\r\nHost: a\r\nConnection: ${many}\r\n\r\n`, refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n", refusals.badRequest);
});

test("other nominated fields and the hop-by-hop ones end here", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded(
    "GET / HTTP/1.1\r\nHost: a\r\nX-Own: 1\r\nConnection: x-own, keep-alive, , X-OTHER\r\nx-other: 2\r\nX-Own: 3\r\n" +
      "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: x\r\nX-Stays: 4\r\n\r\n",
  );
  assert.deepEqual(
    seen.headers.map(([name]) => name.toLowerCase()),
    ["host", "x-stays", "x-forwarded-for", "x-forwarded-proto", "x-request-id"],
  );
  assert.deepEqual(valuesOf(seen, "x-stays"), ["4"]);
});

test("a nominated field is not matched: nobody routes by what he does not pass on", async () => {
  const internal = route({ headers: [{ name: "x-internal", match: { kind: "exact", value: "yes" } }] });
  await using arena = await Arena.start({
    routes: [
      { ...internal, action: { kind: "reply", status: 403, body: "" } },
      route({ uri: { kind: "prefix", value: "/" } }),
    ],
  });
  await arena.answered("GET / HTTP/1.1\r\nHost: a\r\nX-Internal: yes\r\n\r\n", 403);
  const seen = await arena.forwarded("GET / HTTP/1.1\r\nHost: a\r\nX-Internal: yes\r\nConnection: x-internal\r\n\r\n");
  assert.deepEqual(valuesOf(seen, "x-internal"), []);
});
