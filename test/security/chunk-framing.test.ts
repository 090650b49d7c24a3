// SPDX-License-Identifier: Apache-2.0
// Chunk lines are hexadecimal digits and extensions, data is exactly as long as announced, and a CRLF follows it
// (RFC 9112 §7.1). What is forwarded is framed anew: no extension, no odd spelling of a size goes on.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, chunk, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const coding = "Transfer-Encoding: chunked\r\n";

const wrongSizes = [
  "",
  " ",
  "0x5",
  "x5",
  "5x",
  "5h",
  "+5",
  "-5",
  "-0",
  "5_",
  "_5",
  "0_5",
  " 5",
  "5 ",
  "\t5",
  "5\t",
  "5 ;a",
  "5\0",
  "5.0",
  "5,5",
  "\xb55",
  "fffffffffffffffff",
  "ffffffffffffffff",
  "20000000000000",
  "10000000000000005",
  "00000000000000000000000000000005",
  "100000000000000000000000000000005",
];

test("sizes that readers would see differently", async () => {
  await using arena = await Arena.start();
  for (const size of wrongSizes) {
    await arena.refused(postWith(coding, `${size}\r\nhello\r\n0\r\n\r\n${smuggled}`), refusals.badRequest);
    await arena.refused(postWith(coding, `${chunk("first")}${size}\r\nhello\r\n0\r\n\r\n`), refusals.badRequest);
  }
});

test("a last chunk that is none", async () => {
  await using arena = await Arena.start();
  for (const size of ["0x0", "-0", "+0", "0 ", " 0", "0_0", "0;", "0\t", "o"]) {
    await arena.refused(postWith(coding, `${chunk("hello")}${size}\r\n\r\n${smuggled}`), refusals.badRequest);
  }
});

test("data longer or shorter than its size, or without its CRLF", async () => {
  await using arena = await Arena.start();
  for (const body of [
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello!\r\n0\r\n\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "5\r\nhelloXX0\r\n\r\n",
    "5\r\nhello\rX0\r\n\r\n",
    "5\r\nhello\n\n0\r\n\r\n",
    "0\r\nX",
    "0\r\n\rX",
  ]) {
    await arena.refused(postWith(coding, body + smuggled), refusals.badRequest);
  }
});

test("extensions that are not tokens, quoted strings and semicolons", async () => {
  await using arena = await Arena.start();
  for (const extension of [
    ";",
    ";;",
    ";a;",
    ";a=",
    ";=a",
    "; a",
    ";a =b",
    ";a= b",
    ";a b",
    ';a="b',
    ';a="b"c',
    ";a=\0",
    ";a=\x7f",
    ";a\n",
    ";\n",
    ";a=b\rX",
    ';a="\n"',
    ';a="\r\n"',
    ";\xff",
  ]) {
    const body = `5${extension}\r\nhello\r\n0\r\n\r\n${smuggled}`;
    await arena.refused(postWith(coding, body), refusals.badRequest);
  }
});

test("extensions have a budget for the whole message (CVE-2024-22019)", async () => {
  await using arena = await Arena.start();
  const large = `;a=${"b".repeat(8_000)}`;
  await arena.refused(postWith(coding, `5${large}\r\nhello\r\n0\r\n\r\n`), refusals.badRequest);
  const small = `1;a=${"b".repeat(60)}\r\nx\r\n`;
  await arena.refused(postWith(coding, `${small.repeat(100)}0\r\n\r\n`), refusals.badRequest);
  const seen = await arena.forwarded(postWith(coding, `${small.repeat(50)}0\r\n\r\n`));
  assert.equal(seen.body, "x".repeat(50));
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(postWith(coding, `5\r\nhello!\r\n0\r\n\r\n${smuggled}`), refusals.badRequest);
  await arena.refusedAtEverySplit(postWith(coding, `1\r\nx\r\n0x5\r\nhello\r\n0\r\n\r\n`), refusals.badRequest);
});

test("a body that looks like framing stays a body, wherever it is split", async () => {
  await using arena = await Arena.start();
  const body = `0\r\n\r\n${smuggled}`;
  const payload = postWith(coding, `${chunk(body)}0\r\n\r\n`);
  for (let cut = 0; cut < payload.length; cut++) {
    const seen = await arena.forwarded(payload, [cut]);
    assert.deepEqual([valuesOf(seen, "transfer-encoding"), seen.body], [["chunked"], body]);
  }
});

test("legal spellings reach the origin as one", async () => {
  await using arena = await Arena.start();
  for (const body of [
    "5\r\nhello\r\n0\r\n\r\n",
    '005;a;b=c;d="e;\\"f"\r\nhello\r\n000;a\r\n\r\n',
    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
  ]) {
    const seen = await arena.forwarded(postWith(coding, body));
    assert.equal(seen.body, "hello");
  }
  const long = await arena.forwarded(postWith(coding, `A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n`));
  assert.equal(long.body, "01234567890123456789");
});
