// SPDX-License-Identifier: Apache-2.0
// Which requests are taken and which are refused, by class of attack, and that it never depends on how they arrive.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { complete, headLimits, HeaderId, needMore, RequestHeadParser } from "../../../../src/proxy/http1/index.ts";
import { allCuts, bytesOf, readRequest } from "./reading.ts";

const host = "Host: a\r\n";
const longName = "x".repeat(40);

/** A GET with these extra header lines. */
function withLines(...lines: string[]): string {
  return `GET / HTTP/1.1\r\n${host}${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
}

function withTarget(target: string, method = "GET"): string {
  return `${method} ${target} HTTP/1.1\r\n${host}\r\n`;
}

function withHost(value: string): string {
  return `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`;
}

/** Byte, as it would stand in a message. */
const obfuscators = [0x01, 0x04, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x7f, 0xa0, 0xff].map((code) =>
  String.fromCharCode(code),
);

const refused: Record<string, readonly [error: string, ...messages: string[]]> = {
  "both Content-Length and Transfer-Encoding": [
    "BAD_REQUEST",
    withLines("Content-Length: 5", "Transfer-Encoding: chunked"),
    withLines("Transfer-Encoding: chunked", "Content-Length: 0"),
    withLines("content-length: 5", "TRANSFER-ENCODING: gzip"),
  ],
  "repeated or listed Content-Length": [
    "BAD_REQUEST",
    withLines("Content-Length: 5", "Content-Length: 5"),
    withLines("Content-Length: 5", "Content-Length: 6"),
    withLines("Content-Length: 5, 5"),
    withLines("Content-Length: 5,"),
  ],
  "Content-Length that is not digits": [
    "BAD_REQUEST",
    ...[
      "",
      "+5",
      "-0",
      "-5",
      "0x5",
      "1_0",
      "5 5",
      "5.0",
      "1e1",
      "five",
      "9007199254740992",
      "99999999999999999999999",
    ].map((value) => withLines(`Content-Length: ${value}`)),
  ],
  "Transfer-Encoding that is not one chunked": [
    "BAD_REQUEST",
    withLines("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    withLines("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
    ...[
      "",
      "chunked, chunked",
      "chunked, gzip",
      "chunked, identity",
      ",chunked",
      "chunked,",
      '"chunked"',
      "'chunked'; q=1",
    ].map((value) => withLines(`Transfer-Encoding: ${value}`)),
    withLines("Transfer-Encoding: chunked chunked"),
  ],
  "a tab beside a framing value": [
    "BAD_REQUEST",
    withLines("Transfer-Encoding:\tchunked"),
    withLines("Transfer-Encoding: chunked\t"),
    withLines("Content-Length: 5\t "),
  ],
  "unknown transfer coding": [
    "TRANSFER_CODING_UNSUPPORTED",
    ...["xchunked", "gzip", "gzip, chunked", "identity", "cow ,\tchunked", "chunkedx", "'chunked'"].map((value) =>
      withLines(`Transfer-Encoding: ${value}`),
    ),
  ],
  "Transfer-Encoding in HTTP/1.0": ["BAD_REQUEST", `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n`],
  "bare LF": [
    "BAD_REQUEST",
    `GET / HTTP/1.1\n${host}\r\n`,
    "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\n\n\r\n",
    `GET / HTTP/1.1\r\n${host}\n`,
    `GET / HTTP/1.1\r\n${host}X: a\nY: b\r\n\r\n`,
    `\nGET / HTTP/1.1\r\n${host}\r\n`,
  ],
  "bare CR": [
    "BAD_REQUEST",
    `GET / HTTP/1.1\rHost: a\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host}X: a\rY: b\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host}\rX`,
    `GET / HTTP/1.1\r\n${host}X: a\r\r\n\r\n`,
    `\rGET / HTTP/1.1\r\n${host}\r\n`,
  ],
  // The connection has skipped them before.
  "an empty line before the request": ["BAD_REQUEST", `\r\nGET / HTTP/1.1\r\n${host}\r\n`],
  "obs-fold and leading white space": [
    "BAD_REQUEST",
    withLines("X: a", " b"),
    withLines("X: a", "\tb"),
    withLines("X: a", " "),
    `GET / HTTP/1.1\r\n ${host}\r\n`,
    `GET / HTTP/1.1\r\n\t${host}\r\n`,
  ],
  "names that are no tokens": [
    "BAD_REQUEST",
    ...["X : a", "X\t: a", ": a", "X", "X Y: a", "X\0: a", "(X): a", "X@Y: a", '"X": a', "X\u00e9: a", "X,Y: a"].map(
      (line) => withLines(line),
    ),
  ],
  "control bytes in values": [
    "BAD_REQUEST",
    ...["\0", "\x01", "\x08", "\x0b", "\x0c", "\x1f", "\x7f"].map((byte) => withLines(`X: a${byte}b`)),
  ],
  "a control byte near Transfer-Encoding": [
    "BAD_REQUEST",
    ...obfuscators.map((byte) => withLines(`${byte}Transfer-Encoding: chunked`)),
    ...obfuscators.map((byte) => withLines(`Transfer-Encoding${byte}: chunked`)),
    ...obfuscators.filter((byte) => !"\t ".includes(byte)).map((byte) => withLines(`Transfer-Encoding:${byte}chunked`)),
    ...obfuscators
      .filter((byte) => !"\t ".includes(byte))
      .map((byte) => withLines(`Transfer-Encoding: chunked${byte}`)),
  ],
  "no Host": ["MISSING_HOST", "GET / HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n"],
  "repeated Host": ["BAD_REQUEST", withLines("Host: a"), withLines("host: b")],
  "invalid Host": [
    "BAD_REQUEST",
    ...[
      "",
      "a b",
      "user@a",
      "a/path",
      "a,b",
      "a?b",
      "a#b",
      "a:",
      "a:b",
      "a:65536",
      "a:123456",
      "a:80:80",
      ":80",
      "[::1",
      "[a]",
    ].map((value) => withHost(value)),
    ...["[::1]x", "::1", "[::1%25eth0]", "http://a", "a\\b", "\u00e9", "a%00", '"a"', "[]"].map((value) =>
      withHost(value),
    ),
    "GET / HTTP/1.0\r\nHost:\r\n\r\n",
  ],
  "absolute form that differs from Host or is not http": [
    "BAD_REQUEST",
    ...[
      "http://b/",
      "http://a:80/",
      "https://a/",
      "ftp://a/",
      "http:///",
      "http://",
      "http://u@a/",
      "http:/a",
      "a",
      "a:80",
    ].map((target) => withTarget(target)),
  ],
  "other targets": [
    "BAD_REQUEST",
    withTarget("*"),
    withTarget("**", "OPTIONS"),
    withTarget("/a#b"),
    withTarget("/a\tb"),
    withTarget("/\u00e9"),
    withTarget("/\x7f"),
    withTarget("/\0"),
    withTarget("/a b"),
    withTarget(""),
    "GET\r\n\r\n",
    "GET /\r\n\r\n",
    `GET\t/ HTTP/1.1\r\n${host}\r\n`,
    `GET  / HTTP/1.1\r\n${host}\r\n`,
    `GET /  HTTP/1.1\r\n${host}\r\n`,
    ` GET / HTTP/1.1\r\n${host}\r\n`,
  ],
  CONNECT: ["METHOD_NOT_SERVED", withTarget("a:443", "CONNECT")],
  "method that is no token or too long": [
    "BAD_REQUEST",
    withTarget("/", "G(T"),
    withTarget("/", "G".repeat(33)),
    withTarget("/", ""),
  ],
  "unknown versions": [
    "VERSION_NOT_SUPPORTED",
    ...["HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/01.1"].map(
      (version) => `GET / ${version}\r\n${host}\r\n`,
    ),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ],
  "malformed versions": [
    "BAD_REQUEST",
    ...[
      "http/1.1",
      "HTTP/1.",
      "HTTP/1.1 ",
      "HTTP/1.10",
      "HTTP /1.1",
      "HTTP/1,1",
      "HTP/1.1",
      "HTTP/a.b",
      "HTTP/1.x",
    ].map((version) => `GET / ${version}\r\n${host}\r\n`),
  ],
  "other expectations": [
    "EXPECTATION_FAILED",
    ...["y 100-continue", "100-continue, 100-continue", "200-ok", "", "100-continue;q=1"].map((value) =>
      withLines(`Expect: ${value}`),
    ),
    withLines("Expect: 100-continue", "Expect: 100-continue"),
  ],
  "Connection that nominates framing or identity": [
    "BAD_REQUEST",
    ...["Host", "content-length", "close, Transfer-Encoding", "Authorization", "Cookie", "x-forwarded-for"].map(
      (value) => withLines(`Connection: ${value}`),
    ),
    ...["X-Forwarded-Whatever", "X-Envoy-Internal", "x-request-id", "forwarded", ":path", ":authority"].map((value) =>
      withLines(`Connection: ${value}`),
    ),
  ],
  "malformed Connection": [
    "BAD_REQUEST",
    withLines("Connection: close keep-alive"),
    withLines("Connection: close;x"),
    withLines(`Connection: ${Array.from({ length: 33 }, () => "a").join(",")}`),
  ],
  "head over the limits": [
    "REQUEST_HEADERS_TOO_LARGE",
    withLines(`X: ${"x".repeat(headLimits.maxHeadBytes)}`),
    withLines(...Array.from({ length: headLimits.maxHeaders }, () => "X: a")),
  ],
  "target over the limit": ["URI_TOO_LONG", withTarget(`/${"x".repeat(headLimits.maxTargetBytes)}`)],
};

describe("a request is refused", () => {
  for (const [title, [error, ...messages]] of Object.entries(refused)) {
    it(`with ${error}: ${title}`, () => {
      for (const message of messages) {
        const bytes = bytesOf(message);
        const whole = readRequest(bytes);
        assert.equal(`${whole.outcome} ${whole.error}`, `refused ${error}`, JSON.stringify(message.slice(0, 200)));
        assert.notEqual(whole.reason, "");
        const cuts = bytes.length > 500 ? [[1], [bytes.length - 1], [100, 17_000]] : allCuts(bytes.length);
        for (const cut of cuts) assert.deepEqual(readRequest(bytes, cut), whole, `cut at ${cut.join()}`);
      }
    });
  }
});

const accepted: Record<string, readonly [message: string, expected: Partial<ReturnType<typeof readRequest>>]> = {
  "a plain GET": [
    "GET /a/b?c=d&e=?f HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\n\r\n",
    {
      ...{ method: "GET", target: "/a/b?c=d&e=?f", path: "/a/b", query: "c=d&e=?f", authority: "example.com:8080" },
      ...{ flags: "HTTP/1.1 keepAlive", dropped: [], body: "" },
      headers: [
        ["Host", "example.com:8080"],
        ["Accept", "*/*"],
      ],
    },
  ],
  "values without the white space around them": [
    withLines("A:b", "C: \t d e \t ", "E:", "F: \t "),
    {
      headers: [
        ["Host", "a"],
        ["A", "b"],
        ["C", "d e"],
        ["E", ""],
        ["F", ""],
      ],
    },
  ],
  "bytes above 0x7F and tabs in values": [
    withLines("X: \u00e9\ta\u00ff"),
    {
      headers: [
        ["Host", "a"],
        ["X", "\u00e9\ta\u00ff"],
      ],
    },
  ],
  "any method that is a token": [withTarget("/", "Purge-It!"), { method: "Purge-It!" }],
  "methods in the case they have": [withTarget("/", "get"), { method: "get" }],
  "an empty query": [withTarget("/?"), { path: "/", query: "", target: "/?" }],
  "a body by length": [
    `POST / HTTP/1.1\r\n${host}Content-Length: 005\r\n\r\nhelloGET`,
    { body: "hello", flags: "HTTP/1.1 keepAlive length=5" },
  ],
  "a body in chunks": [
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding:  Chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\nGET`,
    { body: "hello", flags: "HTTP/1.1 keepAlive chunked", dropped: ["transfer-encoding"] },
  ],
  "HTTP/1.0 without Host": ["GET / HTTP/1.0\r\n\r\n", { authority: "", flags: "HTTP/1.0" }],
  "HTTP/1.0 that asks to be kept": [
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    { flags: "HTTP/1.0 keepAlive" },
  ],
  "HTTP/1.0 that says both": ["GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", { flags: "HTTP/1.0" }],
  "HTTP/1.0 whose expectation and upgrade are ignored": [
    "GET / HTTP/1.0\r\nExpect: something\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    { flags: "HTTP/1.0", dropped: ["upgrade", "connection"] },
  ],
  "Connection: close among others": [
    withLines("Connection: , x-a ,,CLOSE\t,", "X-A: 1", "x-a: 2", "X-B: 3"),
    {
      flags: "HTTP/1.1",
      dropped: ["connection", "x-a", "x-a"],
    },
  ],
  "hop-by-hop fields": [
    withLines(
      "Keep-Alive: 5",
      "Proxy-Connection: close",
      "TE: gzip, Trailers",
      "Trailer: x",
      "Upgrade: h2c",
      "HTTP2-Settings: AA",
    ),
    {
      flags: "HTTP/1.1 keepAlive teTrailers",
      dropped: ["keep-alive", "proxy-connection", "te", "upgrade", "http2-settings"],
    },
  ],
  "an upgrade": [
    withLines("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
    {
      flags: "HTTP/1.1 keepAlive upgrade",
      dropped: ["connection", "upgrade"],
    },
  ],
  "an expectation": [
    `PUT / HTTP/1.1\r\n${host}Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx`,
    {
      flags: "HTTP/1.1 keepAlive expectContinue length=1",
    },
  ],
  "the asterisk form": [withTarget("*", "OPTIONS"), { target: "*", path: "*", authority: "a" }],
  "the absolute form": [
    "GET HTTP://Example.com:81/x/./y?z HTTP/1.1\r\nHost: example.COM:81\r\n\r\n",
    { authority: "Example.com:81", path: "/x/./y", query: "z", flags: "HTTP/1.1 keepAlive pathNeedsNormalization" },
  ],
  "the absolute form without a path": [
    "GET http://a?z HTTP/1.1\r\nHost: a\r\n\r\n",
    { path: "/", query: "z", authority: "a" },
  ],
  "the absolute form of HTTP/1.0": ["GET http://a HTTP/1.0\r\n\r\n", { path: "/", query: "", authority: "a" }],
  "a Host that is an IPv6 address": [withHost("[2001:db8::1]:8080"), { authority: "[2001:db8::1]:8080" }],
  "a Host with underscores": [withHost("my_service.default"), { authority: "my_service.default" }],
  "a path that needs no normalization": [withTarget("/a.b/c..d/e?/./%41"), { flags: "HTTP/1.1 keepAlive" }],
  "a path with an escape": [withTarget("/a%41"), { flags: "HTTP/1.1 keepAlive pathNeedsNormalization" }],
  "a path with a backslash": [withTarget("/a\\b"), { flags: "HTTP/1.1 keepAlive pathNeedsNormalization" }],
  "a path with dot segments": [withTarget("/a/../b"), { flags: "HTTP/1.1 keepAlive pathNeedsNormalization" }],
};

describe("a request is taken", () => {
  for (const [title, [message, expected]] of Object.entries(accepted)) {
    it(title, () => {
      const bytes = bytesOf(message);
      const whole = readRequest(bytes);
      const relevant = Object.fromEntries(Object.entries(whole).filter(([key]) => key in expected));
      assert.equal(`${whole.outcome} ${whole.error}`, "accepted ", whole.reason);
      assert.deepEqual(relevant, expected);
      for (const cut of allCuts(bytes.length)) assert.deepEqual(readRequest(bytes, cut), whole, `cut at ${cut.join()}`);
    });
  }

  it("at exactly the limits", () => {
    const lines = Array.from({ length: headLimits.maxHeaders - 1 }, () => "X: a");
    assert.equal(readRequest(bytesOf(withLines(...lines))).outcome, "accepted");
    const target = `/${"x".repeat(headLimits.maxTargetBytes - 1)}`;
    assert.equal(readRequest(bytesOf(withTarget(target))).outcome, "accepted");
    const room = headLimits.maxHeadBytes - withLines("X: ").length;
    assert.equal(readRequest(bytesOf(withLines(`X: ${"x".repeat(room)}`))).outcome, "accepted");
    assert.equal(readRequest(bytesOf(withLines(`X: ${"x".repeat(room + 1)}`))).error, "REQUEST_HEADERS_TOO_LARGE");
  });
});

describe("RequestHeadParser", () => {
  it("is incomplete until the last byte of the head and no further", () => {
    const message = bytesOf(withLines("X: a"));
    for (let end = 0; end < message.length; end++) {
      assert.equal(new RequestHeadParser(headLimits).parse(message, 0, end), needMore);
    }
    const parser = new RequestHeadParser(headLimits);
    assert.equal(parser.parse(Buffer.concat([message, bytesOf("junk")]), 0, message.length + 4), complete);
    assert.equal(parser.head.length, message.length);
  });

  it("forgets everything of the request before", () => {
    const parser = new RequestHeadParser(headLimits);
    const first = bytesOf(
      `PUT /./p?q HTTP/1.1\r\n${host}Expect: 100-continue\r\nTE: trailers\r\nConnection: close, X\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const second = bytesOf("GET / HTTP/1.0\r\nX: 1\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
    assert.equal(parser.parse(first, 0, first.length), complete);
    parser.reset();
    assert.equal(parser.parse(second, 0, second.length), complete);
    const { head } = parser;
    assert.deepEqual(
      [head.expectContinue, head.teTrailers, head.chunked, head.pathNeedsNormalization],
      [false, false, false, false],
    );
    assert.deepEqual([head.keepAlive, head.contentLength, head.authority(), head.query()], [true, 3, "", ""]);
    assert.deepEqual([...head.drop.subarray(0, head.headerCount)], [0, 0, 1]);
    parser.reset();
    const third = bytesOf("GET / HTTP/1.0\r\n\r\n");
    assert.equal(parser.parse(third, 0, third.length), complete);
    assert.deepEqual([head.contentLength, head.keepAlive, head.headerCount], [-1, false, 0]);
  });

  it("goes on working after a failure and a reset", () => {
    const parser = new RequestHeadParser(headLimits);
    const bad = bytesOf("GET / HTTP/1.1\n");
    const good = bytesOf(withLines());
    assert.notEqual(parser.parse(bad, 0, bad.length), complete);
    assert.notEqual(parser.parse(good, 0, good.length), complete);
    parser.reset();
    assert.equal(parser.parse(good, 0, good.length), complete);
  });

  it("gives texts again from the bytes its owner points to", () => {
    const parser = new RequestHeadParser(headLimits);
    const message = bytesOf(
      withLines("Cookie: a=1", `${longName}: v`, "cookie: b=2", "X: 1", "x: 2", "Connection: x-gone", "X-Gone: 1"),
    );
    assert.equal(parser.parse(message, 0, message.length), complete);
    const { head } = parser;
    const copy = Buffer.concat([Buffer.alloc(7), message]);
    message.fill(0);
    head.bytes = copy;
    head.base = 7;
    assert.equal(head.header("cookie"), "a=1; b=2");
    assert.equal(head.header("x"), "1,2");
    assert.equal(head.header(longName), "v");
    assert.equal(head.header("y"), null);
    assert.equal(head.header("x-gone"), null);
    assert.equal(head.authority(), "a");
    assert.equal(head.value(head.find(HeaderId.cookie)), "a=1");
    assert.equal(head.find(HeaderId.expect), -1);
  });

  it("gives equal texts for repeated authorities and paths, and new ones when they change", () => {
    const parser = new RequestHeadParser(headLimits);
    for (const path of ["/a", "/a", "/b", "/ab", `/${"x".repeat(200)}`, "/a", "/"]) {
      const message = bytesOf(withTarget(`${path}?q`));
      parser.reset();
      assert.equal(parser.parse(message, 0, message.length), complete);
      assert.equal(parser.head.path(), path);
      assert.equal(parser.head.target(), `${path}?q`);
    }
  });

  it("takes of 256 bytes the ones that may stand in a value, wherever they stand in it", () => {
    const allowed = (byte: number): boolean => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
    for (let byte = 0; byte < 256; byte++) {
      // Line ends have a meaning of their own.
      if (byte === 0x0a || byte === 0x0d) continue;
      for (const other of ["~", " ", "\xff", "\t"]) {
        for (let at = 0; at < 9; at++) {
          const value = `<${other.repeat(at)}${String.fromCharCode(byte)}${other.repeat(8 - at)}>`;
          const reading = readRequest(bytesOf(withLines(`X-Value: ${value}`)), []);
          assert.equal(reading.outcome, allowed(byte) ? "accepted" : "refused", `byte ${byte} at ${at}`);
          if (allowed(byte)) assert.deepEqual(reading.headers.at(-1), ["X-Value", value]);
        }
      }
    }
  });

  it("numbers every known name in any case and no other name", () => {
    for (const [name, id] of [
      ["hOST", HeaderId.host],
      ["X-FORWARDED-FOR", HeaderId.xForwardedFor],
      ["x-forwarded-for2", HeaderId.xForwarded],
      ["x-forwarded-", HeaderId.other],
      ["x-envoy-retry-on", HeaderId.xEnvoy],
      ["x-envoy_", HeaderId.other],
      ["content_length", HeaderId.other],
      ["content-lengt", HeaderId.other],
      ["b3", HeaderId.b3],
      ["B4", HeaderId.other],
      ["x-b3-parentspanid", HeaderId.xB3ParentSpanId],
      [longName, HeaderId.other],
    ] as const) {
      const message = bytesOf(`GET / HTTP/1.0\r\n${name}: a\r\n\r\n`);
      const parser = new RequestHeadParser(headLimits);
      parser.parse(message, 0, message.length);
      assert.equal(parser.head.headerId[0], id, name);
    }
  });

  it("looks at each byte once when they come one by one", () => {
    const message = bytesOf(withLines(`X: ${"x".repeat(50_000)}`));
    const parser = new RequestHeadParser(headLimits);
    const reads = countingBytes(message);
    for (let end = 1; end < message.length; end++) assert.equal(parser.parse(reads.bytes, 0, end), needMore);
    assert.equal(parser.parse(reads.bytes, 0, message.length), complete);
    assert.ok(reads.count() < message.length * 4, `${reads.count()} reads of ${message.length} bytes`);
  });
});

/** Bytes that count how often one of them is read. */
function countingBytes(bytes: Buffer): { readonly bytes: Buffer; count(): number } {
  let reads = 0;
  const proxy = new Proxy(bytes, {
    get(target, key) {
      reads++;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { bytes: proxy, count: () => reads };
}
