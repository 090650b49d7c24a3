// SPDX-License-Identifier: Apache-2.0
// Clients that leave while naru still has to do something for them: it is given up at once, and recorded as DC. Where an
// exchange can be left otherwise is in downstream-faults.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok, post } from "../support/messages.ts";
import { endpoint, eventually, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { silentAddress, silentTransport } from "../support/transports.ts";

const leave: readonly (readonly [how: string, go: (client: RawPeer) => void])[] = [
  ["FIN", (client) => client.finish()],
  ["RST", (client) => client.reset()],
];

async function gone(proxy: ProxyUnderTest): Promise<void> {
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client's connection is gone");
  assert.equal(proxy.sample("naru_exchanges_active"), 0);
  assert.equal(proxy.cluster().requestsActive, 0);
  assert.equal(proxy.cluster().connectionsActive, 0);
}

function assertDisconnected(proxy: ProxyUnderTest, code: number): void {
  assert.deepEqual(proxy.outcomes(), [{ code, flags: "DC", details: "downstream_remote_disconnect" }]);
}

for (const [how, go] of leave) {
  test(`${how} while connecting gives the connect up`, async () => {
    await using proxy = await startProxy({ transport: silentTransport() });
    proxy.setEndpoints([endpoint(80, { address: silentAddress })]);
    await using client = await proxy.connect();
    client.send(get());
    await eventually(() => proxy.cluster().connectionsActive === 1, "naru connects");
    go(client);
    await gone(proxy);
    assertDisconnected(proxy, 0);
    assert.equal(proxy.cluster().endpoints[0]?.connectionsFailed, 0, "nobody's fault but the client's");
  });

  test(`${how} behind half a body, while connecting, is seen at once`, async () => {
    await using proxy = await startProxy({ transport: silentTransport() });
    proxy.setEndpoints([endpoint(80, { address: silentAddress })]);
    await using client = await proxy.connect();
    client.send(post("half of it", "X: 1\r\n").slice(0, -5));
    await eventually(() => proxy.cluster().connectionsActive === 1, "naru connects");
    client.send(" of");
    go(client);
    await gone(proxy);
    assertDisconnected(proxy, 0);
  });

  test(`${how} behind half a body, in the queue for a connection, is seen at once`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
    await using first = await proxy.connect();
    first.send(get("/first"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    await using client = await proxy.connect();
    client.send(post("half of it").slice(0, -5));
    await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
    go(client);
    await eventually(() => proxy.cluster().requestsPending === 0, "its place is free");
    assertDisconnected(proxy, 0);
    upstream.send(ok("first"));
    await first.takeThrough("first");
  });

  test(`${how} behind further requests resets the upstream, and none of them is begun`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get("/first") + get("/second"));
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    client.send(get("/third"));
    go(client);
    assert.equal(await upstream.takeToEnd(), "");
    await gone(proxy);
    assertDisconnected(proxy, 0);
    assert.equal(origin.accepted, 1);
  });
}

test("a client that leaves between two requests costs nothing and is not recorded", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("done"));
  await client.takeThrough("done");
  client.finish();
  await client.takeToEnd();
  assert.equal(proxy.exchanges.length, 1);
  assert.equal(proxy.cluster().connectionsActive, 1, "the upstream connection stays for others");
});

test("what an aborted exchange held does not reach the next one", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using first = await proxy.connect();
  first.send("PUT /first HTTP/1.1\r\nHost: first\r\nX-Secret: 1\r\nContent-Length: 100\r\n\r\nsecret");
  const one = await origin.connection();
  await one.takeThrough("secret");
  first.reset();
  await one.takeToEnd();
  await using second = await proxy.connect();
  second.send(get("/second"));
  const two = await origin.connection();
  assert.equal(
    await two.takeThrough(endOfHead),
    "GET /second HTTP/1.1\r\nHost: a\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n" +
      "x-request-id: 5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a\r\n\r\n",
  );
  two.send(ok("clean"));
  await second.takeThrough("clean");
});
