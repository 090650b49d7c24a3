// SPDX-License-Identifier: Apache-2.0
// Expect: the one expectation there is, exactly, is answered here and never passed on; any other is 417. Origins that
// read it differently lose count of the body (class 0.CL).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, postWith, refusals, smuggled, valuesOf } from "./support/arena.ts";

const expectation = "Expect: 100-continue\r\n";

test("anything but 100-continue is 417", async () => {
  await using arena = await Arena.start();
  for (const value of [
    "",
    "y 100-continue",
    "100-continue y",
    "100-continue, x",
    "x, 100-continue",
    "100-continue,100-continue",
    "100-continue;q=1",
    '"100-continue"',
    "100 continue",
    "100_continue",
    "100-continu",
    "100-continuee",
    "0100-continue",
    "100",
    "200-ok",
  ]) {
    const lines = `Expect: ${value}\r\nContent-Length: ${smuggled.length}\r\n`;
    await arena.refused(postWith(lines, smuggled), refusals.expectation);
  }
});

test("twice is 417, and a name that is not quite Expect is 400", async () => {
  await using arena = await Arena.start();
  await arena.refused(postWith(`${expectation}${expectation}Content-Length: 5\r\n`, "hello"), refusals.expectation);
  await arena.refused(postWith("Expect : 100-continue\r\nContent-Length: 5\r\n", "hello"), refusals.badRequest);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  const payload = postWith(`Expect: y 100-continue\r\nContent-Length: ${smuggled.length}\r\n`, smuggled);
  await arena.refusedAtEverySplit(payload, refusals.expectation);
});

test("100-continue is answered once and not passed on", async () => {
  await using arena = await Arena.start();
  await using client = await arena.proxy.connect();
  for (const value of ["100-continue", "100-Continue"]) {
    client.send(postWith(`Expect: ${value}\r\nContent-Length: ${smuggled.length}\r\n`));
    assert.equal(await client.takeThrough("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(smuggled);
    assert.match(await client.takeThrough("\r\n\r\n/attack"), /^HTTP\/1\.1 200 OK\r\n/);
    const seen = arena.origin.requests.at(-1)!;
    assert.deepEqual([valuesOf(seen, "expect"), seen.body], [[], smuggled]);
  }
  await arena.assertUnharmed("two expectations");
});

test("a client that does not wait gets no 100 it could take for an answer", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded(postWith(`${expectation}Content-Length: 5\r\n`, "hello"));
  assert.deepEqual([valuesOf(seen, "expect"), seen.body], [[], "hello"]);
  await arena.forwarded(`GET / HTTP/1.1\r\nHost: a\r\n${expectation}\r\n`);
  await arena.forwarded(postWith(`${expectation}Content-Length: 0\r\n`));
});

test("HTTP/1.0 clients expect nothing", async () => {
  await using arena = await Arena.start();
  for (const value of ["100-continue", "y 100-continue"]) {
    const lines = `Host: a\r\nExpect: ${value}\r\nContent-Length: 5\r\n`;
    const seen = await arena.forwarded(`POST / HTTP/1.0\r\n${lines}\r\nhello`);
    assert.deepEqual([valuesOf(seen, "expect"), seen.body], [[], "hello"]);
  }
});

test("an expectation that is answered with a final status: the body that comes anyway is no request", async () => {
  await using arena = await Arena.start({ routes: [] });
  await using client = await arena.proxy.connect();
  client.send(postWith(`${expectation}Content-Length: ${smuggled.length}\r\n`));
  const answer = await client.takeToEnd();
  assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
  assert.match(answer, /\r\nconnection: close\r\n/);
  client.send(smuggled);
  await using second = await arena.proxy.connect();
  second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await second.takeThrough("\r\n\r\n");
  assert.deepEqual([client.received, arena.proxy.accessLog.length], ["", 2]);
});
