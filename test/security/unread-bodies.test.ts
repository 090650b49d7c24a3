// SPDX-License-Identifier: Apache-2.0
// TE.0, CL.0 and 0.CL: somebody answers before the body is read. Its bytes must not become a request, neither here nor at
// the origin, so the client's connection ends and the origin's is never used again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { answer, endOfHead, get, ok } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { Arena, chunk, postWith, sendInPieces, smuggled } from "./support/arena.ts";

/** Bodies that would be requests of their own: framed, unframed for a reader that takes the other framing. */
const framings: Readonly<Record<string, { readonly lines: string; readonly body: string }>> = {
  "Content-Length": { lines: `Content-Length: ${smuggled.length}\r\n`, body: smuggled },
  chunked: { lines: "Transfer-Encoding: chunked\r\n", body: `${chunk(smuggled)}0\r\n\r\n` },
  "chunked, empty, and a request behind": { lines: "Transfer-Encoding: chunked\r\n", body: `0\r\n\r\n` },
};
const methods = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"];

describe("answered by naru", () => {
  for (const [name, { lines, body }] of Object.entries(framings)) {
    test(`${name}: whatever of the body comes later is not read as a request`, async () => {
      await using proxy = await startProxy({ routes: [] });
      for (const method of methods) {
        const payload = `${method} /none HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`;
        const headBytes = payload.length - body.length;
        for (const cut of [headBytes, headBytes + 1, payload.length - 1]) {
          const before = proxy.accessLog.length;
          await using client = await proxy.connect();
          await sendInPieces(client, payload, [cut]);
          const answered = await client.takeToEnd();
          assert.match(answered, /^HTTP\/1\.1 404 Not Found\r\n/);
          assert.match(answered, /\r\nconnection: close\r\n/);
          client.send(smuggled);
          await nextTurn();
          await using later = await proxy.connect();
          later.send(get());
          await later.takeThrough(endOfHead);
          assert.equal(proxy.accessLog.length, before + 2, "one exchange each");
        }
      }
    });
  }

  test("a body that was read whole leaves the connection open, and the next request is the next", async () => {
    await using arena = await Arena.start();
    await using client = await arena.proxy.connect();
    for (const { lines, body } of Object.values(framings)) {
      client.send(postWith(lines, body));
      await client.takeThrough("\r\n\r\n/attack");
    }
    client.send(get("/next"));
    await client.takeThrough("\r\n\r\n/next");
    assert.deepEqual(
      arena.origin.requests.map(({ target }) => target),
      ["/attack", "/attack", "/attack", "/next"],
    );
  });
});

/** Asks on a connection of its own, and answers on a new upstream connection: the attacked one must not be used. */
async function assertFreshUpstream(proxy: ProxyUnderTest, origin: RawOrigin, attacked: RawPeer): Promise<void> {
  const accepted = origin.accepted;
  await using bystander = await proxy.connect();
  bystander.send(get("/bystander"));
  const fresh = await origin.connection();
  assert.equal(origin.accepted, accepted + 1);
  assert.match(await fresh.takeThrough(endOfHead), /^GET \/bystander /);
  fresh.send(ok("mine", "Connection: close\r\n"));
  await bystander.takeThrough("\r\n\r\nmine");
  await attacked.takeToEnd();
}

describe("answered by the origin before the body is there", () => {
  for (const [name, { lines, body }] of Object.entries(framings)) {
    for (const early of [
      ok("early"),
      answer(404),
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\n\r\n",
    ]) {
      test(`${name}: ${early.split("\r\n")[0]}`, async () => {
        await using origin = await RawOrigin.start();
        await using proxy = await startProxy({ origins: [origin.port] });
        await using client = await proxy.connect();
        client.send(postWith(lines));
        const upstream = await origin.connection();
        await upstream.takeThrough(endOfHead);
        upstream.send(early);
        const answered = await client.takeToEnd();
        assert.match(answered, /^HTTP\/1\.1 (?:200|404|204|304) /);
        assert.match(answered, /\r\nconnection: close\r\n/);
        client.send(body + smuggled);
        await nextTurn();
        await assertFreshUpstream(proxy, origin, upstream);
        assert.doesNotMatch(upstream.received, /smuggled/);
        assert.equal(proxy.exchanges.length, 2);
      });
    }
  }

  test("the head of the answer comes early, its end after the body: neither connection is used again", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(postWith(`Content-Length: ${smuggled.length}\r\n`));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nea");
    assert.match(await client.takeThrough("\r\n\r\nea"), /\r\nconnection: close\r\n/);
    client.send(smuggled);
    assert.equal(await upstream.takeBytes(smuggled.length), smuggled);
    upstream.send("rly");
    assert.equal(await client.takeToEnd(), "rly");
    await assertFreshUpstream(proxy, origin, upstream);
  });

  test("an interim answer decides nothing", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(postWith("Content-Length: 5\r\n"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    await client.takeThrough("HTTP/1.1 103 Early Hints\r\n\r\n");
    client.send("hello");
    await upstream.takeThrough("hello");
    upstream.send(ok("1"));
    assert.doesNotMatch(await client.takeThrough("\r\n\r\n1"), /connection: close/);
    client.send(get("/same"));
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("2"));
    await client.takeThrough("\r\n\r\n2");
  });
});

test("a body that breaks off: the origin never gets an end, and its connection is dropped", async () => {
  for (const { lines, body } of Object.values(framings)) {
    await using arena = await Arena.start();
    for (let length = 0; length < body.length; length++) {
      await using client = await arena.proxy.connect();
      client.send(postWith(lines, body.slice(0, length)));
      await eventually(() => arena.origin.unfinished === 1, "the head is with the origin");
      client.reset();
      await arena.assertUnharmed(`a body cut after ${length} bytes`);
    }
    assert.ok(arena.origin.requests.every(({ target }) => target.startsWith("/bystander")));
  }
});
