// SPDX-License-Identifier: Apache-2.0
// Requests sent in one piece: each answer goes to the request it belongs to, a bad request costs none of the ones before
// it, and nothing behind it is read as a request.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok, okRelayed } from "../support/messages.ts";
import { nextTurn, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { Arena, chunk, postWith, sendInPieces, smuggled } from "./support/arena.ts";

/** Bad requests and how each is answered. */
const bad: readonly (readonly [request: string, status: string])[] = [
  ["garbage\r\n\r\n", "400"],
  ["GET /bad HTTP/1.1\r\n\r\n", "400"],
  ["GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"],
  [postWith("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400"],
  [postWith("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "501"],
  ["CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"],
  ["GET /bad HTTP/2.0\r\n\r\n", "505"],
  [postWith("Expect: nothing\r\nContent-Length: 5\r\n", "hello"), "417"],
];
const good = [
  get("/good"),
  postWith("Content-Length: 5\r\n", "hello"),
  postWith("Transfer-Encoding: chunked\r\n", `${chunk("hello")}0\r\n\r\n`),
];

test("a bad request behind good ones: they are answered first, then it, then the connection ends", async () => {
  await using arena = await Arena.start();
  for (const [request, status] of bad) {
    for (const before of [good.slice(0, 1), good.slice(1, 2), good.slice(2), good]) {
      const name = JSON.stringify(before.join("") + request);
      const seen = arena.origin.requests.length;
      await using client = await arena.proxy.connect();
      client.send(before.join("") + request + smuggled);
      const answers = (await client.takeToEnd()).split("HTTP/1.1 ").slice(1);
      assert.deepEqual(
        answers.map((answer) => answer.slice(0, 3)),
        [...before.map(() => "200"), status],
        name,
      );
      assert.match(answers.at(-1)!, /\r\nconnection: close\r\n/, name);
      await arena.assertUnharmed(name);
      assert.equal(arena.origin.requests.length, seen + before.length + 1, name);
    }
  }
  assert.ok(arena.origin.requests.every(({ target }) => target !== "/smuggled" && target !== "/bad"));
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  const payload = `${get("/good")}GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${smuggled}`;
  for (let cut = 0; cut < payload.length; cut++) {
    await using client = await arena.proxy.connect();
    await sendInPieces(client, payload, [cut]);
    const answers = (await client.takeToEnd()).split("HTTP/1.1 ").map((answer) => answer.slice(0, 3));
    assert.deepEqual(answers, ["", "200", "400"], `cut at ${cut}`);
  }
  assert.ok(arena.origin.requests.every(({ target }) => target === "/good"));
});

test("an origin that answers more than it was asked: the next request of the client has its own answer", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get("/first") + get("/second"));
  const upstream = await origin.connection();
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/first /);
  upstream.send(ok("first") + ok("poison"));
  const fresh = await origin.connection();
  assert.match(await fresh.takeThrough(endOfHead), /^GET \/second /);
  assert.equal(await upstream.takeToEnd(), "", "the second request was never on the poisoned connection");
  fresh.send(ok("second"));
  assert.equal(await client.takeThrough("second"), okRelayed("first") + okRelayed("second"));
});

test("a client that asks for the end of the connection is not answered beyond it", async () => {
  await using arena = await Arena.start();
  for (const last of [
    "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /last HTTP/1.0\r\nHost: a\r\n\r\n",
  ]) {
    const seen = arena.origin.requests.length;
    await using client = await arena.proxy.connect();
    client.send(last + smuggled);
    assert.equal((await client.takeToEnd()).split("HTTP/1.1 ").length, 2);
    await nextTurn();
    await arena.assertUnharmed(last);
    assert.equal(arena.origin.requests.length, seen + 2);
  }
});
