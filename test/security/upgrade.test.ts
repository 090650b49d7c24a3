// SPDX-License-Identifier: Apache-2.0
// Protocols other than HTTP/1.1 are not spoken yet: no upgrade is passed on, and what a client sends in the hope of one is
// read as HTTP. (CVE-2025-64763, CVE-2026-73548 and CVE-2026-58055 are about proxies that went on with such bytes.)

import assert from "node:assert/strict";
import { test } from "node:test";

import { startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { Arena, postWith, smuggled, valuesOf } from "./support/arena.ts";

const upgrades = [
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
  "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
  "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n",
  "Upgrade: websocket\r\n",
  "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
];

test("the origin sees an ordinary request", async () => {
  await using arena = await Arena.start();
  for (const lines of upgrades) {
    const seen = await arena.forwarded(`GET /chat HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
    for (const name of ["connection", "upgrade", "http2-settings"]) assert.deepEqual(valuesOf(seen, name), [], lines);
  }
});

test("a body beside an upgrade is a body", async () => {
  await using arena = await Arena.start();
  for (const lines of upgrades) {
    const counted = await arena.forwarded(postWith(`${lines}Content-Length: ${smuggled.length}\r\n`, smuggled));
    assert.equal(counted.body, smuggled);
  }
});

test("frames sent ahead are no request", async () => {
  await using arena = await Arena.start();
  for (const lines of upgrades.slice(0, 3)) {
    for (const early of ["\x81\x85\0\0\0\0hello", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0"]) {
      await using client = await arena.proxy.connect();
      client.send(`GET /chat HTTP/1.1\r\nHost: a\r\n${lines}\r\n${early}`);
      const answers = (await client.takeToEnd()).split("HTTP/1.1 ").map((answer) => answer.slice(0, 3));
      assert.deepEqual(answers, ["", "200", early.startsWith("PRI") ? "505" : "400"]);
      await arena.assertUnharmed(JSON.stringify(lines + early));
    }
  }
  assert.ok(arena.origin.requests.every(({ target }) => target === "/chat" || target.startsWith("/bystander")));
});

test("an origin that switches although nobody asked is answered 502 and dropped", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(`GET /chat HTTP/1.1\r\nHost: a\r\n${upgrades[0]}\r\n`);
  const upstream = await origin.connection();
  await upstream.takeThrough("\r\n\r\n");
  upstream.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello");
  const answer = await client.takeThrough("protocol error");
  assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.doesNotMatch(answer, /upgrade|hello/i);
  assert.deepEqual(proxy.lastOutcome()?.flags, "UPE");
  await upstream.takeToEnd();
  assert.equal(upstream.errorCode, "ECONNRESET");
});
