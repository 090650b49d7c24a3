// SPDX-License-Identifier: Apache-2.0
// Which responses are taken, how their bodies end, and which are refused, however they arrive.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { complete, headLimits, needMore, ResponseHeadParser } from "../../../../src/proxy/http1/index.ts";
import { allCuts, bytesOf, readResponse } from "./reading.ts";

/** A 200 with these header lines. */
function withLines(...lines: string[]): string {
  return `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
}

const refused: Record<string, readonly string[]> = {
  "status lines": [
    ...[
      "HTTP/1.1",
      "HTTP/1.1 ",
      "HTTP/1.1 20",
      "HTTP/1.1 2000 OK",
      "HTTP/1.1  200 OK",
      "HTTP/1.1 2x0 OK",
      "HTTP/1.1 -20 OK",
    ].map((line) => `${line}\r\n\r\n`),
    ...[
      "http/1.1 200 OK",
      "HTTP/2 200 OK",
      "HTTP/1.2 200 OK",
      "HTTP/0.9 200 OK",
      " HTTP/1.1 200 OK",
      "200 OK",
      "HTTP/1.1\t200 OK",
    ].map((line) => `${line}\r\n\r\n`),
    ...[
      "HTTP/1.1 099 x",
      "HTTP/1.1 600 x",
      "HTTP/1.1 000 x",
      "HTTP/1.1 999 x",
      "HTTP/1.1 200 a\0b",
      "HTTP/1.1 200\tOK",
    ].map((line) => `${line}\r\n\r\n`),
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
  ],
  "both lengths": [withLines("Content-Length: 0", "Transfer-Encoding: chunked")],
  "repeated lengths": [withLines("Content-Length: 1", "Content-Length: 1"), withLines("Content-Length: 1, 1")],
  "bad lengths": ["", "+1", "0x1", "1.0", "9007199254740992"].map((value) => withLines(`Content-Length: ${value}`)),
  "other codings": [
    ...["gzip, chunked", "chunked, chunked", "identity", "", "xchunked"].map((value) =>
      withLines(`Transfer-Encoding: ${value}`),
    ),
    withLines("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  ],
  "a tab beside a framing value": [withLines("Transfer-Encoding: chunked\t"), withLines("Content-Length:\t5")],
  "folded, split and broken lines": [
    withLines("X: a", " b"),
    withLines("X : a"),
    withLines("X: a\0"),
    "HTTP/1.1 200 OK\n\n",
    "HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
    "HTTP/1.1 200 OK\rX: a\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n\rx",
  ],
  "a Connection that nominates framing": [withLines("Connection: Content-Length"), withLines("Connection: a b")],
  "too much": [
    withLines(`X: ${"x".repeat(headLimits.maxHeadBytes)}`),
    withLines(...Array.from({ length: headLimits.maxHeaders + 1 }, () => "X: a")),
  ],
};

describe("a response is refused", () => {
  for (const [title, messages] of Object.entries(refused)) {
    it(title, () => {
      for (const message of messages) {
        const bytes = bytesOf(message);
        const whole = readResponse(bytes);
        assert.equal(
          `${whole.outcome} ${whole.error}`,
          "refused UPSTREAM_PROTOCOL_ERROR",
          JSON.stringify(message.slice(0, 200)),
        );
        assert.notEqual(whole.reason, "");
        const cuts = bytes.length > 500 ? [[1], [bytes.length - 1], [100, 17_000]] : allCuts(bytes.length);
        for (const cut of cuts) assert.deepEqual(readResponse(bytes, cut), whole, `cut at ${cut.join()}`);
      }
    });
  }
});

type Expected = Partial<ReturnType<typeof readResponse>>;
const taken: Record<string, readonly [message: string, method: string, thenEnd: boolean, expected: Expected]> = {
  "with a length": [
    `${withLines("Content-Length: 5", "Server: x")}helloMORE`,
    "GET",
    false,
    {
      statusCode: 200,
      statusReason: "OK",
      bodyKind: "length",
      body: "hello",
      keepAlive: true,
      keepAliveTimeoutSeconds: -1,
    },
  ],
  "in chunks": [
    `${withLines("Transfer-Encoding: chunked")}5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\nMORE`,
    "GET",
    false,
    { bodyKind: "chunked", body: "hello!", dropped: ["transfer-encoding"] },
  ],
  "until the connection ends": [`${withLines("X: a")}hello`, "GET", true, { bodyKind: "until-close", body: "hello" }],
  "to HEAD": [withLines("Content-Length: 5"), "HEAD", false, { bodyKind: "none", body: "" }],
  "with 204, whose length is dropped": [
    "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "GET",
    false,
    { bodyKind: "none", dropped: ["content-length"] },
  ],
  "with 304": [
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "GET",
    false,
    { bodyKind: "none", dropped: [] },
  ],
  "with 100": ["HTTP/1.1 100 Continue\r\n\r\n", "POST", false, { bodyKind: "none", statusCode: 100 }],
  "without reason and without its space": [
    "HTTP/1.1 200\r\n\r\n",
    "HEAD",
    false,
    { statusReason: "", statusCode: 200 },
  ],
  "without reason": ["HTTP/1.1 200 \r\n\r\n", "HEAD", false, { statusReason: "" }],
  "with any reason": ["HTTP/1.1 404 a  b\tc\u00e9\r\n\r\n", "HEAD", false, { statusReason: "a  b\tc\u00e9" }],
  "that ends the connection": [
    withLines("Connection: x-a, close", "X-A: 1", "X-Envoy-Overloaded: true"),
    "HEAD",
    false,
    { keepAlive: false, dropped: ["connection", "x-a"] },
  ],
  "with a time to keep": [
    withLines("Keep-Alive: max=100, Timeout=5"),
    "HEAD",
    false,
    { keepAliveTimeoutSeconds: 5, dropped: ["keep-alive"] },
  ],
  "with a nonsensical time to keep": [
    withLines("Keep-Alive: timeout=x, timeout"),
    "HEAD",
    false,
    { keepAliveTimeoutSeconds: -1 },
  ],
  "from HTTP/1.0": ["HTTP/1.0 200 OK\r\n\r\n", "HEAD", false, { keepAlive: false }],
  "from HTTP/1.0 that keeps": ["HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", "HEAD", false, { keepAlive: true }],
};

describe("a response is taken", () => {
  for (const [title, [message, method, thenEnd, expected]] of Object.entries(taken)) {
    it(title, () => {
      const bytes = bytesOf(message);
      const whole = readResponse(bytes, [], method, thenEnd);
      const relevant = Object.fromEntries(Object.entries(whole).filter(([key]) => key in expected));
      assert.equal(`${whole.outcome} ${whole.error}`, "accepted ", whole.reason);
      assert.deepEqual(relevant, expected);
      for (const cut of allCuts(bytes.length)) {
        assert.deepEqual(readResponse(bytes, cut, method, thenEnd), whole, `cut at ${cut.join()}`);
      }
    });
  }
});

describe("ResponseHeadParser", () => {
  it("flags interim and switching responses", () => {
    const parser = new ResponseHeadParser(headLimits);
    for (const [code, isInterim, isSwitching] of [
      [100, true, false],
      [101, true, true],
      [103, true, false],
      [200, false, false],
    ] as const) {
      const message = bytesOf(`HTTP/1.1 ${code} x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
      parser.reset();
      assert.equal(parser.parse(message, 0, message.length), complete);
      assert.deepEqual(
        [parser.head.isInterim, parser.head.isSwitching, parser.head.upgrade],
        [isInterim, isSwitching, true],
      );
    }
  });

  it("forgets everything of the response before", () => {
    const parser = new ResponseHeadParser(headLimits);
    const first = bytesOf(withLines("Content-Length: 5", "Connection: close", "Keep-Alive: timeout=5", "X: 1"));
    const second = bytesOf(withLines("X: 1"));
    assert.equal(parser.parse(first, 0, first.length), complete);
    parser.reset();
    assert.equal(parser.parse(second, 0, second.length - 1), needMore);
    assert.equal(parser.parse(second, 0, second.length), complete);
    const { head } = parser;
    assert.deepEqual(
      [head.contentLength, head.chunked, head.keepAlive, head.keepAliveTimeoutSeconds],
      [-1, false, true, -1],
    );
    assert.deepEqual([head.headerCount, head.drop[0], head.length], [1, 0, second.length]);
  });
});
