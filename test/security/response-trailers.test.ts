// SPDX-License-Identifier: Apache-2.0
// Trailers of an answer come when its head is long sent: framing in them breaks the answer off, what a client would take for
// a header that decides something is dropped (RFC 9110 §6.5.1), and without `TE: trailers` there are none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get } from "../support/messages.ts";
import { startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { UpstreamAttack } from "./support/upstream-attack.ts";

const head = "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n";
const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

test("framing in the trailers of an answer: 502, or broken off when it has begun", async () => {
  await using attack = await UpstreamAttack.start();
  for (const line of [
    "Content-Length: 5",
    "content-length: 0",
    "Transfer-Encoding: chunked",
    "Host: evil",
    "X-T : 1",
  ]) {
    const body = `5\r\nhello\r\n0\r\n${line}\r\n\r\n${evil}`;
    await attack.refused(head + body);
    await attack.broken(head, body);
  }
});

test("too many bytes or lines of them", async () => {
  await using attack = await UpstreamAttack.start();
  await attack.refused(`${head}0\r\nX-T: ${"v".repeat(17_000)}\r\n\r\n`);
  await attack.refused(`${head}0\r\n${"X-T: 1\r\n".repeat(65)}\r\n`);
});

const dropped = [
  "Set-Cookie: stolen=1",
  "Authorization: Basic eA==",
  "Cookie: a=b",
  "Location: http://evil/",
  "Content-Type: text/html",
  "Content-Encoding: gzip",
  "Cache-Control: public",
  "Expires: never",
  "Age: 0",
  "Vary: *",
  "Connection: close",
  "Keep-Alive: timeout=1",
  "Upgrade: h2c",
  "Trailer: X-T",
  "X-Forwarded-For: 1.2.3.4",
  "X-Envoy-Upstream-Service-Time: 1",
  "Date: then",
  "Server: evil",
];

test("what decides something is dropped, the rest goes on", async () => {
  for (const line of dropped) {
    assert.equal(await trailersOf(`X-T: 1\r\n${line}\r\nX-U: 2\r\n`, true), "X-T: 1\r\nX-U: 2\r\n", line);
  }
});

test("a client that did not ask for trailers gets none", async () => {
  assert.equal(await trailersOf("X-T: 1\r\n", false), "");
});

/** What a client gets of the trailer lines of an answer. */
async function trailersOf(lines: string, asksForThem: boolean): Promise<string | undefined> {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/", asksForThem ? "TE: trailers\r\nConnection: TE, close\r\n" : "Connection: close\r\n"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`${head}5\r\nhello\r\n0\r\n${lines}\r\n`);
  const answer = await client.takeToEnd();
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\nDate: now\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n/);
  return /\r\n5\r\nhello\r\n0\r\n([^]*)\r\n$/.exec(answer)?.[1];
}
