// SPDX-License-Identifier: Apache-2.0
// Stopping the real program under full load: whatever it has accepted it answers, and it says goodbye before it leaves.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";

import { portsOf, startNaru, type RunningNaru } from "../cli/support/run-naru.ts";
import { lostRequests, startLoad } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { connectRaw } from "../support/raw-peer.ts";
import { eventually, startProxy } from "../support/proxy-under-test.ts";
import { gatewayYaml, openGatewayFiles, routesYaml, serviceYaml, yamlFile } from "./support/gateway.ts";
import { pause } from "./support/pause.ts";

const freePorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];

async function writeConfig(files: { replace(name: string, text: string): Promise<void> }, port: number): Promise<void> {
  const routes = routesYaml(new Map([["/", [{ host: "app.example", weight: 100 }]]]));
  await files.replace("config.yaml", yamlFile(gatewayYaml([80]), routes, serviceYaml("app.example", [port])));
}

function startGatewayProcess(folder: string, ...more: readonly string[]): RunningNaru {
  const delay = more.includes("--drain-delay-seconds") ? [] : ["--drain-delay-seconds", "0"];
  const options = ["--concurrency", "2", "--listen", "80=127.0.0.1:0", ...freePorts, ...delay, ...more];
  return startNaru(["gateway", folder, ...options]);
}

/** What a balancer knows of a gateway: where it is, and whether its last probe was answered with 200. */
class ProbedGateway {
  port: number | null = null;
  readonly naru: RunningNaru;

  constructor(naru: RunningNaru) {
    this.naru = naru;
  }

  /** Until the process has ended, and for the first time before this resolves. */
  async startProbing(): Promise<void> {
    const { gateway: port, status } = await portsOf(this.naru);
    const probe = async () => {
      const answer = await fetch(`http://127.0.0.1:${status}/healthz/ready`).catch(() => null);
      this.port = answer?.status === 200 ? port : null;
    };
    await probe();
    let ended = false;
    void this.naru.ended.then(() => (ended = true));
    // One after the other: a late answer must not undo what a newer one said.
    const keepProbing = async () => {
      while (!ended) {
        await pause(50);
        await probe();
      }
    };
    void keepProbing();
  }
}

suite("stopping under load", { timeout: 90_000 }, () => {
  test("SIGTERM: every request that was accepted is answered and logged, the last answer of a connection says so", async () => {
    await using origin = await LoadOrigin.start();
    await using files = await openGatewayFiles();
    await writeConfig(files, origin.port);
    // Beside the folder that is watched.
    const log = `${files.folder}.log`;
    await using naru = startGatewayProcess(files.folder, "--access-log", "json", "--access-log-file", log);
    let port: number | null = (await portsOf(naru)).gateway;
    await using load = startLoad({
      port: () => port,
      connections: 32,
      request: (sequence) => ({ method: "GET", path: `/${sequence}`, body: "" }),
    });
    await eventually(() => load.answered > 1_000, "the load runs");
    // Who is connected stays; the balancer sends nobody new.
    port = null;
    naru.process.kill("SIGTERM");
    await eventually(() => load.closesAnnounced === 32, "every connection is told to go");
    const { code, stderr } = await naru.ended;
    const result = await load.stop();
    assert.deepEqual(lostRequests(result), {});
    assert.equal(code, 0, stderr);
    const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
    const logged = lines.map((line) => (JSON.parse(line) as { path: string }).path);
    assert.equal(logged.length, result.answered);
    assert.equal(new Set(logged).size, result.answered);
  });

  test("clients in the accept queue when a drain begins are answered", async () => {
    await using origin = await LoadOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    // Connected as far as the kernel is concerned, while naru has had no turn to accept any of them.
    const { port } = proxy;
    await using load = startLoad({ port: () => port, connections: 40, requestsEach: 1 });
    const drained = proxy.dataPlane.drain(600_000);
    const result = await load.finished();
    assert.deepEqual(lostRequests(result), {});
    assert.deepEqual([result.answered, result.closesAnnounced], [40, 40]);
    let done = false;
    void drained.then(() => (done = true));
    await eventually(() => {
      proxy.clock.advance(1_000);
      return done;
    }, "the drain ends");
    assert.deepEqual(await drained, { abandoned: 0 });
  });

  test("a client that came just before the drain gets its answer, however late the second", async () => {
    await using origin = await LoadOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    proxy.clock.advance(999);
    await using client = await proxy.connect();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "it is accepted");
    const drained = proxy.dataPlane.drain(600_000);
    await eventually(() => !proxy.dataPlane.listeners()[0]!.port, "the listener is closing");
    proxy.clock.advance(1);
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-load-id: late\r\n\r\n");
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 200 [^]*x-load-id: late\r\n[^]*\r\nconnection: close\r\n/);
    proxy.clock.advance(1_000);
    assert.deepEqual(await drained, { abandoned: 0 });
  });

  test("rolling restarts lose nothing behind a balancer that knows readiness and nothing else", async () => {
    await using origin = await LoadOrigin.start({ bodyBytes: 3_000 });
    await using files = await openGatewayFiles();
    await writeConfig(files, origin.port);
    await using disposables = new AsyncDisposableStack();
    const start = async () => {
      // Many times what the balancer needs to notice, on a busy machine too.
      const naru = disposables.use(startGatewayProcess(files.folder, "--drain-delay-seconds", "2"));
      const gateway = new ProbedGateway(naru);
      await gateway.startProbing();
      return gateway;
    };
    const gateways = await Promise.all([start(), start()]);
    let turn = 0;
    const nextPort = () => gateways[turn++ % 2]!.port ?? gateways[turn++ % 2]!.port;
    await using load = startLoad({ port: nextPort, connections: 16 });
    // Connections that come and go all the time, so that some come while a gateway leaves.
    await using coming = startLoad({ port: nextPort, connections: 4, requestsPerConnection: 3 });
    for (const index of [0, 1]) {
      const goal = load.answered + 300;
      await eventually(() => load.answered > goal, "the load runs");
      const old = gateways[index]!;
      old.naru.process.kill("SIGTERM");
      assert.equal((await old.naru.ended).code, 0, old.naru.stderr());
      gateways[index] = await start();
    }
    const [result, comingResult] = await Promise.all([load.stop(), coming.stop()]);
    assert.deepEqual([lostRequests(result), lostRequests(comingResult)], [{}, {}]);
    assert.ok(result.closesAnnounced >= 16, `${result.closesAnnounced} closes were announced`);
  });

  test("a request that is stuck is cut off at the deadline, which costs the exit code", async () => {
    await using origin = await LoadOrigin.start({ onRequest: (_, id) => (id === "stuck" ? "ignore" : "answer") });
    await using files = await openGatewayFiles();
    await writeConfig(files, origin.port);
    await using naru = startGatewayProcess(files.folder, "--drain-seconds", "1");
    let port: number | null = (await portsOf(naru)).gateway;
    await using client = await connectRaw(port);
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-load-id: stuck\r\n\r\n");
    await using load = startLoad({ port: () => port, connections: 8 });
    await eventually(() => load.answered > 200, "the load runs");
    port = null;
    naru.process.kill("SIGTERM");
    await eventually(() => load.closesAnnounced === 8, "every other connection is told to go");
    assert.deepEqual(lostRequests(await load.stop()), {});
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 503 [^]*\r\nconnection: close\r\n/);
    const { code, stderr } = await naru.ended;
    assert.equal(code, 1);
    assert.match(stderr, /drain deadline passed .*abandoned=1/);
  });
});
