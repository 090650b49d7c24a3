// SPDX-License-Identifier: Apache-2.0
// Content-Length is 1*DIGIT (RFC 9110 §8.6). Everything else that some reader takes for a number is refused, and what is
// taken is written anew, so that the next reader has no choice.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const wrong = [
  "",
  "+5",
  "-5",
  "-0",
  "+0",
  "0x5",
  "5x",
  "x5",
  "1_0",
  "5 5",
  "5\t5",
  "5,5",
  "5, 5",
  ",5",
  "5,",
  "5;",
  "5.0",
  "5e0",
  '"5"',
  "'5'",
  "five",
  "\u00b2",
  "\xd9\xa5",
  "9007199254740992",
  "18446744073709551616",
  "18446744073709551621",
  "99999999999999999999999999999999",
  "0000000000000000000018446744073709551621",
];

test("what is no number of bytes is refused", async () => {
  await using arena = await Arena.start();
  for (const value of wrong) {
    await arena.refused(postWith(`Content-Length: ${value}\r\n`, `hello${smuggled}`), refusals.badRequest);
  }
});

test("white space that readers trim differently is refused", async () => {
  await using arena = await Arena.start();
  for (const byte of ["\t", "\v", "\f", "\0", "\x01", "\x7f", "\x85", "\xa0", "\r", "\n"]) {
    for (const line of [`Content-Length:${byte}5`, `Content-Length: 5${byte}`, `Content-Length:${byte} 5`]) {
      await arena.refused(postWith(`${line}\r\n`, `hello${smuggled}`), refusals.badRequest);
    }
  }
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(postWith("Content-Length: +5\r\n", `hello${smuggled}`), refusals.badRequest);
});

test("leading zeros and spaces are legal and not passed on", async () => {
  await using arena = await Arena.start();
  for (const value of ["5", "05", "0000000000000000000000005", "   5  "]) {
    const seen = await arena.forwarded(postWith(`Content-Length: ${value}\r\n`, "hello"));
    assert.deepEqual([valuesOf(seen, "content-length"), seen.body], [["5"], "hello"], value);
  }
});

test("a length is believed for every method: the body is never the next request", async () => {
  await using arena = await Arena.start();
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "X-OWN"]) {
    const lines = `Host: a\r\nContent-Length: ${smuggled.length}\r\n`;
    const seen = await arena.forwarded(`${method} /whole HTTP/1.1\r\n${lines}\r\n${smuggled}`);
    assert.deepEqual([seen.method, seen.target, seen.body], [method, "/whole", smuggled]);
  }
});
