// SPDX-License-Identifier: Apache-2.0
// Clients that come while a listener is being opened.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok } from "../support/messages.ts";
import { startProxy } from "../support/proxy-under-test.ts";
import { connectRaw, RawOrigin, refusingPort, type RawPeer } from "../support/raw-peer.ts";
import { transportUnderTest, type Transport } from "../support/transport-under-test.ts";

/** Somebody connects as soon as a port is open, before whoever opened it hears of that. */
function watchedTransport(clients: RawPeer[]): Transport {
  const real = transportUnderTest.create();
  return {
    name: real.name,
    batch: () => real.batch(),
    samples: () => real.samples(),
    async listen(options, accept) {
      const listener = await real.listen(options, accept);
      clients.push(await connectRaw(listener.port));
      return listener;
    },
    connect: (options, handler) => real.connect(options, handler),
    close: () => real.close(),
  };
}

test("a client that finds the port open is served, also while naru looks whether somebody else listens there", async () => {
  await using origin = await RawOrigin.start();
  const clients: RawPeer[] = [];
  const portMap = new Map([[80, { host: "127.0.0.1", port: await refusingPort() }]]);
  const options = { portMap, reusePort: true };
  await using _ = await startProxy({ origins: [origin.port], options, transport: watchedTransport(clients) });
  assert.equal(clients.length, 2, "one while it looks, one when it serves");
  let upstream: RawPeer | null = null;
  for (const client of clients) {
    await using closing = client;
    closing.send(get());
    upstream ??= await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("hello"));
    assert.match(await closing.takeThrough("hello"), /^HTTP\/1\.1 200 /);
  }
});
