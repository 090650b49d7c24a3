// SPDX-License-Identifier: Apache-2.0
// Endpoints come and go under load. Whoever announces a removal before the origin stops loses no request: those in
// flight finish where they are.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lostRequests, startLoad } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { endpoint, eventually, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { pause } from "./support/pause.ts";

const changes = 60;
const changePeriodMs = 50;

test("endpoints that are replaced every 50 ms cost no request", { timeout: 20_000 }, async () => {
  await using disposables = new AsyncDisposableStack();
  const start = async (version: number) => disposables.use(await LoadOrigin.start({ version: String(version) }));
  let origins = [await start(0), await start(1), await start(2)];
  await using proxy = await startProxy({ origins: origins.map(({ port }) => port), random: Math.random });
  const post = (sequence: number) => ({
    method: sequence % 4 === 0 ? "POST" : "GET",
    path: "/",
    body: "x".repeat(sequence % 3),
  });
  await using load = startLoad({ port: () => proxy.port, connections: 16, request: post });
  const everSeen = new Set<number>();
  for (let version = 3; version < changes; version++) {
    const [oldest, ...rest] = origins;
    origins = [...rest, await start(version)];
    // Weights and readiness change too; an endpoint that is not ready is announced as such before it goes.
    proxy.setEndpoints(origins.map(({ port }, index) => endpoint(port, { weight: 1 + ((version + index) % 3) })));
    await eventually(() => isLeftAlone(proxy) && isDone(oldest!), "the removed origin is idle");
    await oldest!.kill();
    for (const { port } of origins) everSeen.add(port);
    await pause(changePeriodMs);
  }
  const result = await load.stop();
  assert.deepEqual(lostRequests(result), {});
  assert.ok(result.answered > 1_000, `${result.answered} requests are not a load`);
  assert.equal(result.connectionsOpened, 16);
  assert.ok(everSeen.size >= changes - 3);
});

test("with one endpoint after the other the pool moves and nothing is lost", { timeout: 20_000 }, async () => {
  await using first = await LoadOrigin.start({ version: "first" });
  await using second = await LoadOrigin.start({ version: "second" });
  // One connection for everybody: most requests wait in the queue for an endpoint that is about to go.
  await using proxy = await startProxy({ origins: [first.port], cluster: { maxConnections: 1 } });
  await using load = startLoad({
    port: () => proxy.port,
    connections: 16,
    request: () => ({ method: "POST", path: "/", body: "once" }),
  });
  await eventually(() => load.answered > 200, "the load runs");
  for (let change = 0; change < 20; change++) {
    const [next, last] = change % 2 === 0 ? [second, first] : [first, second];
    const before = next.executions.size;
    proxy.setEndpoints([endpoint(next.port)]);
    await eventually(() => next.executions.size > before + 20, "the other endpoint serves");
    const atChange = last.executions.size;
    await pause(10);
    assert.equal(last.executions.size, atChange, "a removed endpoint gets no more requests");
  }
  const result = await load.stop();
  assert.deepEqual(lostRequests(result), {});
  assert.deepEqual([...first.duplicates(), ...second.duplicates()], []);
});

/** No connection is left; naru closes idle ones at once and the others after their answer. */
/** The proxy has connections, established or on their way, to present endpoints only: an origin sees what it accepted. */
function isLeftAlone(proxy: ProxyUnderTest): boolean {
  const { endpoints, connectionsActive } = proxy.cluster();
  return endpoints.reduce((sum, present) => sum + present.connectionsActive, 0) === connectionsActive;
}

function isDone(origin: LoadOrigin): boolean {
  return origin.connections.size === 0;
}
