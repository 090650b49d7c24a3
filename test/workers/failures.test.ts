// SPDX-License-Identifier: Apache-2.0
// What happens when a worker dies, hangs or cannot start, and how its logs arrive.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";

import { startWorker, type WorkerSetup } from "../../src/roles/workers/index.ts";
import { endOfHead, get, ok, okRelayed } from "../support/messages.ts";
import { eventually } from "../support/proxy-under-test.ts";
import { connectRaw, RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { closeAll, startPool } from "./support/pool-under-test.ts";

/** A thread that does as little as these lines say. */
function foreignWorker(code: string, setup: WorkerSetup): Worker {
  const head = 'const { parentPort, workerData } = require("node:worker_threads");';
  return new Worker(head + code, { eval: true, workerData: setup });
}

/** Agrees to everything and serves nothing. */
const answerEmpty = `
  const answer = { listeners: [], clusters: [], samples: [], abandoned: 0 };
  parentPort.on("message", ({ id }) => parentPort.postMessage({ kind: "answer", id, answer }));`;

async function ask(client: RawPeer, origin: RawOrigin): Promise<void> {
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("hello", "Connection: close\r\n"));
  assert.equal(await client.takeThrough("hello"), okRelayed("hello"));
}

suite("a worker that dies", () => {
  test("is replaced on the same port; the other's connections live, and no count is lost", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port });
    const { port } = run;
    const clients = await run.connectToAll(2);
    for (const client of clients) await ask(client, origin);
    const [before] = await run.connectionsByWorker();
    assert.ok(before !== undefined);

    await run.replace(run.started[0]!);
    assert.equal(run.started.length, 3);
    assert.equal(run.port, port);
    assert.equal(run.sample("naru_worker_restarts_total"), 1);
    assert.equal(run.sample("naru_downstream_connections_total"), clients.length);
    assert.equal(run.metrics.totals()[0]?.requests, clients.length);
    await eventually(() => clients.filter(({ ended }) => ended).length === before, "the dead worker's clients notice");

    const survivors = clients.filter(({ ended }) => !ended);
    for (const client of survivors) await ask(client, origin);
    const more = await run.connectToAll(2);
    for (const client of more) await ask(client, origin);
    await run.pool.refresh();
    assert.equal(run.metrics.totals()[0]?.requests, clients.length + survivors.length + more.length);
    assert.equal(run.sample("naru_downstream_connections_total"), clients.length + more.length);
    await closeAll([...clients, ...more]);
  });

  test("again and again is replaced ever later, until it lives for a minute", async () => {
    let failing = true;
    let lives = 0;
    const start = (setup: WorkerSetup) =>
      setup.thread === 0 && lives++ > 0 && failing
        ? foreignWorker('throw new Error("no luck today")', setup)
        : startWorker(setup);
    await using run = await startPool({ start });
    void run.started[0]!.terminate();
    for (const delayMs of [0, 100, 200, 400]) {
      const ended = new RegExp(`worker ended; starting another +worker=0 delay_ms=${delayMs}$`);
      await eventually(() => run.log.some((line) => ended.test(line)), `it died before a wait of ${delayMs} ms`);
      if (delayMs === 400) failing = false;
      const startedBefore = run.started.length;
      if (delayMs > 0) run.clock.advance(delayMs - 1);
      assert.equal(run.started.length, startedBefore);
      run.clock.advance(delayMs > 0 ? 1 : 0);
      assert.equal(run.started.length, startedBefore + 1);
    }
    assert.ok(run.log.some((line) => line.includes('worker failed  error="no luck today"')));
    await run.pool.applyRouting(run.snapshot());
    assert.equal(run.sample("naru_worker_restarts_total"), 4);
    run.clock.advance(60_000);
    await run.replace(run.started.at(-1)!);
    assert.match(run.log.findLast((line) => line.includes("worker ended")) ?? "", /delay_ms=0$/);
  });

  test("because naru was replaced on disk says so, and the others go on", async () => {
    await using origin = await RawOrigin.start();
    let lives = 0;
    const start = (setup: WorkerSetup) =>
      startWorker(setup.thread === 0 && lives++ > 0 ? { ...setup, buildId: "of-old" } : setup);
    await using run = await startPool({ origin: origin.port, start });
    void run.started[0]!.terminate();
    await eventually(() => run.log.some((line) => line.includes("worker ended")), "it is about to be replaced");
    run.clock.advance(0);
    const why = /worker failed +error="naru's files on disk are of another build \(sources\) than .*; restart it"/;
    await eventually(() => run.log.some((line) => why.test(line)), "the new one has refused");
    const client = await connectRaw(run.port);
    await ask(client, origin);
    await closeAll([client]);
  });

  test("before it ever served makes the start fail", async () => {
    const start = (setup: WorkerSetup) => foreignWorker('throw new Error("no luck today")', setup);
    await assert.rejects(startPool({ start }), /worker 0 did not start/);
  });

  test("in a drain is not replaced, and what it had in flight counts as cut off", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port });
    const clients = await run.connectToAll(1);
    for (const client of clients) client.send(get());
    const upstreams = await Promise.all(clients.map(() => origin.connection()));
    const [lost] = await run.connectionsByWorker();
    const drained = run.pool.drain(10_000);
    void run.started[0]!.terminate();
    await eventually(() => upstreams.filter(({ ended }) => ended).length === lost, "its connections are gone");
    for (const upstream of upstreams) if (!upstream.ended) upstream.send(ok("hello"));
    assert.deepEqual(await drained, { abandoned: lost });
    run.clock.advance(60_000);
    assert.equal(run.started.length, 2);
    await closeAll(clients);
  });
});

suite("an event loop that stalls", () => {
  test("of a worker is noticed by the main thread, once", async () => {
    const start = (setup: WorkerSetup) => {
      if (setup.thread !== 1) return startWorker(setup);
      return foreignWorker(`Atomics.add(new Int32Array(workerData.heartbeats), 2, 1);${answerEmpty}`, setup);
    };
    await using run = await startPool({ start });
    const stalls = (thread: string) => run.sample("naru_event_loop_stalls_total", { thread });
    run.clock.advance(1_250);
    assert.equal(stalls("1"), 0);
    run.clock.advance(250);
    assert.equal(stalls("1"), 1);
    run.clock.advance(10_000);
    assert.equal(stalls("1"), 1);
    assert.ok(run.log.some((line) => /warning workers +event loop stalls.* worker=1$/.test(line)));
  });

  test("of the main thread is noticed by a worker", async () => {
    const start = (setup: WorkerSetup) =>
      setup.thread === 0
        ? startWorker(setup)
        : foreignWorker(`parentPort.postMessage({ kind: "main-stalled" });${answerEmpty}`, setup);
    await using run = await startPool({ start });
    assert.equal(run.sample("naru_event_loop_stalls_total", { thread: "main" }), 1);
    assert.ok(run.log.some((line) => /warning workers +event loop of the main thread stalled/.test(line)));
  });
});

suite("logs of workers", () => {
  test("log lines arrive with the worker's number, and levels follow the main thread's", async () => {
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port });
    for (const worker of [0, 1]) {
      assert.ok(run.log.some((line) => new RegExp(`info +proxy +listening +worker=${worker} `).test(line)));
    }
    const rejected = () => run.log.filter((line) => /debug +proxy +request rejected/.test(line)).length;
    const clients = await run.connectToAll(1);
    for (const client of clients) client.send("nonsense\r\n\r\n");
    for (const client of clients) await client.takeToEnd();
    await run.pool.refresh();
    assert.equal(rejected(), 0);

    assert.equal(run.logger.setLevel("debug", "proxy"), true);
    await run.replace(run.started[0]!);
    const more = await run.connectToAll(1);
    for (const client of more) client.send("nonsense\r\n\r\n");
    for (const client of more) await client.takeToEnd();
    await run.pool.refresh();
    assert.equal(rejected(), more.length);
    for (const worker of [0, 1]) {
      assert.ok(run.log.some((line) => new RegExp(`request rejected +worker=${worker} `).test(line)));
    }
    await closeAll([...clients, ...more]);
  });

  test("access-log lines arrive whole, in order for each connection, and none is lost to a slow file", async () => {
    const server = createServer((_request: IncomingMessage, response: ServerResponse) => response.end("hello"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    await using run = await startPool({ origin: (server.address() as AddressInfo).port });
    run.holdsWrites = true;
    const clients = await run.connectToAll(2);
    const rounds = 40;
    const padding = "x".repeat(2_000);
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        clients.map(async (client, index) => {
          client.send(get(`/${index}/${round}?${padding}`));
          await client.takeThrough("hello");
        }),
      );
    }
    run.releaseWrites();
    await run.pool.flushAccessLog();
    assert.ok(run.written.length > 2, "more than one chunk of each worker");
    assert.ok(run.written.every((chunk) => chunk.endsWith("\n")));
    const next = clients.map(() => 0);
    for (const line of run.written.join("").trimEnd().split("\n")) {
      const [, index, round] = /^\/(\d+)\/(\d+)\?x+$/.exec((JSON.parse(line) as { path: string }).path)!;
      assert.equal(Number(round), next[Number(index)]!++);
    }
    assert.ok(
      next.every((count) => count === rounds),
      next.join(", "),
    );
    await closeAll(clients);
    server.close();
  });
});
