// SPDX-License-Identifier: Apache-2.0
// What parsing heads, decoding bodies and writing small texts cost. Every answer is checked before anything is timed.
// Exit code 1 when a small request head costs more than the budget.
//
//   node bench/micro/head.bench.ts [measuring time per case in ms]

import assert from "node:assert/strict";

import {
  BodyDecoder,
  complete,
  copyBytes,
  headLimits,
  RequestHeadParser,
  ResponseHeadParser,
  writeAscii,
  writeDecimal,
} from "../../src/proxy/http1/index.ts";

const caseMs = Number(process.argv[2] ?? 300);
const smallGetBudgetNs = 350;

const smallGet = Buffer.from(
  "GET /productpage HTTP/1.1\r\nHost: 127.0.0.1:15080\r\nUser-Agent: wrk/4.1.0\r\nAccept: */*\r\n\r\n",
);
const browserGet = Buffer.from(
  [
    "GET /static/js/main.5f3a9c1d.chunk.js?v=20260101 HTTP/1.1",
    "Host: shop.example.com",
    "Connection: keep-alive",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    'sec-ch-ua: "Chromium";v="140"',
    "Accept: */*",
    "Referer: https://shop.example.com/productpage",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7",
    "Cookie: session=eyJ1c2VyIjoiamFzb24ifQ.aGVsbG8; theme=dark",
    'If-None-Match: W/"65f-18b2"',
    "",
    "",
  ].join("\r\n"),
);
const response = Buffer.from(
  [
    "HTTP/1.1 200 OK",
    "Server: nginx/1.22.1",
    "Date: Thu, 01 Jan 2026 00:00:00 GMT",
    "Content-Type: text/html; charset=utf-8",
    "Content-Length: 1024",
    "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT",
    "Connection: keep-alive",
    'ETag: "65932d80-400"',
    "Accept-Ranges: bytes",
    "X-Envoy-Upstream-Service-Time: 3",
    "",
    "",
  ].join("\r\n"),
);
const chunked = Buffer.from(`400\r\n${"x".repeat(1024)}\r\n`.repeat(4) + "0\r\n\r\n");

const requests = new RequestHeadParser(headLimits);
const responses = new ResponseHeadParser(headLimits);
const body = new BodyDecoder();
const out = Buffer.alloc(4096);

const parseRequest = (bytes: Buffer) => (): number => {
  requests.reset();
  return requests.parse(bytes, 0, bytes.length);
};
const parseResponse = (): number => {
  responses.reset();
  return responses.parse(response, 0, response.length);
};
const decodeChunked = (): number => {
  body.startChunked();
  return body.decode(chunked, 0, chunked.length);
};
const routedGet = (): number => {
  parseRequest(smallGet)();
  return requests.head.authority().length + requests.head.path().length;
};

assert.equal(parseRequest(browserGet)(), complete);
assert.equal(requests.head.headerCount, 10);
assert.equal(parseRequest(smallGet)(), complete);
assert.equal(requests.head.path(), "/productpage");
assert.equal(parseResponse(), complete);
assert.equal(responses.head.contentLength, 1024);
assert.equal(decodeChunked(), chunked.length);
assert.equal(body.payloadBytes, 4096);

const smallGetNs = report("small GET", smallGet.length, parseRequest(smallGet));
report("small GET, authority and path as text", smallGet.length, routedGet);
report("browser GET", browserGet.length, parseRequest(browserGet));
report("response head", response.length, parseResponse);
report("4 chunks of 1 KiB", chunked.length, decodeChunked);
report("writeDecimal 1024", 4, () => writeDecimal(out, 0, 1024));
for (const length of [8, 16, 24, 32, 48, 64, 128]) {
  // From bytes, so that it is one flat string and not a tree of repetitions.
  const text = Buffer.alloc(length, "x").toString("latin1");
  report(`writeAscii ${length}`, length, () => writeAscii(out, 0, text));
  report(`  latin1 write ${length}`, length, () => out.write(text, 0, length, "latin1"));
}
for (const length of [16, 32, 48, 64, 96, 128, 256, 1024]) {
  report(`copyBytes ${length}`, length, () => copyBytes(chunked, 0, length, out, 0));
  report(`  Buffer copy ${length}`, length, () => chunked.copy(out, 0, 0, length));
}
process.exitCode = smallGetNs > smallGetBudgetNs ? 1 : 0;

/** Prints and returns nanoseconds per call: the best of six rounds, which is the least disturbed one. */
function report(name: string, bytes: number, run: () => number): number {
  let best = Infinity;
  let batch = 1000;
  let sink = 0;
  for (const until = performance.now() + caseMs / 3; performance.now() < until;) {
    for (let call = 0; call < 100; call++) sink += run();
  }
  for (let round = 0; round < 6; round++) {
    const start = performance.now();
    for (let call = 0; call < batch; call++) sink += run();
    const elapsedMs = performance.now() - start;
    best = Math.min(best, (elapsedMs * 1e6) / batch);
    batch = Math.max(1000, Math.round((caseMs / 9) * (batch / Math.max(elapsedMs, 0.01))));
  }
  assert.ok(sink > 0);
  console.log(
    `${name.padEnd(40)} ${best.toFixed(1).padStart(8)} ns ${((bytes * 1000) / best).toFixed(0).padStart(7)} MB/s`,
  );
  return best;
}
