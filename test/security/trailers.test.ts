// SPDX-License-Identifier: Apache-2.0
// Trailers come when framing, routing and authorization are long decided (RFC 9110 §6.5.1): framing in them is refused,
// what decides anything is dropped, the rest follows the body.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const withTrailers = (lines: string, rest = ""): string =>
  postWith("Transfer-Encoding: chunked\r\n", `5\r\nhello\r\n0\r\n${lines}\r\n${rest}`);

test("framing and Host are refused", async () => {
  await using arena = await Arena.start();
  for (const line of [
    "Content-Length: 5",
    "content-length: 0",
    "Transfer-Encoding: chunked",
    "TRANSFER-ENCODING: identity",
    "Host: evil",
    "X-T: 1\r\nContent-Length: 5",
  ]) {
    await arena.refused(withTrailers(`${line}\r\n`, smuggled), refusals.badRequest);
  }
});

test("lines that are no fields are refused", async () => {
  await using arena = await Arena.start();
  for (const line of [
    "X-T : 1",
    " X-T: 1",
    ": 1",
    "X-T",
    "X T: 1",
    "X-T: \0",
    "X-T: 1\n",
    "X-T: 1\r",
    "X-T: a\nX-U: b",
    "\rX",
  ]) {
    await arena.refused(withTrailers(`${line}\r\n`, smuggled), refusals.badRequest);
  }
});

test("what routes, authorizes or controls is dropped, the rest goes on", async () => {
  await using arena = await Arena.start();
  const dropped = [
    "Authorization: Bearer x",
    "Proxy-Authorization: x",
    "Cookie: a=b",
    "Set-Cookie: a=b",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Client-Cert: By=evil",
    "Forwarded: for=1.2.3.4",
    "X-Request-Id: forged",
    "X-Envoy-Retry-On: 5xx",
    "Connection: close",
    "Keep-Alive: timeout=1",
    "Upgrade: websocket",
    "TE: trailers",
    "Trailer: X-T",
    "Expect: 100-continue",
    "Content-Type: text/html",
    "Content-Encoding: gzip",
    "Content-Range: bytes 0-1/2",
    "Cache-Control: no-store",
    "Max-Forwards: 0",
    "Range: bytes=0-1",
    "If-Match: x",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  ];
  for (const line of dropped) {
    const seen = await arena.forwarded(withTrailers(`X-T: 1\r\n${line}\r\nX-U: 2\r\n`));
    assert.deepEqual([seen.body, seen.trailers], ["hello", "X-T: 1\r\nX-U: 2\r\n"], line);
  }
});

test("they are no headers: nothing is matched or answered by them", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded(withTrailers("X-Forwarded-For: 1.2.3.4\r\nX-Own: 1\r\n"));
  assert.deepEqual([valuesOf(seen, "x-own"), valuesOf(seen, "x-forwarded-for")], [[], ["127.0.0.1"]]);
});

test("there is a limit of bytes and of lines", async () => {
  await using arena = await Arena.start();
  await arena.refused(withTrailers(`X-T: ${"v".repeat(17_000)}\r\n`), refusals.badRequest);
  await arena.refused(withTrailers("X-T: 1\r\n".repeat(65)), refusals.badRequest);
  const seen = await arena.forwarded(withTrailers("X-T: 1\r\n".repeat(64)));
  assert.equal(seen.trailers, "X-T: 1\r\n".repeat(64));
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(withTrailers("Content-Length: 5\r\n", smuggled), refusals.badRequest);
  const payload = withTrailers("X-T: 1\r\nCookie: a\r\nX-U: 2\r\n");
  for (let cut = 0; cut < payload.length; cut++) {
    const seen = await arena.forwarded(payload, [cut]);
    assert.deepEqual([seen.body, seen.trailers], ["hello", "X-T: 1\r\nX-U: 2\r\n"]);
  }
});
