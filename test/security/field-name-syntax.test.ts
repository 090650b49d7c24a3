// SPDX-License-Identifier: Apache-2.0
// Field names are tokens with the colon right behind (RFC 9112 §5.1). Names that only look like a framing field to
// somebody else are other fields, passed on as they are; they never frame anything here.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const wrong = [
  "Transfer-Encoding : chunked",
  "Transfer-Encoding\t: chunked",
  "Content-Length : 5",
  " Content-Length: 5",
  "\tContent-Length: 5",
  ": empty",
  ":",
  " : x",
  "no colon",
  "NoColon",
  "Two Words: x",
  "Transfer Encoding: chunked",
  "(comment): x",
  "X,Y: x",
  "X;Y: x",
  "X/Y: x",
  "X@Y: x",
  "X[0]: x",
  "{X}: x",
  '"Content-Length": 5',
  "X\\Y: x",
  "X=Y: x",
  "X?: x",
  "<X>: x",
  "\xefX: x",
  "X\xff: x",
  "\xa0Transfer-Encoding: chunked",
];

test("a name that is no token is refused", async () => {
  await using arena = await Arena.start();
  for (const line of wrong) await arena.refused(postWith(`${line}\r\n`, `0\r\n\r\n${smuggled}`), refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  const payload = postWith("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${smuggled}`);
  await arena.refusedAtEverySplit(payload, refusals.badRequest);
});

// Envoy refuses underscores in its edge profile and nginx drops such fields, because CGI-like servers read them as
// hyphens; naru can do either (underscores.test.ts). By default it passes them on: `Content_Length` is never
// framing here, and the origin sees exactly the length that naru framed.
test("underscores make other fields, which are passed on and frame nothing", async () => {
  await using arena = await Arena.start();
  const lines = "Content_Length: 40\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 1.2.3.4\r\nContent-Length: 5\r\n";
  const seen = await arena.forwarded(postWith(lines, "hello"));
  assert.deepEqual(valuesOf(seen, "content_length"), ["40"]);
  assert.deepEqual(valuesOf(seen, "transfer_encoding"), ["chunked"]);
  assert.deepEqual(valuesOf(seen, "x_forwarded_for"), ["1.2.3.4"]);
  assert.deepEqual(valuesOf(seen, "x-forwarded-for"), ["127.0.0.1"]);
  assert.deepEqual([valuesOf(seen, "content-length"), seen.body], [["5"], "hello"]);
});

test("every token byte is fine in a name", async () => {
  await using arena = await Arena.start();
  const name = "X!#$%&'*+-.^_`|~09azAZ";
  const seen = await arena.forwarded(`GET / HTTP/1.1\r\nHost: a\r\n${name}: 1\r\n\r\n`);
  assert.deepEqual(valuesOf(seen, name.toLowerCase()), ["1"]);
});
