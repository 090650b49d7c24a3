// SPDX-License-Identifier: Apache-2.0
// More clients than the process may have files: it lives, and it serves again as soon as they leave.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { readText } from "../cli/support/workspace.ts";
import { lostRequests, startLoad } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { eventually } from "../support/proxy-under-test.ts";
import { gatewayYaml, openGatewayFiles, routesYaml, serviceYaml, yamlFile } from "./support/gateway.ts";

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** Node needs about 30 itself. */
const fileLimit = 64;

/** `naru ARGS` with so few files; disposing kills it. */
function startLimited(args: readonly string[]) {
  const script = `ulimit -n ${fileLimit}; exec "$0" "$@"`;
  const child = spawn("/bin/sh", ["-c", script, process.execPath, entry, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    signal: AbortSignal.timeout(25_000),
    killSignal: "SIGKILL",
  });
  child.on("error", (error) => (log += error.message));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  return {
    log: () => log,
    child,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

async function metrics(port: number): Promise<string> {
  const outgoing = request({ host: "127.0.0.1", port, path: "/stats/prometheus", agent: false }).end();
  const [message] = (await once(outgoing, "response")) as [Parameters<typeof readText>[0]];
  return await readText(message);
}

test("running out of files costs connections, never the process", { timeout: 25_000 }, async () => {
  await using origin = await LoadOrigin.start();
  await using files = await openGatewayFiles();
  const routes = routesYaml(new Map([["/", [{ host: "app.example", weight: 100 }]]]));
  await files.replace("config.yaml", yamlFile(gatewayYaml([80]), routes, serviceYaml("app.example", [origin.port])));
  const anyPorts = ["--listen", "80=127.0.0.1:0", "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
  const options = ["--concurrency", "1", "--drain-delay-seconds", "0"];
  await using naru = startLimited(["gateway", files.folder, ...options, ...anyPorts]);
  await eventually(() => /gateway is ready/.test(naru.log()) || naru.child.exitCode !== null, "it is ready");
  const port = Number(/gateway is ready .*listeners=127\.0\.0\.1:(\d+)/.exec(naru.log())?.[1]);
  const [, admin, stats] = /admin=(\d+) .*stats=(\d+)/.exec(naru.log())!.map(Number);

  const crowd: Socket[] = [];
  let turnedAway = 0;
  for (const target of [port, admin!, stats!]) {
    for (let client = 0; client < fileLimit; client++) {
      const socket = connect({ port: target, host: "127.0.0.1" });
      socket.on("error", () => undefined);
      socket.on("close", () => turnedAway++);
      // Half a request each: these clients will not go away by themselves.
      socket.write("GET / HTTP/1.1\r\nhost: a\r\n");
      crowd.push(socket);
    }
  }
  await eventually(() => turnedAway > fileLimit, "the process has no files left");
  assert.equal(naru.child.exitCode, null, naru.log());
  for (const socket of crowd) socket.destroy();
  await eventually(() => turnedAway === crowd.length, "the crowd leaves");

  await using load = startLoad({ port: () => port, connections: 8, requestsEach: 50 });
  assert.deepEqual(lostRequests(await load.finished()), {});
  const text = await metrics(stats!);
  assert.match(text, /^naru_downstream_connections_active\{[^}]*\} [0-8]$/m);
  naru.child.kill("SIGTERM");
  await once(naru.child, "close");
  assert.equal(naru.child.exitCode, 0, naru.log());
});
