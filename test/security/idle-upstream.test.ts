// SPDX-License-Identifier: Apache-2.0
// Bytes on an idle upstream connection are nobody's answer (response queue poisoning, CVE-2026-48931): not even when they
// are read only after the next request was written to the connection, because both came to the event loop at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { eventually, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";

const poison = ok("poison");
const poisons = [poison, "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Poison: 1\r\nX-", "x", "\0", "\r\n"];

/** A client and an upstream connection that both have an exchange behind them. */
async function settled(proxy: ProxyUnderTest, origin: RawOrigin): Promise<{ client: RawPeer; upstream: RawPeer }> {
  const client = await proxy.connect();
  client.send(get("/first"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("first"));
  await client.takeThrough("\r\n\r\nfirst");
  return { client, upstream };
}

test("poison that is there in the same turn as the request: another connection serves it", async () => {
  for (const bytes of poisons) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    const { client, upstream } = await settled(proxy, origin);
    await using _ = client;
    // Both are in the kernel before naru looks, and it sees the client first.
    client.send(get("/second"));
    upstream.send(bytes);
    await eventually(() => origin.accepted === 2 || client.received !== "", "the request goes anywhere");
    assert.equal(client.received, "", "not the poison");
    const fresh = await origin.connection();
    assert.match(await fresh.takeThrough(endOfHead), /^GET \/second /, JSON.stringify(bytes));
    fresh.send(ok("second"));
    assert.equal(await client.takeThrough("\r\n\r\nsecond"), okRelayed("second"));
    await upstream.takeToEnd();
    assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "-", details: "via_upstream" });
  }
});

test("a request that may not be sent twice gets an error rather than the poison", async () => {
  for (const bytes of poisons) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    const { client, upstream } = await settled(proxy, origin);
    await using _ = client;
    client.send(post("hello"));
    upstream.send(bytes);
    assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.equal(proxy.lastOutcome()?.flags, "UPE");
    await upstream.takeToEnd();
    assert.equal(origin.accepted, 1, "sent once");
  }
});

test("the other order: the connection is gone before the request is there", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const { client, upstream } = await settled(proxy, origin);
  await using _ = client;
  upstream.send(poison);
  client.send(post("hello"));
  const fresh = await origin.connection();
  await fresh.takeThrough("hello");
  fresh.send(ok("second"));
  assert.equal(await client.takeThrough("\r\n\r\nsecond"), okRelayed("second"));
});
