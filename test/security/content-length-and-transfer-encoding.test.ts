// SPDX-License-Identifier: Apache-2.0
// CL.TE and TE.CL: a message with both lengths is refused, whatever they say (RFC 9112 §6.1).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, chunk, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const pairs: readonly (readonly [first: string, second: string])[] = [
  ["Content-Length: 4", "Transfer-Encoding: chunked"],
  ["Transfer-Encoding: chunked", "Content-Length: 4"],
  ["Content-Length: 0", "Transfer-Encoding: chunked"],
  ["transfer-encoding: chunked", "content-length: 0"],
  ["Transfer-Encoding: CHUNKED", "Content-Length: 4"],
  ["Content-Length: 4", "X-Between: 1\r\nTransfer-Encoding: chunked"],
  ["Content-Length: 4", "Transfer-Encoding: identity"],
  ["Content-Length: 4", "Transfer-Encoding: gzip, chunked"],
  ["Content-Length: 4", "Transfer-Encoding:"],
  ["Content-Length: 4", "Transfer-Encoding: xchunked"],
];

test("both lengths are refused in either order, with any coding", async () => {
  await using arena = await Arena.start();
  for (const [first, second] of pairs) {
    for (const body of [`0\r\n\r\n${smuggled}`, `${chunk(smuggled)}0\r\n\r\n`, ""]) {
      await arena.refused(postWith(`${first}\r\n${second}\r\n`, body), refusals.badRequest);
    }
  }
});

test("with every method, those without a body included", async () => {
  await using arena = await Arena.start();
  for (const method of ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "TRACE", "X-OWN"]) {
    const lines = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    await arena.refused(`${method} / HTTP/1.1\r\nHost: a\r\n${lines}\r\n0\r\n\r\n${smuggled}`, refusals.badRequest);
  }
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(
    postWith("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    refusals.badRequest,
  );
});

test("one length alone is forwarded as that length alone", async () => {
  await using arena = await Arena.start();
  const counted = await arena.forwarded(postWith("Content-Length: 5\r\n", "0\r\n\r\n"));
  assert.deepEqual([valuesOf(counted, "content-length"), valuesOf(counted, "transfer-encoding")], [["5"], []]);
  assert.equal(counted.body, "0\r\n\r\n");
  const chunked = await arena.forwarded(postWith("Transfer-Encoding: chunked\r\n", `${chunk(smuggled)}0\r\n\r\n`));
  assert.deepEqual([valuesOf(chunked, "content-length"), valuesOf(chunked, "transfer-encoding")], [[], ["chunked"]]);
  assert.equal(chunked.body, smuggled);
});
