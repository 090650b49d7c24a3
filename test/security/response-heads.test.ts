// SPDX-License-Identifier: Apache-2.0
// What must not pass in the head of an answer: rubbish for a status line, line ends and control bytes that would split it
// for the next reader, heads and interim answers without end.

import assert from "node:assert/strict";
import { test } from "node:test";

import { headLimits } from "../../src/proxy/http1/index.ts";
import { endOfHead, get, ok, okRelayed } from "../support/messages.ts";
import { eventually, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { UpstreamAttack } from "./support/upstream-attack.ts";

test("a status line that is none", async () => {
  await using attack = await UpstreamAttack.start();
  for (const line of [
    "",
    "200 OK",
    "OK",
    "HTTP/1.1",
    "HTTP/1.1 ",
    "HTTP/1.1 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 099 Low",
    "HTTP/1.1 000 Null",
    "HTTP/1.1 600 High",
    "HTTP/1.1 999 High",
    "HTTP/1.1 -200 OK",
    "HTTP/1.1 2x0 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1\t200 OK",
    "HTTP/1.1 200\tOK",
    " HTTP/1.1 200 OK",
    "http/1.1 200 OK",
    "HTTP/1.2 200 OK",
    "HTTP/0.9 200 OK",
    "HTTP/2 200",
    "HTTP/2.0 200 OK",
    "HTTP/1.10 200 OK",
    "HTTPS/1.1 200 OK",
    "ICY 200 OK",
    "SSH-2.0-OpenSSH_9.6",
    "220 mail ESMTP",
    "-ERR unknown command",
    "<html>",
    "\x15\x03\x01\0\x02\x02\x46",
    "\0\0\x12\x04\0\0\0\0\0",
    "GET / HTTP/1.1",
  ]) {
    await attack.refused(`${line}\r\nContent-Length: 4\r\n\r\nevil`);
  }
});

test("control bytes and line ends in the reason phrase and in fields", async () => {
  await using attack = await UpstreamAttack.start();
  const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).concat("\x7f");
  for (const byte of controls) {
    if (byte !== "\t") {
      await attack.refused(`HTTP/1.1 200 O${byte}K\r\nContent-Length: 0\r\n\r\n`);
      await attack.refused(`HTTP/1.1 200 OK\r\nX-A: b${byte}c\r\nContent-Length: 0\r\n\r\n`);
    }
    await attack.refused(`HTTP/1.1 200 OK\r\nX${byte}A: b\r\nContent-Length: 0\r\n\r\n`);
  }
});

test("values that would split the answer for the next reader", async () => {
  await using attack = await UpstreamAttack.start();
  for (const value of [
    "/\rSet-Cookie: stolen=1",
    "/\nSet-Cookie: stolen=1",
    "/\n\nHTTP/1.1 200 OK",
    "/\r\r\nSet-Cookie: stolen=1",
    "/\r\n\r Set-Cookie: stolen=1",
    "/\r\n Set-Cookie: stolen=1",
    "/\0",
  ]) {
    await attack.refused(`HTTP/1.1 302 Found\r\nLocation: ${value}\r\nContent-Length: 0\r\n\r\n`);
  }
});

test("wherever the bytes are split", async () => {
  await using attack = await UpstreamAttack.start();
  const bytes = "HTTP/1.1 302 Found\r\nLocation: /\nSet-Cookie: stolen=1\r\n\r\n";
  for (let cut = 0; cut < bytes.length; cut++) await attack.refused(bytes, [cut]);
});

test("a head without end, in bytes or in lines", async () => {
  await using attack = await UpstreamAttack.start();
  await attack.refused(`HTTP/1.1 200 OK\r\nX-A: ${"b".repeat(2 * headLimits.maxHeadBytes)}\r\n\r\n`);
  await attack.refused(`HTTP/1.1 200 ${"b".repeat(2 * headLimits.maxHeadBytes)}`);
  await attack.refused(`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(headLimits.maxHeaders + 1)}\r\n`);
});

test("interim answers: some, and not a flood", async () => {
  await using attack = await UpstreamAttack.start();
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  const { answer, outcome } = await attack.deliver([hints.repeat(16) + ok("whole", "Connection: close\r\n")]);
  assert.equal(answer, hints.repeat(16) + okRelayed("whole"));
  assert.equal(outcome.flags, "-");
  for (const interim of [hints, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 199 Other\r\n\r\n"]) {
    const flooded = await attack.deliver([interim.repeat(1_000) + ok("whole")]);
    assert.match(flooded.answer, /HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.ok(flooded.answer.split("HTTP/1.1 ").length <= 18);
    assert.equal(flooded.outcome.flags, "UPE");
  }
});

test("interim answers in pieces, and the first that is too many", async () => {
  await using attack = await UpstreamAttack.start();
  const hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
  const everyHead = Array.from({ length: 17 }, (_, index) => (index + 1) * hints.length - 1);
  const flooded = await attack.deliver([hints.repeat(17) + ok("whole")], { cuts: everyHead });
  assert.match(flooded.answer, /HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.equal(flooded.answer.split("HTTP/1.1 103").length, 17, "sixteen were passed on");
  assert.equal(flooded.outcome.flags, "UPE");
});

test("a switch that nobody asked for, and interim answers to a client that knows none", async () => {
  await using attack = await UpstreamAttack.start();
  await attack.refused("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  await attack.refused("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  await using client = await attack.proxy.connect();
  client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  const upstream = await attack.origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok("whole")}`);
  assert.match(await client.takeToEnd(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nwhole$/);
});

test("an interim answer has no body, whatever it announces", async () => {
  await using attack = await UpstreamAttack.start();
  const interim = "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n";
  const { answer } = await attack.deliver([interim + ok("whole", "Connection: close\r\n")]);
  assert.equal(answer, `HTTP/1.1 103 Early Hints\r\n\r\n${okRelayed("whole")}`);
  const { answer: refused } = await attack.deliver([`${interim}evil!${ok("whole")}`]);
  assert.match(refused, /^HTTP\/1\.1 103 Early Hints\r\n\r\nHTTP\/1\.1 502 Bad Gateway\r\n/);
});

test("what came on an idle connection is not the answer to the next request", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using first = await proxy.connect();
  first.send(get("/first"));
  const poisoned = await origin.connection();
  await poisoned.takeThrough(endOfHead);
  poisoned.send(ok("first"));
  await first.takeThrough("\r\n\r\nfirst");
  poisoned.send(ok("poison"));
  await eventually(() => proxy.cluster().connectionsActive === 0, "the poisoned connection is dropped");
  await using second = await proxy.connect();
  second.send(get("/second"));
  const fresh = await origin.connection();
  assert.match(await fresh.takeThrough(endOfHead), /^GET \/second /);
  fresh.send(ok("second"));
  assert.equal(await second.takeThrough("\r\n\r\nsecond"), okRelayed("second"));
  await poisoned.takeToEnd();
});

test("half an answer on an idle connection is not the beginning of the next one", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/first"));
  const poisoned = await origin.connection();
  await poisoned.takeThrough(endOfHead);
  poisoned.send(ok("first"));
  await client.takeThrough("\r\n\r\nfirst");
  poisoned.send("HTTP/1.1 200 OK\r\nX-Poison: 1\r\nX-");
  await eventually(() => proxy.cluster().connectionsActive === 0, "the poisoned connection is dropped");
  client.send(get("/second"));
  const fresh = await origin.connection();
  await fresh.takeThrough(endOfHead);
  fresh.send(ok("second"));
  assert.equal(await client.takeThrough("\r\n\r\nsecond"), okRelayed("second"));
});
