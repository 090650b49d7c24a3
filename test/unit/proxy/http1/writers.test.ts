// SPDX-License-Identifier: Apache-2.0
// Writers write exactly what they say, where they say, and nothing beside it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  chunkPrefixLength,
  copyBytes,
  writeAscii,
  writeChunkPrefix,
  writeDecimal,
} from "../../../../src/proxy/http1/index.ts";

/** What `write` wrote at offset 3; fails when it touched anything else. */
function written(write: (out: Buffer, at: number) => number): string {
  const out = Buffer.alloc(400, "#");
  const end = write(out, 3);
  const text = out.toString("latin1");
  assert.equal(text.slice(0, 3) + text.slice(end), "#".repeat(400 - (end - 3)));
  return text.slice(3, end);
}

describe("writers", () => {
  it("write chunk prefixes and know their length", () => {
    for (const size of [1, 9, 10, 15, 16, 255, 256, 6826, 65_535, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      assert.equal(
        written((out, at) => writeChunkPrefix(out, at, size)),
        `${size.toString(16)}\r\n`,
      );
      assert.equal(chunkPrefixLength(size), size.toString(16).length + 2);
    }
  });

  it("write decimal numbers", () => {
    for (const value of [0, 1, 9, 10, 99, 100, 1024, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
      assert.equal(
        written((out, at) => writeDecimal(out, at, value)),
        String(value),
      );
    }
  });

  it("write texts and copy ranges of any length", () => {
    const source = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    for (const length of [0, 1, 8, 23, 24, 25, 31, 32, 33, 64, 256]) {
      const text = source.toString("latin1", 0, length);
      assert.equal(
        written((out, at) => writeAscii(out, at, text)),
        text,
      );
      assert.equal(
        written((out, at) => copyBytes(source, 256 - length, 256, out, at)),
        source.toString("latin1", 256 - length),
      );
    }
  });
});
