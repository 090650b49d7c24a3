// SPDX-License-Identifier: Apache-2.0
// GHSA-ggv3-7p47-pfv8: http-proxy and http-proxy-3 turn a chunked DELETE or OPTIONS into `content-length: 0` and send the
// body after it unframed; the origin runs it as a request, and the next client gets its answer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, chunk, smuggled, valuesOf } from "./support/arena.ts";

for (const method of ["DELETE", "OPTIONS", "GET", "HEAD", "TRACE", "POST", "PUT", "PATCH", "X-OWN"]) {
  test(`${method}: a body keeps the framing it came with`, async () => {
    await using arena = await Arena.start();
    const request = (lines: string, body: string): string => `${method} /a HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`;
    for (const lines of [
      "Transfer-Encoding: chunked\r\n",
      "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
    ]) {
      for (const body of [`${chunk(smuggled)}0\r\n\r\n`, "0\r\n\r\n"]) {
        const seen = await arena.forwarded(request(lines, body));
        assert.deepEqual([seen.method, seen.chunked, seen.body], [method, true, body.length > 10 ? smuggled : ""]);
        assert.deepEqual(valuesOf(seen, "content-length"), []);
      }
    }
    const counted = await arena.forwarded(request(`Content-Length: ${smuggled.length}\r\n`, smuggled));
    assert.deepEqual([valuesOf(counted, "content-length"), counted.body], [[String(smuggled.length)], smuggled]);
    const empty = await arena.forwarded(request("Content-Length: 0\r\n", ""));
    assert.deepEqual([valuesOf(empty, "content-length"), empty.chunked], [["0"], false]);
    const none = await arena.forwarded(request("", ""));
    assert.deepEqual([valuesOf(none, "content-length"), none.chunked, none.body], [[], false, ""]);
  });
}

test("wherever the bytes are split, over one upstream connection", async () => {
  await using arena = await Arena.start();
  const payload = `DELETE /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(smuggled)}0\r\n\r\n`;
  for (let cut = 0; cut < payload.length; cut++) assert.equal((await arena.forwarded(payload, [cut])).body, smuggled);
  assert.equal(arena.origin.accepted, 1);
});
