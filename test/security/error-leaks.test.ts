// SPDX-License-Identifier: Apache-2.0
// What naru answers itself are its own words: nothing the upstream said, no address, no name of a cluster, no system error.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get } from "../support/messages.ts";
import { endpoint, eventually, startProxy, webCluster, type ProxySetup } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { postWith } from "./support/arena.ts";

const secret = "s3cret-word";

/** Nothing in the answer but naru's own fields and one of its constant texts. */
function assertOwnWords(answer: string, ports: readonly number[]): void {
  const [head = "", body = ""] = answer.split(endOfHead);
  const [statusLine = "", ...lines] = head.split("\r\n");
  assert.match(statusLine, /^HTTP\/1\.1 [45][0-9]{2} [A-Za-z ]+$/);
  for (const line of lines) {
    assert.match(line, /^(?:content-type|content-length|date|server|connection|x-envoy-overloaded): [\w ,:;/=-]+$/);
  }
  assert.match(body, /^[A-Za-z/:.]*(?: [A-Za-z/:.]+)*$/);
  for (const leak of [
    secret,
    "127.0.0.1",
    "::1",
    ...ports.map(String),
    "outbound",
    "svc",
    "ECONN",
    "ENOTFOUND",
    "Error",
    ".ts",
  ]) {
    assert.ok(!answer.includes(leak), `${leak} in ${JSON.stringify(answer)}`);
  }
}

test("an upstream's bad answer is not quoted", async () => {
  for (const bytes of [
    `HTTP/1.1 200 OK\r\nX-A: ${secret}\nX: y\r\n\r\n`,
    `${secret}\r\n\r\n`,
    `HTTP/1.1 999 ${secret}\r\n\r\n`,
    `HTTP/1.1 200 ${secret}\0\r\n\r\n`,
    `HTTP/1.1 500 ${secret}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    `HTTP/1.1 101 ${secret}\r\n\r\n`,
    "",
  ]) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get("/", "Connection: close\r\n"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    if (bytes === "") upstream.reset();
    else upstream.send(bytes);
    assertOwnWords(await client.takeToEnd(), [origin.port]);
  }
});

test("an upstream that cannot be reached is not named", async () => {
  const closed = await RawOrigin.start();
  await closed[Symbol.asyncDispose]();
  const setups: readonly ProxySetup[] = [
    { origins: [closed.port] },
    { origins: [] },
    { routes: [] },
    { cluster: { name: "another" } },
    { origins: [closed.port], cluster: { maxRequests: 0 } },
  ];
  for (const setup of setups) {
    await using proxy = await startProxy(setup);
    await using client = await proxy.connect();
    client.send(get("/", "Connection: close\r\n"));
    await eventually(() => {
      proxy.clock.advance(1_000);
      return proxy.accessLog.length === 1;
    }, "the exchange has ended");
    assertOwnWords(await client.takeToEnd(), [closed.port, proxy.port]);
  }
});

test("a name that does not resolve is not repeated", async () => {
  await using proxy = await startProxy({
    cluster: { discovery: "dns" },
    resolveHost: () => Promise.reject(new Error(`getaddrinfo ENOTFOUND ${secret}`)),
  });
  proxy.dataPlane.applyEndpoints({
    version: "dns",
    endpoints: new Map([[webCluster, [endpoint(80, { address: `${secret}.example` })]]]),
  });
  await using client = await proxy.connect();
  client.send(get("/", "Connection: close\r\n"));
  assertOwnWords(await client.takeToEnd(), [proxy.port]);
});

test("what a client sent is not sent back", async () => {
  await using proxy = await startProxy({ routes: [] });
  for (const payload of [
    `GET /${secret} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    `GET /${secret} HTTP/1.1\r\nHost: ${secret}\r\nX-A: <script>\r\nConnection: close\r\n\r\n`,
    `${secret} / HTTP/1.1\r\n\r\n`,
    `GET /${secret} HTTP/9.9\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${secret}@a\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a\r\nExpect: ${secret}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a\r\n${secret}\r\n\r\n`,
    `GET /%00${secret} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    postWith(`Transfer-Encoding: ${secret}\r\n`),
  ]) {
    await using client = await proxy.connect();
    client.send(payload);
    assertOwnWords(await client.takeToEnd(), [proxy.port]);
  }
});
