// SPDX-License-Identifier: Apache-2.0
// An origin is trusted no more than a client: an answer that two readers could see differently is 502 and its connection
// is dropped, so that nobody gets what belongs to somebody else (response queue poisoning).

import assert from "node:assert/strict";
import { test } from "node:test";

import { ok } from "../support/messages.ts";
import { UpstreamAttack } from "./support/upstream-attack.ts";

const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
const withLines = (lines: string, body = ""): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${body}`;

const ambiguous = [
  "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
  "Content-Length: 4\r\nContent-Length: 5\r\n",
  "Content-Length: 4\r\nContent-Length: 4\r\n",
  "Content-Length: 4, 4\r\n",
  "Content-Length: +4\r\n",
  "Content-Length: -1\r\n",
  "Content-Length: 0x4\r\n",
  "Content-Length: 4 4\r\n",
  "Content-Length:\r\n",
  "Content-Length: 18446744073709551620\r\n",
  "Content-Length:\t4\r\n",
  "Transfer-Encoding: gzip\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: chunked, gzip\r\n",
  "Transfer-Encoding: chunked, chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Transfer-Encoding: xchunked\r\n",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding:\r\n",
  "Transfer-Encoding : chunked\r\n",
  "Transfer-Encoding: chunked\x0b\r\n",
  "Content-Length : 4\r\n",
  "X-A: b\r\n Content-Length: 4\r\n",
  "Connection: content-length\r\nContent-Length: 4\r\n",
  "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
  "Connection: a b\r\n",
];

test("framing that readers see differently", async () => {
  await using attack = await UpstreamAttack.start();
  for (const lines of ambiguous) await attack.refused(withLines(lines, `4\r\nbody\r\n0\r\n\r\n${evil}`));
});

test("with HEAD too: it is the origin that cannot be trusted, not the body", async () => {
  await using attack = await UpstreamAttack.start();
  for (const lines of ambiguous.slice(0, 4)) {
    const { answer, outcome } = await attack.deliver([withLines(lines)], { method: "HEAD" });
    assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*\r\n\r\n$/);
    assert.equal(outcome.flags, "UPE");
  }
});

test("a transfer coding in an HTTP/1.0 answer", async () => {
  await using attack = await UpstreamAttack.start();
  await attack.refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
});

test("wherever the bytes are split", async () => {
  await using attack = await UpstreamAttack.start();
  const bytes = withLines("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
  for (let cut = 0; cut < bytes.length; cut++) await attack.refused(bytes, [cut]);
});

const badChunks = [
  "x\r\nevil",
  "\r\n",
  "0x4\r\nbody\r\n0\r\n\r\n",
  "+4\r\nbody\r\n0\r\n\r\n",
  "4 \r\nbody\r\n0\r\n\r\n",
  "4\nbody\r\n0\r\n\r\n",
  "4\r\nbody0\r\n\r\n",
  "4\r\nbody\n0\r\n\r\n",
  "4\r\nbodybody\r\n0\r\n\r\n",
  "10000000000000004\r\nbody\r\n0\r\n\r\n",
  "4;\r\nbody\r\n0\r\n\r\n",
  `4;${"a".repeat(5_000)}\r\nbody\r\n0\r\n\r\n`,
  "0\r\nContent-Length: 4\r\n\r\n",
  "0\r\nX-T : 1\r\n\r\n",
  "0\r\n\rX",
];

test("a bad chunk that comes with the head is 502, one that comes later breaks the answer off", async () => {
  await using attack = await UpstreamAttack.start();
  const head = withLines("Transfer-Encoding: chunked\r\n");
  for (const body of badChunks) {
    await attack.refused(head + body);
    await attack.broken(head, body);
    await attack.broken(`${head}5\r\nfirst\r\n`, body);
  }
});

test("a body shorter than announced breaks off too, and is no whole answer to anybody", async () => {
  await using attack = await UpstreamAttack.start();
  for (const body of [
    withLines("Content-Length: 10\r\n", "short"),
    withLines("Transfer-Encoding: chunked\r\n", "a\r\nshort"),
    withLines("Transfer-Encoding: chunked\r\n", "5\r\nshort\r\n"),
    withLines("Transfer-Encoding: chunked\r\n", "5\r\nshort\r\n0\r\n"),
  ]) {
    const { answer, broken, outcome } = await attack.deliver([body], { thenEnd: true });
    assert.ok(broken, body);
    assert.match(answer, /short(?:\r\n)?$/);
    assert.equal(outcome.flags, "UC");
  }
});

/** What follows an answer that is whole. */
const surpluses = ["x", "\r\n", "\0", evil, "HTTP/1.1 103 Early Hints\r\n\r\n", "0\r\n\r\n"];

test("surplus bytes are nobody's answer", async () => {
  await using attack = await UpstreamAttack.start();
  for (const surplus of surpluses) {
    for (const [bytes, method] of [
      [ok("whole"), "GET"],
      [withLines("Transfer-Encoding: chunked\r\n", "5\r\nwhole\r\n0\r\n\r\n"), "GET"],
      ["HTTP/1.1 204 No Content\r\n\r\n", "GET"],
      ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET"],
      [withLines("Content-Length: 5\r\n"), "HEAD"],
      [withLines("Transfer-Encoding: chunked\r\n"), "HEAD"],
    ] as const) {
      // In one piece with the answer, and behind it, when the connection is idle already.
      for (const parts of [[bytes + surplus], [bytes, surplus]]) {
        const { answer, broken, outcome } = await attack.deliver(parts, { method });
        assert.equal(answer.split("HTTP/1.1 ").length, 2, JSON.stringify(answer));
        assert.doesNotMatch(answer, /evil/);
        assert.deepEqual([broken, outcome.flags], [false, "-"]);
      }
    }
  }
});

test("a body where there is none is not passed on", async () => {
  await using attack = await UpstreamAttack.start();
  for (const [bytes, method] of [
    [ok("body"), "HEAD"],
    [withLines("Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"), "HEAD"],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody", "GET"],
    ["HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "GET"],
    ["HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody", "GET"],
    ["HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "GET"],
  ] as const) {
    const { answer } = await attack.deliver([bytes], { method });
    assert.ok(answer.endsWith("\r\n\r\n"), JSON.stringify(answer));
    assert.doesNotMatch(answer, /transfer-encoding/i);
    // RFC 9110 §8.6: no length with 204.
    if (answer.startsWith("HTTP/1.1 204")) assert.doesNotMatch(answer, /content-length/i);
  }
});
