// SPDX-License-Identifier: Apache-2.0
// A head has a limit in bytes, in lines and for its target. Beyond it the request is refused, never cut short: a head
// that loses its last lines may lose its framing (CVE-2026-58044).

import assert from "node:assert/strict";
import { test } from "node:test";

import { headLimits } from "../../src/proxy/http1/index.ts";
import { startProxy } from "../support/proxy-under-test.ts";
import { Arena, refusals, smuggled, valuesOf } from "./support/arena.ts";

const start = "GET /attack HTTP/1.1\r\nHost: a\r\n";

/** A head of exactly so many bytes. */
function headOf(bytes: number): string {
  const line = `X-Long: ${"v".repeat(bytes)}`;
  return `${start}${line.slice(0, bytes - start.length - 4)}\r\n\r\n`;
}

test("bytes", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded(headOf(headLimits.maxHeadBytes));
  assert.equal(valuesOf(seen, "x-long")[0]?.length, headLimits.maxHeadBytes - start.length - "X-Long: ".length - 4);
  await arena.refused(headOf(headLimits.maxHeadBytes + 1), refusals.headTooLarge);
  await arena.refused(headOf(4 * headLimits.maxHeadBytes), refusals.headTooLarge);
});

test("bytes, however they are split", async () => {
  await using arena = await Arena.start({ options: { maxHeadBytes: 128 } });
  const [fits, tooLarge] = [headOf(128), headOf(129)];
  for (let cut = 0; cut < fits.length; cut++) await arena.forwarded(fits, [cut]);
  await arena.refusedAtEverySplit(tooLarge, refusals.headTooLarge);
});

test("a head that drips in and never ends", async () => {
  await using arena = await Arena.start({ options: { maxHeadBytes: 512 } });
  for (const endless of ["X: y\r\n".repeat(100), "X".repeat(600), `X: ${"y".repeat(600)}`, `X:${" ".repeat(600)}`]) {
    const everyByte = Array.from({ length: 600 }, (_, index) => index);
    await arena.refused(start + endless, refusals.headTooLarge, everyByte);
  }
});

test("lines", async () => {
  await using arena = await Arena.start();
  // Host and Content-Length are lines too, and the last one of those that fit must count.
  const lines = "X: y\r\n".repeat(headLimits.maxHeaders - 2);
  const seen = await arena.forwarded(`${start}${lines}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`);
  assert.deepEqual([seen.body, valuesOf(seen, "x").length], [smuggled, headLimits.maxHeaders - 2]);
  for (const last of [`Content-Length: ${smuggled.length}`, "Transfer-Encoding: chunked", "X: y"]) {
    await arena.refused(`${start}${lines}X: y\r\n${last}\r\n\r\n${smuggled}`, refusals.headTooLarge);
  }
});

test("the target", async () => {
  await using arena = await Arena.start();
  const longest = `/${"a".repeat(headLimits.maxTargetBytes - 1)}`;
  const seen = await arena.forwarded(`GET ${longest} HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.equal(seen.target, longest);
  for (const target of [
    `${longest}a`,
    `/?${"a".repeat(20_000)}`,
    `http://a/${"a".repeat(20_000)}`,
    "a".repeat(20_000),
  ]) {
    await arena.refused(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, refusals.targetTooLong);
  }
});

test("the method", async () => {
  await using arena = await Arena.start();
  const seen = await arena.forwarded(`${"M".repeat(32)} / HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.equal(seen.method, "M".repeat(32));
  await arena.refused(`${"M".repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, refusals.badRequest);
  await arena.refused("M".repeat(70_000), refusals.badRequest);
});

test("empty lines before a request: as many bytes as a head may have, and not a flood", async () => {
  await using arena = await Arena.start();
  const request = `\r\n\r\n${start}\r\n`;
  for (let cut = 0; cut < 6; cut++) await arena.forwarded(request, [cut]);
  await arena.forwarded(request, [1, 2, 3, 4, 5]);
  await arena.forwarded("\r\n".repeat(30_720) + `${start}\r\n`);
  await arena.refused("\r\n".repeat(30_721) + `${start}\r\n`, refusals.headTooLarge);
  await arena.refused("\r\n".repeat(50_000), refusals.headTooLarge);
  const hits = arena.proxy.dataPlane.samples().filter(({ name }) => name === "naru_limit_hits_total");
  assert.equal(hits.find(({ labels }) => labels["limit"] === "header-bytes")?.value, 2);
});

test("empty lines between requests count for each anew", async () => {
  await using proxy = await startProxy({ routes: [] });
  await using client = await proxy.connect();
  for (let round = 0; round < 3; round++) {
    client.send("\r\n".repeat(20_000) + `${start}\r\n`);
    assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 404 /);
  }
  client.send(`${start}\r\n\r\n\r\n${start}\r\n`);
  for (let answer = 0; answer < 2; answer++) await client.takeThrough("\r\n\r\n");
});

test("half an empty line before a request", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit(`\r${start}\r\n`, refusals.badRequest);
  await arena.refusedAtEverySplit(`\r\n\r${start}\r\n`, refusals.badRequest);
  await arena.refused(`\r\r\n${start}\r\n`, refusals.badRequest);
});

test("white space before a request is no empty line", async () => {
  await using arena = await Arena.start();
  for (const before of [" ", "\t", " \r\n", "\r\n "]) await arena.refused(`${before}${start}\r\n`, refusals.badRequest);
});
