// SPDX-License-Identifier: Apache-2.0
// Things break while everything is busy: origins die, stall and reset in every phase, clients leave in every phase. What
// can be saved is saved, the rest fails with the right flag, and nothing is left over (the harness looks).

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { lostRequests, seededRandom, startLoad } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { endOfHead, get, ok, post } from "../support/messages.ts";
import {
  defaultAction,
  endpoint,
  eventually,
  nextTurn,
  startProxy,
  type ProxyUnderTest,
} from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";

suite("origins that fail under load", { timeout: 20_000 }, () => {
  test("one of two is killed: idempotent requests do not notice, whatever was in flight", async () => {
    await using victim = await LoadOrigin.start();
    await using survivor = await LoadOrigin.start();
    await using proxy = await startProxy({ origins: [victim.port, survivor.port], random: seededRandom(1) });
    // The killed origin has answered on every connection before: what dies there was kept alive.
    await using load = startLoad({ port: () => proxy.port, connections: 16 });
    await eventually(() => load.answered > 500, "the load runs");
    await victim.kill();
    const before = load.answered;
    await eventually(() => {
      proxy.clock.advance(10);
      return load.answered > before + 500;
    }, "the survivor serves");
    await stopWithTime(proxy, load);
    assert.deepEqual(lostRequests(await load.stop()), {});
    const [dead] = proxy.cluster().endpoints.filter(({ address }) => address.endsWith(`:${victim.port}`));
    assert.ok(dead!.connectionsFailed > 0, "connects to the dead one were tried");
  });

  test("a process that is killed in the middle of everything is not noticed where resets are retried", async () => {
    // Also a connection's first request may be lost: the kernel had accepted it, and the process never did.
    const retries = { ...defaultAction.retries, on: ["connect-failure", "reset"] as const };
    await using victim = await OriginProcess.start();
    await using survivor = await LoadOrigin.start({ version: "survivor" });
    await using proxy = await startProxy({
      origins: [victim.port, survivor.port],
      action: { retries },
      random: seededRandom(4),
    });
    await using load = startLoad({ port: () => proxy.port, connections: 16 });
    await eventually(() => load.answered > 500, "the load runs");
    await victim.kill();
    const before = load.answered;
    await eventually(() => {
      proxy.clock.advance(10);
      return load.answered > before + 500;
    }, "the survivor serves");
    await stopWithTime(proxy, load);
    assert.deepEqual(lostRequests(await load.stop()), {});
    const [dead] = proxy.cluster().endpoints.filter(({ address }) => address.endsWith(`:${victim.port}`));
    assert.ok(dead!.requestsSucceeded > 0, "it had its share");
    assert.ok(dead!.connectionsFailed > 0, "connects to it were tried again");
    assert.equal(dead!.connectionsActive, 0);
  });

  test("a new connection that is lost with a POST on it fails once and is not repeated", async () => {
    const random = seededRandom(2);
    let resets = 0;
    await using origin = await LoadOrigin.start({
      onRequest: () => {
        if (random() >= 0.3) return "answer";
        resets++;
        return "reset";
      },
    });
    await using proxy = await startProxy({ origins: [origin.port] });
    await using load = startLoad({
      port: () => proxy.port,
      connections: 16,
      requestsEach: 100,
      request: () => ({ method: "POST", path: "/", body: "once" }),
    });
    const result = await load.finished();
    assert.equal(result.answered, 1_600);
    assert.equal(result.failures.length, resets);
    assert.deepEqual(origin.duplicates(), []);
  });

  const phases: readonly [string, (upstream: RawPeer) => void, RegExp][] = [
    ["before the head", (upstream) => upstream.reset(), /^HTTP\/1\.1 503 /],
    ["in the head", (upstream) => sendThenReset(upstream, "HTTP/1.1 200 OK\r\nDa"), /^HTTP\/1\.1 503 /],
    ["in the body", (upstream) => sendThenReset(upstream, ok("0123456789").slice(0, -5)), /^HTTP\/1\.1 200 [^]*01234$/],
  ];
  for (const [phase, fail, expected] of phases) {
    test(`a reset ${phase} reaches its own client and nobody else`, async () => {
      await using origin = await RawOrigin.start();
      await using healthy = await LoadOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port] });
      await using client = await proxy.connect();
      client.send(post("12345"));
      const upstream = await origin.connection();
      await upstream.takeThrough("12345");
      proxy.setEndpoints([endpoint(healthy.port)]);
      await using load = startLoad({ port: () => proxy.port, connections: 8 });
      await eventually(() => load.answered > 100, "the load runs");
      fail(upstream);
      assert.match(await (phase === "in the body" ? client.takeToEnd() : client.takeThrough(endOfHead)), expected);
      const before = load.answered;
      await eventually(() => load.answered > before + 100, "the others go on");
      assert.deepEqual(lostRequests(await load.stop()), {});
    });
  }

  test("a stall in the body costs its own client after the idle time, and only that one", async () => {
    await using origin = await RawOrigin.start();
    await using healthy = await LoadOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs: 5_000 } });
    await using stalledDownload = await proxy.connect();
    stalledDownload.send(get());
    const upstream = await origin.connection();
    upstream.send(ok("0123456789").slice(0, -5));
    await stalledDownload.takeThrough("01234");
    await using stalledUpload = await proxy.connect();
    stalledUpload.send(post("12345").slice(0, -2));
    const uploading = await origin.connection();
    await uploading.takeThrough("123");
    proxy.setEndpoints([endpoint(healthy.port)]);
    await using load = startLoad({ port: () => proxy.port, connections: 8 });
    for (let second = 0; second < 7; second++) {
      const before = load.answered;
      await eventually(() => load.answered > before + 50, "the load runs");
      proxy.clock.advance(1_000);
    }
    assert.equal(await stalledDownload.takeToEnd(), "", "what has begun is broken off");
    assert.match(await stalledUpload.takeToEnd(), /^HTTP\/1\.1 408 /);
    await upstream.takeToEnd();
    await uploading.takeToEnd();
    assert.deepEqual(lostRequests(await load.stop()), {});
  });

  test("names that do not resolve cost their own cluster", async () => {
    let isUp = true;
    await using origin = await LoadOrigin.start();
    await using proxy = await startProxy({
      cluster: { discovery: "dns" },
      options: { dnsRefreshMs: 100 },
      resolveHost: () => (isUp ? Promise.resolve(["127.0.0.1"]) : Promise.reject(new Error("SERVFAIL"))),
    });
    proxy.setEndpoints([endpoint(origin.port, { address: "web.example" })]);
    await eventually(() => proxy.cluster().endpoints.length === 1, "the name is resolved");
    await using load = startLoad({ port: () => proxy.port, connections: 8 });
    await eventually(() => load.answered > 100, "the load runs");
    isUp = false;
    for (let round = 0; round < 20; round++) {
      const before = load.answered;
      proxy.clock.advance(100);
      await eventually(() => load.answered > before + 20, "the last good addresses serve");
    }
    assert.deepEqual(lostRequests(await load.stop()), {});
    assert.ok(proxy.logs.some(({ message }) => message === "host name does not resolve"));
  });
});

suite("clients that fail under load", { timeout: 20_000 }, () => {
  test("they leave in every phase, at random, and nothing of them stays", async () => {
    const random = seededRandom(3);
    const held: Socket[] = [];
    let requests = 0;
    await using origin = await LoadOrigin.start({
      bodyBytes: 400_000,
      // Every tenth is left waiting: its client can only give up.
      onRequest: (socket) => {
        if (++requests % 10 !== 0) return "answer";
        held.push(socket);
        return "ignore";
      },
    });
    await using patientOrigin = await LoadOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], random });
    const upload = post("b".repeat(20_000));
    for (let client = 0; client < 400; client++) {
      const peer = await proxy.connect();
      const message = random() < 0.5 ? get() : upload;
      const sent = Math.floor(random() * 1.2 * message.length);
      if (sent > 0) peer.send(message.slice(0, sent));
      for (let turns = Math.floor(random() * 12); turns > 0; turns--) await nextTurn();
      const farewell = random();
      if (farewell < 0.4) peer.reset();
      else if (farewell < 0.7) peer.finish();
      else peer.socket.destroy();
      if (farewell >= 0.4 && farewell < 0.7) void peer.takeToEnd().then(() => peer.socket.destroy());
    }
    await eventually(() => proxy.sample("naru_exchanges_active") === 0, "every exchange is over");
    assert.ok(requests > 50, `${requests} requests reached the origin`);
    proxy.setEndpoints([endpoint(patientOrigin.port)]);
    await using load = startLoad({ port: () => proxy.port, connections: 8, requestsEach: 50 });
    assert.deepEqual(lostRequests(await load.finished()), {});
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "every client is gone");
    assert.equal(proxy.cluster().requestsActive, 0);
    const seen = new Set(proxy.outcomes().map(({ code, flags }) => `${code} ${flags}`));
    assert.ok(seen.has("0 DC") && seen.has("200 -"), [...seen].join());
    assert.deepEqual(
      [...seen].filter((outcome) => !["0 DC", "200 -", "200 DC"].includes(outcome)),
      [],
    );
  });
});

/** An origin as a process of its own. */
class OriginProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(): Promise<OriginProcess> {
    const program = fileURLToPath(new URL("support/origin-child.ts", import.meta.url));
    const child = spawn(process.execPath, [program], {
      stdio: ["ignore", "pipe", "ignore"],
      signal: AbortSignal.timeout(25_000),
      killSignal: "SIGKILL",
    });
    child.on("error", () => undefined);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    return new OriginProcess(Number(line.toString()), child);
  }

  /** The kernel closes what it had open, in the middle of whatever it was. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function sendThenReset(upstream: RawPeer, bytes: string): void {
  upstream.send(bytes);
  // The reset must not overtake what was written.
  setImmediate(() => setImmediate(() => upstream.reset()));
}

/** Stops the load while backoffs go on: they wait on the test's clock. */
async function stopWithTime(proxy: ProxyUnderTest, load: { stop(): Promise<unknown> }): Promise<void> {
  let stopped = false;
  void load.stop().then(() => (stopped = true));
  await eventually(() => {
    proxy.clock.advance(10);
    return stopped;
  }, "the load stops");
}
