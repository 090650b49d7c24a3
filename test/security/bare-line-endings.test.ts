// SPDX-License-Identifier: Apache-2.0
// Lines end with CRLF and with nothing else: not in the head, not in chunk framing, not in trailers (RFC 9112 §2.2).

import { test } from "node:test";

import { Arena, postWith, refusals, smuggled } from "./support/arena.ts";

const request = ["GET / HTTP/1.1", "Host: a", "X-A: b", "", ""];
const chunked = ["5", "hello", "0", "X-T: 1", "", ""];
const wrongEnds = ["\n", "\r", "\r\r\n", "\n\r", "\r\0\n", "\r \n", "\x85"];

/** The lines with CRLF between them, but `end` behind line `index`. */
function joined(lines: readonly string[], index: number, end: string): string {
  return lines.map((line, at) => (at === lines.length - 1 ? line : line + (at === index ? end : "\r\n"))).join("");
}

test("each line of the head", async () => {
  await using arena = await Arena.start();
  for (let index = 0; index < request.length - 1; index++) {
    for (const end of wrongEnds) {
      await arena.refused(`${joined(request, index, end)}x${smuggled}`, refusals.badRequest);
    }
  }
});

test("each line of a chunked body", async () => {
  await using arena = await Arena.start();
  for (let index = 0; index < chunked.length - 1; index++) {
    for (const end of wrongEnds) {
      const body = `${joined(chunked, index, end)}x${smuggled}`;
      await arena.refused(postWith("Transfer-Encoding: chunked\r\n", body), refusals.badRequest);
    }
  }
});

test("all lines with LF alone", async () => {
  await using arena = await Arena.start();
  await arena.refused("GET / HTTP/1.1\nHost: a\n\nGET /smuggled HTTP/1.1\nHost: a\n\n", refusals.badRequest);
  await arena.refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", refusals.badRequest);
  await arena.refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", refusals.badRequest);
});

test("CRLF followed by a CR that ends nothing", async () => {
  await using arena = await Arena.start();
  await arena.refused(
    postWith("X-A: b\r\n\rTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    refusals.badRequest,
  );
  await arena.refused(`GET / HTTP/1.1\r\nHost: a\r\n\rX${smuggled}`, refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\n\r\n", refusals.badRequest);
  await arena.refusedAtEverySplit(
    postWith("Transfer-Encoding: chunked\r\n", `5\r\nhello\n0\r\n\r\n${smuggled}`),
    refusals.badRequest,
  );
});
