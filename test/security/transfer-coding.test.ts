// SPDX-License-Identifier: Apache-2.0
// TE.TE: exactly one Transfer-Encoding line that says `chunked`, and nothing that another reader could take for it or
// not. Well-formed lists of codings we do not have are 501, the rest 400 (RFC 9112 §6.1, §6.3).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, postWith, refusals, smuggled, valuesOf, type Refusal } from "./support/arena.ts";

const chunkedEnd = `0\r\n\r\n${smuggled}`;
const cases: readonly (readonly [value: string, refusal: Refusal])[] = [
  ["gzip", refusals.coding],
  ["gzip, chunked", refusals.coding],
  ["deflate,gzip,chunked", refusals.coding],
  ["xchunked", refusals.coding],
  ["chunkedx", refusals.coding],
  ["identity", refusals.coding],
  ["identity, chunked", refusals.coding],
  ["cow, chunked", refusals.coding],
  ["chunke", refusals.coding],
  ["chun-ked", refusals.coding],
  ["'chunked'", refusals.coding],
  ["chunked, identity", refusals.badRequest],
  ["chunked, gzip", refusals.badRequest],
  ["chunked, cow", refusals.badRequest],
  ["chunked, chunked", refusals.badRequest],
  ["gzip, chunked, chunked", refusals.badRequest],
  ["", refusals.badRequest],
  [",", refusals.badRequest],
  [",chunked", refusals.badRequest],
  ["chunked,", refusals.badRequest],
  ["chunked;q=1", refusals.badRequest],
  ["chunked;ext", refusals.badRequest],
  ['"chunked"', refusals.badRequest],
  ["x chunked", refusals.badRequest],
  ["chunked x", refusals.badRequest],
  ["chunked\t", refusals.badRequest],
  ["\tchunked", refusals.badRequest],
  ["chunked\v", refusals.badRequest],
  ["\vchunked", refusals.badRequest],
  ["\fchunked", refusals.badRequest],
  ["chunked\0", refusals.badRequest],
  ["chun\0ked", refusals.badRequest],
  ["chunked\x7f", refusals.badRequest],
  ["chunked\xa0", refusals.badRequest],
  ["\xa0chunked", refusals.badRequest],
  ["chunked\r", refusals.badRequest],
  ["chunked\n", refusals.badRequest],
];

test("a coding other than chunked is refused", async () => {
  await using arena = await Arena.start();
  for (const [value, refusal] of cases) {
    await arena.refused(postWith(`Transfer-Encoding: ${value}\r\n`, chunkedEnd), refusal);
  }
});

test("a second line is refused, whatever it says", async () => {
  await using arena = await Arena.start();
  for (const [first, second] of [
    ["chunked", "chunked"],
    ["chunked", "identity"],
    ["identity", "chunked"],
    ["gzip", "chunked"],
    ["", "chunked"],
    ["chunked", ""],
    ["cow", "chunked"],
  ] as const) {
    const lines = `Transfer-Encoding: ${first}\r\nTransfer-encoding: ${second}\r\n`;
    await arena.refused(postWith(lines, chunkedEnd), refusals.badRequest);
  }
});

test("HTTP/1.0 has no transfer codings", async () => {
  await using arena = await Arena.start();
  for (const value of ["chunked", "gzip", "identity", ""]) {
    for (const more of ["", "Connection: keep-alive\r\n"]) {
      const lines = `Host: a\r\nTransfer-Encoding: ${value}\r\n${more}`;
      await arena.refused(`POST / HTTP/1.0\r\n${lines}\r\n${chunkedEnd}`, refusals.badRequest);
    }
  }
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(postWith("Transfer-Encoding: xchunked\r\n", chunkedEnd), refusals.coding);
});

test("chunked in any letter case is forwarded in one spelling", async () => {
  await using arena = await Arena.start();
  for (const value of ["chunked", "Chunked", "CHUNKED", "  chunked  "]) {
    const seen = await arena.forwarded(postWith(`Transfer-Encoding: ${value}\r\n`, "5\r\nhello\r\n0\r\n\r\n"));
    assert.deepEqual([valuesOf(seen, "transfer-encoding"), seen.body], [["chunked"], "hello"], value);
  }
});
