// SPDX-License-Identifier: Apache-2.0
// More clients than the process may have files: those inside are served, the others are turned away and counted, and
// where files run out all the same, the process lives and serves again as soon as there are some.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { readText } from "../cli/support/workspace.ts";
import { lostRequests, startLoad } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { eventually } from "../support/proxy-under-test.ts";
import { connectRaw, type RawPeer } from "../support/raw-peer.ts";
import { transportOptions } from "../support/transport-under-test.ts";
import { gatewayYaml, openGatewayFiles, routesYaml, serviceYaml, yamlFile } from "./support/gateway.ts";
import { pause } from "./support/pause.ts";

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const fileLimit = 256;
/** What connection-budget.ts makes of it. */
const mostClients = 96;

/** A gateway with so few files in front of `originPort`; disposing kills it. */
async function startLimited(originPort: number, ...args: readonly string[]) {
  await using stack = new AsyncDisposableStack();
  const files = stack.use(await openGatewayFiles());
  const routes = routesYaml(new Map([["/", [{ host: "app.example", weight: 100 }]]]));
  await files.replace("config.yaml", yamlFile(gatewayYaml([80]), routes, serviceYaml("app.example", [originPort])));
  const anyPorts = ["--listen", "80=127.0.0.1:0", "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
  const options = [...anyPorts, "--drain-delay-seconds", "0", ...transportOptions, ...args];
  const command = [process.execPath, entry, "gateway", files.folder, ...options];
  const child = spawn("/bin/sh", ["-c", `ulimit -n ${fileLimit}; exec "$0" "$@"`, ...command], {
    stdio: ["ignore", "ignore", "pipe"],
    signal: AbortSignal.timeout(25_000),
    killSignal: "SIGKILL",
  });
  let log = "";
  child.on("error", (error) => (log += error.message));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  });
  await eventually(() => /gateway is ready/.test(log) || child.exitCode !== null, "it is ready");
  const port = Number(/gateway is ready .*listeners=127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  const [, admin, stats] = /admin=(\d+) .*stats=(\d+)/.exec(log)!.map(Number);
  const owned = stack.move();
  return {
    child,
    port,
    ports: { admin: admin!, stats: stats! },
    log: () => log,
    async metrics(): Promise<string> {
      const outgoing = request({ host: "127.0.0.1", port: stats!, path: "/stats/prometheus", agent: false }).end();
      const [message] = (await once(outgoing, "response")) as [Parameters<typeof readText>[0]];
      return await readText(message);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Clients that send half a request and will not go away by themselves. */
class Crowd {
  turnedAway = 0;
  readonly #sockets: Socket[] = [];

  join(port: number, clients: number): void {
    for (let client = 0; client < clients; client++) {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => undefined);
      socket.on("close", () => this.turnedAway++);
      socket.write("GET / HTTP/1.1\r\nhost: a\r\n");
      this.#sockets.push(socket);
    }
  }

  async leave(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await eventually(() => this.turnedAway === this.#sockets.length, "the crowd leaves");
  }
}

async function ask(client: RawPeer): Promise<string> {
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const head = await client.takeThrough("\r\n\r\n");
  await client.takeBytes(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0));
  return head;
}

/** Until naru has noticed that the crowd left: its places are taken until then. */
async function untilGone(metrics: () => Promise<string>): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (/^naru_downstream_connections_active\{.*\} 1$/m.test(await metrics())) return;
  }
  assert.fail("those who left still count");
}

suite("file descriptors", { timeout: 25_000, concurrency: 2 }, () => {
  for (const threads of ["1", "2"]) {
    test(`clients are turned away before none is left, with ${threads} threads`, async () => {
      await using origin = await LoadOrigin.start();
      await using naru = await startLimited(origin.port, "--concurrency", threads, "--limit", "connections=150");
      const allowed = /too few file descriptors .* allowed=(\d+) open_files=256 needed=(\d+)/.exec(naru.log());
      assert.ok(allowed, naru.log());
      assert.ok(Number(allowed[1]) <= mostClients);
      assert.ok(Number(allowed[2]) > 300);
      await using inside = await connectRaw(naru.port);
      const crowd = new Crowd();
      crowd.join(naru.port, 300);
      const expected = 300 - (Number(allowed[1]) - 1);
      await eventually(() => crowd.turnedAway === expected, "as many are inside as may be");
      assert.match(await ask(inside), /^HTTP\/1\.1 200 /, "an upstream connection is to be had");
      const full = await naru.metrics();
      assert.match(full, new RegExp(`^naru_limit_hits_total\\{limit="connections"\\} ${expected}$`, "m"));
      assert.match(full, /^naru_descriptor_shortages_total 0$/m);
      await crowd.leave();
      await untilGone(() => naru.metrics());
      await using load = startLoad({ port: () => naru.port, connections: 8, requestsEach: 50 });
      assert.deepEqual(lostRequests(await load.finished()), {});
    });
  }

  test("running out of them costs requests, never the process", async () => {
    await using origin = await LoadOrigin.start();
    await using naru = await startLimited(origin.port, "--concurrency", "1");
    assert.doesNotMatch(naru.log(), /too few file descriptors/, "nobody asked for more than there are");
    await using inside = await connectRaw(naru.port);
    const crowd = new Crowd();
    for (const port of Object.values(naru.ports)) crowd.join(port, fileLimit);
    await eventually(() => crowd.turnedAway > 0, "the process has no files left");
    assert.match(await ask(inside), /^HTTP\/1\.1 503 /, "no upstream connection is to be had");
    // What is done once a second has to do without files, too.
    await pause(1_500);
    assert.match(await ask(inside), /^HTTP\/1\.1 503 /, naru.log());
    assert.equal(naru.child.exitCode, null, naru.log());
    await crowd.leave();
    await untilGone(() => naru.metrics());
    await using load = startLoad({ port: () => naru.port, connections: 8, requestsEach: 50 });
    assert.deepEqual(lostRequests(await load.finished()), {});
    const text = await naru.metrics();
    assert.match(text, /^naru_descriptor_shortages_total [1-9]\d*$/m);
    assert.match(text, /^istio_requests_total\{.*response_flags="UF,URX".*\} 2$/m);
    naru.child.kill("SIGTERM");
    await once(naru.child, "close");
    assert.equal(naru.child.exitCode, 0, naru.log());
    assert.doesNotMatch(naru.log(), / error /, naru.log());
  });
});
