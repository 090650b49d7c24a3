// SPDX-License-Identifier: Apache-2.0
// Runs in a child, which may have a network of its own: gateways that replace each other on one port under load, and what
// came of it as one line of JSON.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

import { portsOf, startNaru } from "../../cli/support/run-naru.ts";
import { startLoad, type LoadFailure } from "../../support/load.ts";
import { LoadOrigin } from "../../support/load-origin.ts";
import { eventually } from "../../support/proxy-under-test.ts";
import { findTool } from "../../support/tools.ts";
import { gatewayYaml, openGatewayFiles, routesYaml, serviceYaml, yamlFile } from "./gateway.ts";

export interface TakeOverReport {
  readonly failures: readonly LoadFailure[];
  readonly connectionsOpened: number;
  /** How each process ended, in the order they were started. */
  readonly exitCodes: readonly (number | null)[];
  /** Requests each process had served when the one before it was told to stop. */
  readonly shares: readonly number[];
  /** Whether the kernel hands connections that nobody has accepted yet on to whoever else listens. */
  readonly kernelMigrates: boolean;
}

const migrateSetting = "/proc/sys/net/ipv4/tcp_migrate_req";
const otherPorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0", "--drain-delay-seconds", "0"];

const [, , network, threads, generations] = process.argv;
if (network === "own") {
  spawnSync(requiredTool("ip"), ["link", "set", "lo", "up"]);
  writeFileSync(migrateSetting, "1");
}
const report = await replaceGateways(threads!, Number(generations));
process.stdout.write(`${JSON.stringify(report)}\n`);

async function replaceGateways(concurrency: string, times: number): Promise<TakeOverReport> {
  await using origin = await LoadOrigin.start();
  await using files = await openGatewayFiles();
  const routes = routesYaml(new Map([["/", [{ host: "app.example", weight: 100 }]]]));
  await files.replace("config.yaml", yamlFile(gatewayYaml([80]), routes, serviceYaml("app.example", [origin.port])));
  await using running = new AsyncDisposableStack();
  const start = (port: number, ...more: readonly string[]) => {
    const listen = ["--listen", `80=127.0.0.1:${port}`, "--concurrency", concurrency];
    return running.use(startNaru(["gateway", files.folder, ...listen, ...otherPorts, ...more]));
  };
  let old = start(0);
  const { gateway: port } = await portsOf(old);
  await using load = startLoad({ port: () => port, connections: 16, requestsPerConnection: 10 });
  const shares: number[] = [];
  const exitCodes: (number | null)[] = [];
  for (let generation = 0; generation < times; generation++) {
    const next = start(port, "--take-over");
    const { stats } = await portsOf(next);
    const goal = load.answered + 400;
    await eventually(() => load.answered > goal, "both serve");
    shares.push(await requestsServed(stats));
    old.process.kill("SIGTERM");
    exitCodes.push((await old.ended).code);
    old = next;
  }
  const { failures, connectionsOpened } = await load.stop();
  const kernelMigrates = readFileSync(migrateSetting, "latin1").trim() === "1";
  return { failures, connectionsOpened, exitCodes, shares, kernelMigrates };
}

function requiredTool(name: "ip"): string {
  const path = findTool(name);
  if (path === null) throw new Error(`${name} is not installed`);
  return path;
}

async function requestsServed(stats: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stats}/stats/prometheus`)).text();
  const counts = [...text.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
