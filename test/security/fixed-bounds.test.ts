// SPDX-License-Identifier: Apache-2.0
// Work that a few bytes could cause without end is bounded where no limit can be set (docs/limits.md): what is just at
// the bound passes, one more is refused, in either direction.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Arena, postWith, refusals } from "./support/arena.ts";
import { UpstreamAttack } from "./support/upstream-attack.ts";

const coding = "Transfer-Encoding: chunked\r\n";

/** As many options as `count`, none of which names a line. */
const connection = (count: number): string =>
  `Connection: ${Array.from({ length: count }, (_, index) => `x${index}`).join(",")}\r\n`;

/** Head lines and a body of "x" at a bound, and the same one beyond it. */
const bounds: Readonly<Record<string, (beyond: 0 | 1) => readonly [lines: string, body: string]>> = {
  "options in Connection": (beyond) => [connection(32 + beyond) + coding, "1\r\nx\r\n0\r\n\r\n"],
  "extension of one chunk": (beyond) => [coding, `1;${"a".repeat(4_095 + beyond)}\r\nx\r\n0\r\n\r\n`],
  "extensions of all chunks": (beyond) => [
    coding,
    `1;${"a".repeat(2_000)}\r\nx\r\n0;${"a".repeat(2_094 + beyond)}\r\n\r\n`,
  ],
  "digits of a chunk size": (beyond) => [coding, `${"0".repeat(15 + beyond)}1\r\nx\r\n0\r\n\r\n`],
  "lines of trailers": (beyond) => [coding, `1\r\nx\r\n0\r\n${"X: 1\r\n".repeat(64 + beyond)}\r\n`],
  "bytes of trailers": (beyond) => [coding, `1\r\nx\r\n0\r\nX: ${"v".repeat(16_384 - 7 + beyond)}\r\n\r\n`],
};

suite("requests", () => {
  for (const [name, at] of Object.entries(bounds)) {
    test(name, async () => {
      await using arena = await Arena.start();
      assert.equal((await arena.forwarded(postWith(...at(0)))).body, "x");
      await arena.refused(postWith(...at(1)), refusals.badRequest);
    });
  }
});

suite("answers", () => {
  for (const [name, at] of Object.entries(bounds)) {
    test(name, async () => {
      await using attack = await UpstreamAttack.start();
      const [lines, body] = at(0);
      const { answer, broken, outcome } = await attack.deliver([`HTTP/1.1 200 OK\r\n${lines}\r\n${body}!`]);
      assert.match(answer, /\r\n\r\n1\r\nx\r\n0\r\n\r\n$/);
      assert.deepEqual([broken, outcome.code, outcome.flags], [false, 200, "-"]);
      const [beyondLines, beyondBody] = at(1);
      await attack.refused(`HTTP/1.1 200 OK\r\n${beyondLines}\r\n${beyondBody}`);
    });
  }
});
