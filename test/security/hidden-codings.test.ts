// SPDX-License-Identifier: Apache-2.0
// The families of gadgets that hide a Transfer-Encoding from one reader and show it to another. Each stands beside a
// Content-Length, before and after it, and alone: the origin sees one request framed one way, or none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hiddenCodings } from "../property/hidden-codings.ts";
import { Arena, postWith, smuggled, valuesOf } from "./support/arena.ts";

const body = `0\r\n\r\n${smuggled}`;
const length = `Content-Length: ${body.length}\r\n`;

/** What is chunked to everybody. */
const plainlyChunked = /^(?:X: X\r\n)?transfer-encoding: *chunked *\r\n$/i;

for (const [family, lines] of Object.entries(hiddenCodings())) {
  test(`${family}, beside a length`, async () => {
    await using arena = await Arena.start();
    let refused = 0;
    for (const line of lines) {
      for (const payload of [postWith(length + line, body), postWith(line + length, body)]) {
        const seen = await arena.oneOrNone(payload);
        if (seen === null) {
          refused++;
          continue;
        }
        assert.deepEqual(valuesOf(seen, "transfer-encoding"), [], JSON.stringify(line));
        assert.deepEqual([valuesOf(seen, "content-length"), seen.body], [[String(body.length)], body]);
      }
    }
    assert.ok(refused > 0, "a family nothing of which is refused tests nothing");
  });

  test(`${family}, alone`, async () => {
    await using arena = await Arena.start();
    for (const line of lines) {
      const before = arena.origin.requests.length;
      await using client = await arena.proxy.connect();
      // The connection ends after one answer: what is not the body of this request is nothing at all.
      client.send(postWith(`Connection: close\r\n${line}`, "0\r\n\r\n"));
      const answer = await client.takeToEnd();
      await arena.assertUnharmed(JSON.stringify(line));
      const [seen] = arena.origin.requests.slice(before, -1);
      assert.match(answer, seen === undefined ? /^HTTP\/1\.1 (?:400|501) / : /^HTTP\/1\.1 200 /, JSON.stringify(line));
      assert.equal(seen?.chunked ?? false, plainlyChunked.test(line), JSON.stringify(line));
      if (seen?.chunked === false) assert.deepEqual(valuesOf(seen, "transfer-encoding"), []);
    }
  });
}
