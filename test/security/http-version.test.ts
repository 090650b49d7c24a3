// SPDX-License-Identifier: Apache-2.0
// HTTP/1.0 and HTTP/1.1 in exactly this spelling (RFC 9112 §2.3). Everything goes on as HTTP/1.1.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, refusals } from "./support/arena.ts";

test("other versions are 505", async () => {
  await using arena = await Arena.start();
  for (const version of [
    "HTTP/1.2",
    "HTTP/1.9",
    "HTTP/0.9",
    "HTTP/01.1",
    "HTTP/2.0",
    "HTTP/3.0",
    "HTTP/9.9",
    "HTTP/2",
  ]) {
    await arena.refused(`GET / ${version}\r\nHost: a\r\n\r\n`, refusals.version);
  }
});

test("other spellings are 400", async () => {
  await using arena = await Arena.start();
  for (const version of [
    "",
    "HTTP/1",
    "HTTP/1.",
    "HTTP/1.10",
    "HTTP/1.01",
    "HTTP/11.1",
    "HTTP/ 1.1",
    "HTTP /1.1",
    "HTTP/1,1",
    "HTTP/-1.1",
    "HTTP/1.1 ",
    "HTTP/1.1x",
    "HTTP/x.y",
    "http/1.1",
    "Http/1.1",
    "HTTP1.1",
    "HTTPS/1.1",
    "ICY/1.1",
    "RTSP/1.0",
    "HTTP/1.1 HTTP/1.1",
  ]) {
    await arena.refused(`GET / ${version}\r\nHost: a\r\n\r\n`, refusals.badRequest);
  }
});

test("HTTP/0.9 has no version and no answer of its own", async () => {
  await using arena = await Arena.start();
  await arena.refused("GET /\r\n\r\n", refusals.badRequest);
  await arena.refused("GET / \r\n\r\n", refusals.badRequest);
  await arena.refused("GET\r\n\r\n", refusals.badRequest);
});

test("the preface of HTTP/2 is no request", async () => {
  await using arena = await Arena.start();
  await arena.refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", refusals.version);
  await arena.refused("PRI * HTTP/1.1\r\nHost: a\r\n\r\nSM\r\n\r\n", refusals.badRequest);
});

test("the first byte of a TLS handshake is no request", async () => {
  await using arena = await Arena.start();
  await arena.refused("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit("GET / HTTP/1.2\r\nHost: a\r\n\r\n", refusals.version);
});

test("HTTP/1.0 goes on as HTTP/1.1", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded("GET /old HTTP/1.0\r\nHost: a\r\n\r\n");
  assert.equal(seen.target, "/old");
});
