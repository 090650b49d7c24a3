// SPDX-License-Identifier: Apache-2.0
// Configuration that changes while requests are in flight.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ListenerSpec, RouteSpec, RoutingSnapshot } from "../../src/model/index.ts";
import { HttpOrigin } from "../support/http-origin.ts";
import { answer, endOfHead, get, ok } from "../support/messages.ts";
import {
  anyMatch,
  defaultAction,
  defaultCluster,
  endpoint,
  eventually,
  route,
  startProxy,
  webCluster,
} from "../support/proxy-under-test.ts";
import { connectRaw, RawOrigin } from "../support/raw-peer.ts";

const otherCluster = "outbound|80||other.default.svc.cluster.local";
const toOther = route({}, { destinations: [{ cluster: otherCluster, weight: 1 }] });
const loopback = { host: "127.0.0.1", port: 0 };

function withCluster(snapshot: RoutingSnapshot, name: string): RoutingSnapshot {
  return { ...snapshot, clusters: new Map([...snapshot.clusters, [name, { ...defaultCluster, name }]]) };
}

function replying(status: number, body: string): RouteSpec {
  return { ...route(anyMatch), action: { kind: "reply", status, body } };
}

function gateway(port: number, table: string): ListenerSpec {
  return { name: `gateway_${port}`, role: "gateway", bind: "", port, tables: new Map([[port, table]]) };
}

test("a request in flight keeps its route, the next one on the connection takes the new one", async () => {
  await using before = await RawOrigin.start();
  await using after = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [before.port] });
  await using client = await proxy.connect();
  client.send(get("/1"));
  const one = await before.connection();
  await one.takeThrough(endOfHead);
  await proxy.dataPlane.applyRouting(withCluster(proxy.snapshot([toOther]), otherCluster));
  proxy.dataPlane.applyEndpoints({
    version: "2",
    endpoints: new Map([
      [webCluster, [endpoint(before.port)]],
      [otherCluster, [endpoint(after.port)]],
    ]),
  });
  one.send(ok("before"));
  await client.takeThrough("\r\n\r\nbefore");
  client.send(get("/2"));
  const two = await after.connection();
  await two.takeThrough(endOfHead);
  two.send(ok("after"));
  await client.takeThrough("\r\n\r\nafter");
  assert.deepEqual(
    proxy.accessLog.map(({ upstreamCluster }) => upstreamCluster),
    [webCluster, otherCluster],
  );
});

test("a request in flight is finished though its cluster is gone, and may still be retried there", async () => {
  await using origin = await RawOrigin.start();
  const retries = { ...defaultAction.retries, on: ["5xx"] as const };
  await using proxy = await startProxy({ origins: [origin.port], action: { retries } });
  await using client = await proxy.connect();
  client.send(get("/1"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  await proxy.dataPlane.applyRouting({ ...proxy.snapshot([replying(200, "moved")]), clusters: new Map() });
  assert.deepEqual(proxy.dataPlane.clusters(), []);
  upstream.send(answer(503));
  const again = await origin.connection();
  assert.match(await again.takeThrough(endOfHead), /^GET \/1 /);
  again.send(ok("finished"));
  await client.takeThrough("finished");
  assert.equal(await again.takeToEnd(), "", "its connection is not kept");
  client.send(get("/2"));
  assert.match(await client.takeThrough("moved"), /^HTTP\/1\.1 200 OK\r\n/);
});

test("a snapshot that changes nothing for a cluster keeps its connections", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  for (let round = 0; round < 3; round++) {
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("kept"));
    await client.takeThrough("kept");
    await proxy.dataPlane.applyRouting(proxy.snapshot());
    client.send(get());
  }
  await upstream.takeThrough(endOfHead);
  assert.equal(origin.accepted, 1);
});

test("new limits of a cluster hold for the next request", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  const snapshot = proxy.snapshot();
  const clusters = new Map([[webCluster, { ...defaultCluster, maxRequests: 0 }]]);
  await proxy.dataPlane.applyRouting({ ...snapshot, clusters });
  client.send(get());
  await client.takeThrough("overflow");
  await proxy.dataPlane.applyRouting(snapshot);
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("fine"));
  await client.takeThrough("fine");
});

test("replies of routes: status and body as configured, and none where HTTP has none", async () => {
  await using proxy = await startProxy({
    routes: [
      { ...replying(502, ""), match: { ...anyMatch, uri: { kind: "exact", value: "/blocked" } } },
      { ...replying(204, ""), match: { ...anyMatch, uri: { kind: "exact", value: "/none" } } },
      replying(200, "naru → 나루"),
    ],
  });
  await using client = await proxy.connect();
  client.send(get("/blocked"));
  assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 502 Bad Gateway\r\ncontent-length: 0\r\n/);
  client.send(get("/none"));
  // RFC 9110 §8.6: no Content-Length with 204.
  assert.doesNotMatch(await client.takeThrough(endOfHead), /content-length/);
  client.send(get("/other"));
  assert.match(await client.takeThrough(endOfHead), /\r\ncontent-length: 15\r\n/);
  assert.equal(Buffer.from(await client.takeBytes(15), "latin1").toString(), "naru → 나루");
  assert.deepEqual(
    proxy.outcomes().map(({ code, flags, details }) => `${code} ${flags} ${details}`),
    ["502 - direct_response", "204 - direct_response", "200 - direct_response"],
  );
});

test("listeners come, stay and go with the snapshots", async () => {
  await using proxy = await startProxy({
    routes: [replying(200, "one")],
    options: {
      portMap: new Map([
        [80, loopback],
        [81, loopback],
      ]),
    },
  });
  const { port } = proxy;
  const one = proxy.snapshot();
  const two: RoutingSnapshot = {
    ...one,
    listeners: [...one.listeners, gateway(81, "http.81")],
    routeTables: new Map([
      ...one.routeTables,
      ["http.81", { name: "http.81", hosts: [{ name: "*:81", domains: ["*"], routes: [replying(200, "two")] }] }],
    ]),
  };
  await proxy.dataPlane.applyRouting(two);
  assert.deepEqual(
    proxy.dataPlane.listeners().map(({ name, configuredPort, error }) => [name, configuredPort, error]),
    [
      ["gateway_80", 80, null],
      ["gateway_81", 81, null],
    ],
  );
  assert.equal(proxy.port, port, "the first listener stays where it is");
  const second = proxy.dataPlane.listeners()[1]!.port;
  await using idle = await connectRaw(second);
  idle.send(get());
  await idle.takeThrough("two");
  await using kept = await proxy.connect();
  kept.send(get());
  await kept.takeThrough("one");
  await proxy.dataPlane.applyRouting(one);
  assert.deepEqual(
    proxy.dataPlane.listeners().map(({ name }) => name),
    ["gateway_80"],
  );
  await eventually(() => {
    proxy.clock.advance(100);
    return idle.ended;
  }, "idle connections of the removed listener end");
  await assert.rejects(connectRaw(second), { code: "ECONNREFUSED" });
  kept.send(get());
  await kept.takeThrough("one");
  await proxy.dataPlane.applyRouting(two);
  await using back = await connectRaw(proxy.dataPlane.listeners()[1]!.port);
  back.send(get());
  await back.takeThrough("two");
});

test("a request on a listener that is removed is finished and told that it was the last", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  await proxy.dataPlane.applyRouting({ ...proxy.snapshot(), listeners: [] });
  upstream.send(ok("last"));
  assert.match(await client.takeToEnd(), /\r\nconnection: close\r\n\r\nlast$/);
  assert.equal(client.errorCode, null);
});

test("a port that is taken is reported, the other listeners serve, and the next snapshot tries again", async () => {
  const squatter = await RawOrigin.start();
  await using proxy = await startProxy({
    routes: [replying(200, "one")],
    options: {
      portMap: new Map([
        [80, loopback],
        [81, { host: "127.0.0.1", port: squatter.port }],
      ]),
    },
  });
  const one = proxy.snapshot();
  const two: RoutingSnapshot = { ...one, listeners: [gateway(81, "http.80"), ...one.listeners] };
  await proxy.dataPlane.applyRouting(two);
  const taken = (): string | null | undefined =>
    proxy.dataPlane.listeners().find(({ configuredPort }) => configuredPort === 81)?.error;
  assert.match(taken() ?? "", new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${squatter.port}: .*EADDRINUSE`));
  await using client = await proxy.connect();
  client.send(get());
  await client.takeThrough("one");
  const freed = squatter.port;
  await squatter[Symbol.asyncDispose]();
  await proxy.dataPlane.applyRouting(two);
  assert.equal(taken(), null);
  await using late = await connectRaw(freed);
  late.send(get());
  await late.takeThrough(endOfHead);
});

test("the mesh listener chooses the table by the port of the authority, 80 when there is none", async () => {
  await using proxy = await startProxy({ role: "mesh", routes: [replying(200, "80")] });
  const snapshot = proxy.snapshot();
  const table = (port: number) =>
    [
      String(port),
      {
        name: String(port),
        hosts: [{ name: `reviews:${port}`, domains: ["reviews"], routes: [replying(200, `${port}`)] }],
      },
    ] as const;
  await proxy.dataPlane.applyRouting({
    ...snapshot,
    listeners: snapshot.listeners.map((listener) => ({
      ...listener,
      tables: new Map([
        [80, "http.80"],
        [9080, "9080"],
      ]),
    })),
    routeTables: new Map([...snapshot.routeTables, table(9080)]),
  });
  await using client = await proxy.connect();
  for (const [host, expected] of [
    ["reviews:9080", /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n9080$/s],
    ["reviews", /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n80$/s],
    ["other:9080", /^HTTP\/1\.1 404 Not Found\r\n/],
    ["reviews:9081", /^HTTP\/1\.1 404 Not Found\r\n/],
  ] as const) {
    client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const head = await client.takeThrough(endOfHead);
    const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
    assert.match(head + (await client.takeBytes(length)), expected, host);
  }
});

test("metrics know the gateway as the source of its requests and not of the mesh listener's", async () => {
  await using origin = await HttpOrigin.named("x");
  const workload = { ...endpoint(1).workload, workload: "naru-gateway" };
  const identity = { workload, labels: {}, namespace: "default", clusterDomain: "cluster.local" };
  await using proxy = await startProxy({
    origins: [origin.port],
    options: {
      identity,
      portMap: new Map([
        [80, loopback],
        [15001, loopback],
      ]),
    },
  });
  const snapshot = proxy.snapshot();
  const mesh: ListenerSpec = { name: "mesh", role: "mesh", bind: "", port: 15001, tables: new Map([[80, "http.80"]]) };
  await proxy.dataPlane.applyRouting({ ...snapshot, listeners: [...snapshot.listeners, mesh] });
  for (const { port } of [...proxy.dataPlane.listeners(), ...proxy.dataPlane.listeners()]) {
    await using client = await connectRaw(port);
    client.send(get());
    await client.takeThrough("\r\n\r\nx");
  }
  assert.deepEqual(
    proxy.exchanges.map(({ labels }) => labels.source.workload),
    ["naru-gateway", "unknown", "naru-gateway", "unknown"],
  );
});
