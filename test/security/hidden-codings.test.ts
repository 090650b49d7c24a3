// SPDX-License-Identifier: Apache-2.0
// The families of gadgets that hide a Transfer-Encoding from one reader and show it to another. Each stands beside a
// Content-Length, before and after it, and alone: the origin sees one request framed one way, or none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hiddenCodings } from "../property/hidden-codings.ts";
import { Arena, postWith, smuggled, valuesOf } from "./support/arena.ts";

const body = `0\r\n\r\n${smuggled}`;
const length = `Content-Length: ${body.length}\r\n`;

for (const [family, lines] of Object.entries(hiddenCodings())) {
  test(family, async () => {
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
}
