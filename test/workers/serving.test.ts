// SPDX-License-Identifier: Apache-2.0
// Two worker threads as one data plane: both serve, every number is the sum of both, and changes reach both.

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { suite, test } from "node:test";

import { answer, endOfHead, get, ok } from "../support/messages.ts";
import { defaultAction, eventually, route } from "../support/proxy-under-test.ts";
import { assertReset, connectRaw, RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { closeAll, startPool } from "./support/pool-under-test.ts";

/** Answers every request with the same body at once. */
async function startSimpleOrigin(body: string) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    let received = "";
    socket.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      for (let end = received.indexOf(endOfHead); end >= 0; end = received.indexOf(endOfHead)) {
        received = received.slice(end + endOfHead.length);
        socket.write(ok(body));
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]: () => void server.close(),
  };
}

async function ask(peer: RawPeer, body: string, path = "/"): Promise<void> {
  peer.send(get(path));
  assert.match(await peer.takeThrough(body), /^HTTP\/1\.1 200 OK\r\n/);
}

suite("a data plane on two worker threads", () => {
  test("both serve on one port, and every number is the sum of both", async () => {
    using origin = await startSimpleOrigin("hello");
    await using run = await startPool({ origin: origin.port });
    const clients = await run.connectToAll(2);
    for (let round = 0; round < 3; round++) await Promise.all(clients.map((client) => ask(client, "hello")));

    const requests = 3 * clients.length;
    const counts = await run.connectionsByWorker();
    assert.equal(counts.length, 2);
    assert.ok(Math.min(...counts) >= 2, counts.join(", "));
    assert.equal(counts[0]! + counts[1]!, clients.length);
    assert.deepEqual(
      run.metrics.totals().map((total) => [total.labels.responseCode, total.requests]),
      [[200, requests]],
    );
    assert.match(await run.registry.metrics(), new RegExp(`^istio_requests_total\\{.*\\} ${requests}$`, "m"));
    assert.equal(run.sample("naru_downstream_connections_total"), clients.length);
    assert.equal(run.sample("naru_access_log_lines_total"), requests);
    const [cluster] = run.pool.clusters();
    assert.equal(cluster?.endpoints[0]?.requestsTotal, requests);
    assert.equal(run.pool.listeners()[0]?.connectionsActive, clients.length);
    await closeAll(clients);
  });

  test("new endpoints and routes reach both, and no request fails meanwhile", async () => {
    using before = await startSimpleOrigin("before");
    using after = await startSimpleOrigin("after");
    await using run = await startPool({ origin: before.port });
    const clients = await run.connectToAll(2);
    let loading = true;
    const load = clients.map(async (client) => {
      let served = 0;
      for (; loading; served++) {
        client.send(get());
        const head = await client.takeThrough(endOfHead);
        assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
        await client.takeBytes(Number(/content-length: (\d+)/.exec(head)![1]));
      }
      return served;
    });
    for (const port of [after.port, before.port, after.port, before.port, after.port]) {
      run.setOrigin(port);
      await run.pool.applyRouting(run.snapshot());
    }
    loading = false;
    const served = await Promise.all(load);
    assert.ok(
      served.every((count) => count > 0),
      served.join(", "),
    );
    await Promise.all(clients.map((client) => ask(client, "after")));
    await closeAll(clients);
  });

  test("a listener that is no longer configured is closed in both", async () => {
    using origin = await startSimpleOrigin("hello");
    await using run = await startPool({ origin: origin.port });
    const { port } = run;
    await run.pool.applyRouting({ ...run.snapshot(), listeners: [] });
    assert.deepEqual(run.pool.listeners(), []);
    const holder = createServer().listen(port, "127.0.0.1");
    await once(holder, "listening");
    holder.close();
  });

  test("drain: both finish what is in flight, and nothing listens any more", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port });
    const { port } = run;
    const clients = await run.connectToAll(1);
    for (const client of clients) client.send(get());
    const upstreams = await Promise.all(clients.map(() => origin.connection()));
    const drained = run.pool.drain(10_000);
    for (const upstream of upstreams) upstream.send(ok("hello"));
    for (const client of clients) assert.match(await client.takeToEnd(), /^HTTP\/1\.1 200 OK\r\n.*hello$/s);
    assert.deepEqual(await drained, { abandoned: 0 });
    const holder = createServer().listen(port, "127.0.0.1");
    await once(holder, "listening");
    holder.close();
    await closeAll(clients);
  });

  test("drain: what both had to cut off is added up", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port });
    const clients = await run.connectToAll(1);
    for (const client of clients) client.send(get());
    await Promise.all(clients.map(() => origin.connection()));
    assert.deepEqual(await run.pool.drain(0), { abandoned: clients.length });
    await closeAll(clients);
  });
});

suite("limits of a cluster on two worker threads", () => {
  test("maxConnections holds for both together, and everybody is served in the end", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port, cluster: { maxConnections: 2 } });
    const clients = await run.connectToAll(2);
    for (const client of clients) client.send(get());
    const open = new Set([await origin.connection(), await origin.connection()]);
    await waitFor(run, () => run.sample("naru_upstream_requests_pending") === clients.length - 2);
    assert.equal(run.sample("naru_upstream_connections_active"), 2);
    assert.equal(origin.accepted, 2);

    void acceptAll(origin, open);
    await eventually(() => {
      for (const upstream of open) {
        if (!upstream.received.includes(endOfHead)) continue;
        upstream.take(upstream.received.length);
        upstream.send(ok("hello"));
      }
      return clients.every((client) => client.received.endsWith("hello"));
    }, "all are answered");
    await waitFor(run, () => run.sample("naru_upstream_requests_pending") === 0);
    assert.ok(run.sample("naru_upstream_connections_active") <= 2);
    await closeAll(clients);
  });

  test("maxRequests holds for both together, and what a dead worker had in flight no longer counts", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port, cluster: { maxRequests: 3 } });
    const clients = await run.connectToAll(4);
    for (const client of clients) client.send(get());
    const upstreams = [await origin.connection(), await origin.connection(), await origin.connection()];
    await waitFor(run, () => run.sample("naru_replies_total") === clients.length - 3);
    assert.equal(run.sample("naru_exchanges_active"), 3);
    const refused = () => clients.filter(({ received }) => received.endsWith("overflow")).length;
    await eventually(() => refused() === clients.length - 3, "the others are refused");
    assert.equal(origin.accepted, 3);
    await closeAll(clients);
    await closeAll(upstreams);

    const again = await run.connectToAll(4);
    for (const client of again) client.send(get());
    await Promise.all([origin.connection(), origin.connection(), origin.connection()]);
    // Whoever is late would take a place that the first death gives back.
    const refusedAgain = () => again.filter(({ received }) => received.endsWith("overflow")).length;
    await eventually(() => refusedAgain() === again.length - 3, "the others are refused again");
    for (const worker of run.started.slice()) await run.replace(worker);
    const last = await run.connectToAll(1);
    for (const client of last.slice(0, 3)) client.send(get());
    for (let index = 0; index < 3; index++) (await origin.connection()).send(ok("hello"));
    for (const client of last.slice(0, 3)) await client.takeThrough("hello");
    await closeAll([...again, ...last]);
  });
});

suite("queues and retries of a cluster on two worker threads", () => {
  test("maxPendingRequests: the queues of both are one", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port, cluster: { maxConnections: 1, maxPendingRequests: 2 } });
    const clients = await run.connectToAll(4);
    for (const client of clients) client.send(get());
    const upstream = await origin.connection();
    await waitFor(run, () => run.sample("naru_replies_total") === clients.length - 3);
    assert.equal(run.sample("naru_upstream_requests_pending"), 2);
    assert.equal(origin.accepted, 1);
    const refused = () => clients.filter(({ received }) => received.endsWith("overflow")).length;
    await eventually(() => refused() === clients.length - 3, "the others are refused");
    upstream.reset();
    await closeAll(clients);
  });

  test("maxRetries: of all failures at once one is tried again", async () => {
    await using origin = await RawOrigin.start();
    const retries = { ...defaultAction.retries, attempts: 1, on: ["5xx"] as const };
    const routes = [route({ uri: { kind: "prefix", value: "/" } }, { retries })];
    await using run = await startPool({ origin: origin.port, cluster: { maxRetries: 1 }, routes });
    const clients = await run.connectToAll(4);
    for (const client of clients) client.send(get());
    const upstreams = await Promise.all(clients.map(() => origin.connection()));
    for (const upstream of upstreams) upstream.send(answer(503, "Connection: close\r\n"));
    const failed = () => clients.filter(({ received }) => received.startsWith("HTTP/1.1 503 Status")).length;
    await eventually(() => failed() === clients.length - 1, "all but one are told");
    (await origin.connection()).send(ok("hello"));
    await eventually(() => clients.some(({ received }) => received.endsWith("hello")), "that one is served");
    await run.pool.refresh();
    assert.equal(run.sample("naru_retries_total"), 1);
    assert.equal(origin.accepted, clients.length + 1);
    await closeAll(clients);
  });
});

suite("limits of a listener on two worker threads", () => {
  for (const [name, options] of [
    ["connections", { maxConnections: 40 }],
    ["connections-per-source", { maxConnectionsPerSource: 40 }],
  ] as const) {
    test(`${name} hold for both together, and a dead worker's part is free`, async () => {
      using origin = await startSimpleOrigin("hello");
      await using run = await startPool({ origin: origin.port, options });
      const clients = await run.connectToAll(2);
      while (clients.length < 40) clients.push(await connectRaw(run.port));
      await waitFor(run, () => run.sample("naru_downstream_connections_active") === 40);
      for (let attempt = 0; attempt < 8; attempt++) await assertReset(run.port);
      await run.pool.refresh();
      assert.equal(run.sample("naru_limit_hits_total", { limit: name }), 8);
      await Promise.all(clients.map((client) => ask(client, "hello")));

      const [lost] = await run.connectionsByWorker();
      await run.replace(run.started[0]!);
      const more = await Promise.all(Array.from({ length: lost! }, () => connectRaw(run.port)));
      await Promise.all(more.map((client) => ask(client, "hello")));
      for (let attempt = 0; attempt < 8; attempt++) await assertReset(run.port);
      await closeAll([...clients, ...more]);
    });
  }
});

async function waitFor(run: Awaited<ReturnType<typeof startPool>>, condition: () => boolean): Promise<void> {
  do await run.pool.refresh();
  while (!condition());
}

async function acceptAll(origin: RawOrigin, open: Set<RawPeer>): Promise<void> {
  for (;;) open.add(await origin.connection());
}
