// SPDX-License-Identifier: Apache-2.0
// Folded field lines are refused (RFC 9112 §5.2): some readers join them, others see a second field.

import { test } from "node:test";

import { Arena, postWith, refusals, smuggled } from "./support/arena.ts";

const folds = [
  "X-A: b\r\n Transfer-Encoding: chunked\r\n",
  "X-A: b\r\n\tTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding:\r\n chunked\r\n",
  "Transfer-Encoding: chunked\r\n , identity\r\n",
  "Content-Length: 5\r\n 5\r\n",
  "Content-Length:\r\n 5\r\n",
  "X-A:\r\n \r\n",
  "X-A: b\r\n \r\n",
  "X-A: b\r\n  c\r\n\td\r\n",
];

test("a line that goes on in the next one", async () => {
  await using arena = await Arena.start();
  for (const lines of folds) await arena.refused(postWith(lines, `0\r\n\r\n${smuggled}`), refusals.badRequest);
});

test("before the first field and inside Host", async () => {
  await using arena = await Arena.start();
  await arena.refused(`GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n`, refusals.badRequest);
  await arena.refused(`GET / HTTP/1.1\r\n\tX-A: a\r\nHost: b\r\n\r\n`, refusals.badRequest);
  await arena.refused(`GET / HTTP/1.1\r\nHost: a\r\n .evil\r\n\r\n`, refusals.badRequest);
  await arena.refused(`GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n`, refusals.badRequest);
});

test("in trailers", async () => {
  await using arena = await Arena.start();
  const body = `0\r\nX-T: 1\r\n 2\r\n\r\n${smuggled}`;
  await arena.refused(postWith("Transfer-Encoding: chunked\r\n", body), refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(postWith(folds[0]!, `0\r\n\r\n${smuggled}`), refusals.badRequest);
});
