// SPDX-License-Identifier: Apache-2.0
// Where bodies end, which chunked bodies are malformed, and which trailers go on.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BodyDecoder } from "../../../../src/proxy/http1/index.ts";
import { allCuts, type BodyReading, bytesOf, readBody } from "./reading.ts";

function readChunked(message: string, cuts: readonly number[] = []): BodyReading {
  const decoder = new BodyDecoder();
  decoder.startChunked();
  return readBody(decoder, "", bytesOf(message), 0, [...cuts, message.length], false);
}

const malformed: Record<string, readonly string[]> = {
  "sizes that are not hexadecimal digits": [
    "\r\n",
    "g\r\n",
    "0x5\r\nhello",
    "-5\r\n",
    "+5\r\n",
    " 5\r\n",
    "5 \r\nhello",
    "5\t\r\n",
    "5_0\r\n",
    "5,5\r\n",
  ],
  "sizes beyond 2^53-1": [
    "20000000000000\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000005\r\n",
    `${"0".repeat(17)}\r\n`,
  ],
  "bare CR and LF": [
    "5\nhello\r\n",
    "5\rhello\r\n",
    "5\rxhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\rx",
    "0\r\n\n",
    "0\r\n\rx",
    "0\n\r\n",
    "5;a\nhello",
  ],
  "chunks longer than their size": ["5\r\nhello!\r\n", "5\r\nhellohello", "1\r\nab\r\n"],
  "malformed extensions": [
    "5;\r\n",
    "5;a=\r\n",
    "5; a\r\n",
    "5;a b\r\n",
    "5;a=b c\r\n",
    '5;a="b\r\n',
    '5;a="b"c\r\n',
    "5;a=\0\r\n",
    "5;=b\r\n",
    "5;;\r\n",
    '5;a="\0"\r\n',
    '5;"a"\r\n',
  ],
  "extensions beyond the budget of a message": [
    `1;${"a".repeat(4096)}\r\nx\r\n`,
    `1;${"a".repeat(1024)}\r\nx\r\n`.repeat(4),
  ],
  "malformed trailers": [
    "0\r\nX : a\r\n\r\n",
    "0\r\n X: a\r\n\r\n",
    "0\r\nX: a\n\r\n",
    "0\r\nX: a\r\n b\r\n\r\n",
    "0\r\nX\r\n\r\n",
    "0\r\nX: \0\r\n\r\n",
  ],
  "framing in trailers": [
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nX: a\r\ntransfer-encoding: chunked\r\n\r\n",
    "0\r\nHOST: a\r\n\r\n",
  ],
  "too many trailers": [`0\r\nX: ${"a".repeat(16_384)}\r\n\r\n`, `0\r\n${"X: a\r\n".repeat(65)}\r\n`],
};

describe("a chunked body is malformed", () => {
  for (const [title, messages] of Object.entries(malformed)) {
    it(`by ${title}`, () => {
      for (const message of messages) {
        const whole = readChunked(message);
        assert.equal(whole.outcome, "refused", JSON.stringify(message.slice(0, 100)));
        assert.notEqual(whole.reason, "");
        const cuts = message.length > 300 ? [[1], [2], [message.length - 1], [100, 1000]] : allCuts(message.length);
        for (const cut of cuts)
          assert.deepEqual(readChunked(message, cut), whole, `${JSON.stringify(message)} cut at ${cut.join()}`);
      }
    });
  }
});

const wellFormed: Record<string, readonly [message: string, body: string, trailers: string]> = {
  "an empty one": ["0\r\n\r\n", "", ""],
  "sizes in any case and with leading zeros": [
    "a\r\n0123456789\r\n00A\r\n0123456789\r\n0000000000000000\r\n\r\n",
    "01234567890123456789",
    "",
  ],
  "data that looks like framing": ["7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n", ""],
  extensions: ['2;a;b=c;d="e;\\"f"\r\nhi\r\n0;x=y\r\n\r\n', "hi", ""],
  trailers: ["1\r\nx\r\n0\r\nX-Sum:  1 \r\ngrpc-status: 0\r\n\r\n", "x", "X-Sum: 1\r\ngrpc-status: 0\r\n"],
  "trailers that must not go on": [
    `0\r\n${[
      "Authorization",
      "Cookie",
      "Set-Cookie",
      "Connection",
      "TE",
      "Trailer",
      "Keep-Alive",
      "Upgrade",
      "Expect",
      "Cache-Control",
    ]
      .concat([
        "X-Forwarded-For",
        "x-forwarded-x",
        "x-request-id",
        "x-envoy-y",
        "content-type",
        "Content-Encoding",
        "Proxy-Authorization",
      ])
      .map((name) => `${name}: a\r\n`)
      .join("")}X-Sum: 1\r\n\r\n`,
    "",
    "X-Sum: 1\r\n",
  ],
  "only trailers that must not go on": ["0\r\nAuthorization: a\r\n\r\n", "", ""],
  "more trailers than fit at first": [
    `0\r\nX: ${"a".repeat(1000)}\r\nY: b\r\n\r\n`,
    "",
    `X: ${"a".repeat(1000)}\r\nY: b\r\n`,
  ],
};

describe("a chunked body is well-formed", () => {
  for (const [title, [message, body, trailers]] of Object.entries(wellFormed)) {
    it(`with ${title}`, () => {
      const expected = { outcome: "accepted", error: "", reason: "", body, trailers, length: message.length } as const;
      const messageAndNext = `${message}GET /next`;
      assert.deepEqual(readChunked(messageAndNext), expected);
      for (const cut of allCuts(messageAndNext.length)) {
        assert.deepEqual(readChunked(messageAndNext, cut), expected, `cut at ${cut.join()}`);
      }
    });
  }

  it("up to the largest size", () => {
    const decoder = new BodyDecoder();
    decoder.startChunked();
    const bytes = bytesOf("1fffffffffffff\r\nabc");
    assert.equal(decoder.decode(bytes, 0, bytes.length), bytes.length);
    assert.deepEqual([decoder.failed, decoder.done, decoder.payloadBytes], [false, false, 3]);
  });
});

describe("BodyDecoder", () => {
  it("stops when its ranges are full and goes on where it stopped", () => {
    const decoder = new BodyDecoder();
    const bytes = bytesOf(`${"1\r\nx\r\n".repeat(150)}0\r\n\r\n`);
    decoder.startChunked();
    const counts: number[] = [];
    let at = 0;
    while (!decoder.done) {
      const next = decoder.decode(bytes, at, bytes.length);
      assert.ok(next > at);
      counts.push(decoder.rangeCount);
      at = next;
    }
    assert.deepEqual(counts, [64, 64, 22]);
    assert.deepEqual([at, decoder.payloadBytes], [bytes.length, 150]);
  });

  it("takes no byte more than the length", () => {
    const decoder = new BodyDecoder();
    const bytes = bytesOf("helloGET");
    decoder.startLength(5);
    assert.equal(decoder.decode(bytes, 0, 3), 3);
    assert.equal(decoder.done, false);
    assert.equal(decoder.decode(bytes, 3, 8), 5);
    assert.deepEqual([decoder.done, decoder.ranges[0], decoder.ranges[1], decoder.payloadBytes], [true, 3, 5, 5]);
    assert.equal(decoder.decode(bytes, 5, 8), 5);
    assert.equal(decoder.rangeCount, 0);
  });

  it("is done at once without a body", () => {
    const decoder = new BodyDecoder();
    decoder.startNone();
    assert.equal(decoder.done, true);
    assert.equal(decoder.endOfInput(), true);
    decoder.startLength(0);
    assert.equal(decoder.done, true);
  });

  it("tells a truncated body from one that ends with the connection", () => {
    const decoder = new BodyDecoder();
    const bytes = bytesOf("2\r\nab");
    decoder.startUntilClose();
    assert.equal(decoder.decode(bytes, 0, 5), 5);
    assert.equal(decoder.done, false);
    assert.equal(decoder.endOfInput(), true);
    for (const start of [() => decoder.startLength(6), () => decoder.startChunked()]) {
      start();
      decoder.decode(bytes, 0, 5);
      assert.equal(decoder.endOfInput(), false);
      assert.deepEqual([decoder.failed, decoder.done], [true, false]);
    }
  });

  it("starts anew after a failure, with its whole budget", () => {
    const decoder = new BodyDecoder();
    const extended = bytesOf(`1;${"a".repeat(3000)}\r\nx\r\n0\r\nX: a\r\n\r\n`);
    const bad = bytesOf("0\r\nHost: a\r\n\r\n");
    for (let round = 0; round < 3; round++) {
      decoder.startChunked();
      decoder.decode(bad, 0, bad.length);
      assert.equal(decoder.failed, true);
      decoder.startChunked();
      assert.equal(decoder.decode(extended, 0, extended.length), extended.length);
      assert.deepEqual([decoder.done, decoder.failed, decoder.trailers?.toString()], [true, false, "X: a\r\n"]);
    }
  });
});
