// SPDX-License-Identifier: Apache-2.0
// More than one Content-Length is refused even when all say the same (RFC 9112 §6.3 allows to be so strict).

import { test } from "node:test";

import { Arena, postWith, refusals, smuggled } from "./support/arena.ts";

const repeats = [
  "Content-Length: 5\r\nContent-Length: 5\r\n",
  "Content-Length: 5\r\nContent-Length: 6\r\n",
  "Content-Length: 5\r\nContent-Length: 0\r\n",
  "Content-Length: 0\r\nContent-Length: 5\r\n",
  "Content-Length: 5\r\ncontent-length: 05\r\n",
  "Content-Length:\r\nContent-Length: 5\r\n",
  "Content-Length: 5\r\nContent-Length:\r\n",
  "CONTENT-LENGTH: 5\r\nX-Between: 1\r\ncontent-length: 5\r\n",
  "Content-Length: 5, 5\r\n",
  "Content-Length: 5,5,5\r\n",
  "Content-Length: 5, 6\r\n",
];

test("any second length is refused", async () => {
  await using arena = await Arena.start();
  for (const lines of repeats) await arena.refused(postWith(lines, `hello${smuggled}`), refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(postWith(repeats[0]!, `hello${smuggled}`), refusals.badRequest);
});
