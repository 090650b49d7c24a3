// SPDX-License-Identifier: Apache-2.0
// Who gets the next request: endpoints of a cluster, clusters of a route.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { LoadBalancer } from "../../src/model/index.ts";
import { HttpOrigin } from "../support/http-origin.ts";
import { endOfHead, get, ok } from "../support/messages.ts";
import { defaultCluster, endpoint, startProxy, webCluster, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

/** Chance as a list, told again from the start. */
function chance(...values: readonly number[]): () => number {
  let next = 0;
  return () => values[next++ % values.length]!;
}

/** The answers to `count` requests, one after the other on one connection. */
async function answers(proxy: ProxyUnderTest, count: number): Promise<string> {
  await using client = await proxy.connect();
  let names = "";
  for (let round = 0; round < count; round++) {
    client.send(get());
    await client.takeThrough(endOfHead);
    names += await client.takeBytes(1);
  }
  return names;
}

class Trio implements AsyncDisposable {
  readonly origins: readonly HttpOrigin[];

  private constructor(origins: readonly HttpOrigin[]) {
    this.origins = origins;
  }

  static async start(): Promise<Trio> {
    return new Trio(await Promise.all(["A", "B", "C"].map((name) => HttpOrigin.named(name))));
  }

  get ports(): readonly number[] {
    return this.origins.map(({ port }) => port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.origins.map((origin) => origin[Symbol.asyncDispose]()));
  }
}

test("ROUND_ROBIN takes turns", async () => {
  await using trio = await Trio.start();
  await using proxy = await startProxy({ origins: trio.ports, cluster: { loadBalancer: "ROUND_ROBIN" } });
  assert.equal(await answers(proxy, 7), "ABCABCA");
});

test("ROUND_ROBIN with weights gives each its share, evenly spread", async () => {
  await using trio = await Trio.start();
  await using proxy = await startProxy({ cluster: { loadBalancer: "ROUND_ROBIN" } });
  const weights = [5, 1, 2];
  proxy.setEndpoints(trio.ports.map((port, index) => endpoint(port, { weight: weights[index]! })));
  const names = await answers(proxy, 80);
  for (let turn = 0; turn < 80; turn += 8) {
    const eight = names
      .slice(turn, turn + 8)
      .split("")
      .sort()
      .join("");
    assert.equal(eight, "AAAAABCC");
  }
  assert.doesNotMatch(names, /AAAA/, "nobody gets all of its turns at once");
});

test("RANDOM follows chance, in proportion to the weights", async () => {
  await using trio = await Trio.start();
  const draws = [0, 0.34, 0.99, 0.5, 0.66, 0.67];
  await using proxy = await startProxy({
    origins: trio.ports,
    cluster: { loadBalancer: "RANDOM" },
    random: chance(...draws),
  });
  assert.equal(await answers(proxy, 6), "ABCBBC");
  const weights = [1, 8, 1];
  proxy.setEndpoints(trio.ports.map((port, index) => endpoint(port, { weight: weights[index]! })));
  assert.equal(await answers(proxy, 6), "ABCBBB");
});

test("LEAST_REQUEST asks the less busy of two chosen by chance", async () => {
  await using busy = await RawOrigin.start();
  await using free = await RawOrigin.start();
  // First and second choice of each request: the busy one comes first whenever it can.
  await using proxy = await startProxy({ origins: [busy.port, free.port], random: chance(0, 0.9) });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  await using third = await proxy.connect();
  first.send(get("/1"));
  const one = await busy.connection();
  assert.match(await one.takeThrough(endOfHead), /^GET \/1 /);
  second.send(get("/2"));
  const two = await free.connection();
  assert.match(await two.takeThrough(endOfHead), /^GET \/2 /);
  one.send(ok("1"));
  await first.takeThrough("\r\n\r\n1");
  third.send(get("/3"));
  assert.match(await one.takeThrough(endOfHead), /^GET \/3 /);
  one.send(ok("3"));
  await third.takeThrough("\r\n\r\n3");
});

for (const loadBalancer of ["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"] as const satisfies LoadBalancer[]) {
  test(`${loadBalancer} leaves out endpoints that are not ready or gone, and takes new ones in`, async () => {
    await using trio = await Trio.start();
    let seed = 1;
    await using proxy = await startProxy({
      cluster: { loadBalancer },
      random: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647,
    });
    const [a, b, c] = trio.ports.map((port) => endpoint(port));
    assert.ok(a && b && c);
    const seen = async (): Promise<string> => [...new Set(await answers(proxy, 40))].sort().join("");
    proxy.setEndpoints([a, b]);
    assert.equal(await seen(), "AB");
    proxy.setEndpoints([a, { ...b, ready: false }, c]);
    assert.equal(await seen(), "AC");
    proxy.setEndpoints([b]);
    assert.equal(await seen(), "B");
    proxy.setEndpoints([c, b, a]);
    assert.equal(await seen(), "ABC");
  });
}

test("a route shares its requests between clusters by weight", async () => {
  await using trio = await Trio.start();
  const names = ["v1", "v2", "v3"].map((subset) => `outbound|80|${subset}|web.default.svc.cluster.local`);
  const weights = [80, 15, 5];
  await using proxy = await startProxy({
    action: { destinations: names.map((cluster, index) => ({ cluster, weight: weights[index]! })) },
    // Only the choice of a cluster draws: each cluster has one endpoint.
    random: chance(0, 0.79, 0.8, 0.94, 0.95, 0.999),
  });
  const snapshot = proxy.snapshot();
  const clusters = new Map(names.map((name) => [name, { ...defaultCluster, name }]));
  await proxy.dataPlane.applyRouting({ ...snapshot, clusters });
  const endpoints = new Map(names.map((name, index) => [name, [endpoint(trio.ports[index]!)]]));
  proxy.dataPlane.applyEndpoints({ version: "2", endpoints });
  assert.equal(await answers(proxy, 6), "AABBCC");
  assert.deepEqual(
    proxy.accessLog.map(({ upstreamCluster }) => upstreamCluster),
    [names[0], names[0], names[1], names[1], names[2], names[2]],
  );
});

test("an endpoint that is removed finishes what it has and then loses its connections", async () => {
  await using old = await RawOrigin.start();
  await using fresh = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [old.port] });
  await using idle = await proxy.connect();
  await using busy = await proxy.connect();
  busy.send(get("/busy"));
  const busyUpstream = await old.connection();
  await busyUpstream.takeThrough(endOfHead);
  idle.send(get("/idle"));
  const idleUpstream = await old.connection();
  idleUpstream.send(ok("idle"));
  await idle.takeThrough("\r\n\r\nidle");
  await idleUpstream.takeThrough(endOfHead);
  proxy.setEndpoints([endpoint(fresh.port)]);
  assert.equal(await idleUpstream.takeToEnd(), "");
  assert.equal(idleUpstream.errorCode, null);
  idle.send(get("/new"));
  const next = await fresh.connection();
  next.send(ok("new"));
  await idle.takeThrough("\r\n\r\nnew");
  busyUpstream.send(ok("finished"));
  assert.match(await busy.takeThrough("finished"), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(await busyUpstream.takeToEnd(), "");
  assert.equal(busyUpstream.errorCode, null);
});

test("an endpoint that comes back is new, one that stays keeps connections and counts", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  await upstream.takeThrough(endOfHead);
  const workload = { ...endpoint(1).workload, workload: "web-v2" };
  proxy.setEndpoints([endpoint(origin.port, { workload, weight: 7 })]);
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("2"));
  await client.takeThrough("\r\n\r\n2");
  assert.equal(proxy.cluster(webCluster).endpoints[0]?.requestsTotal, 2);
  assert.deepEqual(
    proxy.exchanges.map(({ labels }) => labels.destination.workload),
    ["unknown", "web-v2"],
  );
  proxy.setEndpoints([]);
  await upstream.takeToEnd();
  proxy.setEndpoints([endpoint(origin.port)]);
  assert.equal(proxy.cluster(webCluster).endpoints[0]?.requestsTotal, 0);
});
