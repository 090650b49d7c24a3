// SPDX-License-Identifier: Apache-2.0
// `node bench/soak.ts --minutes 10`: naru under load for a long time, with a reload every second. Every answer is
// checked; what matters is that none is lost and that memory does not climb. Load and origin live in this process.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";

import { lostRequests, startLoad } from "../test/support/load.ts";
import { LoadOrigin } from "../test/support/load-origin.ts";
import { Child, freePort, proxyCore } from "./load/processes.ts";

const help = `Usage: node bench/soak.ts [options]

  --minutes N       how long (10)
  --connections N   client connections (64)
  --program FILE    what is run: src/main.ts or dist/main.js (src/main.ts)

Prints memory, requests and failures every 10 s. Exit code 1 when a request failed or memory climbs.
`;

const periodMs = 10_000;
/** RssAnon may climb by so much in a minute, over the last two thirds of the run. */
const maxSlopeKiBPerMinute = 1_024;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    connections: { type: "string", default: "64" },
    program: { type: "string", default: "src/main.ts" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(help);
else process.exitCode = await main(Number(values.minutes), Number(values.connections));

async function main(minutes: number, connections: number): Promise<number> {
  const program = new URL(`../${values.program}`, import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), "naru-soak-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rmSync(folder, { recursive: true }));
  const origin = cleanUp.use(await LoadOrigin.start({ bodyBytes: 1_024 }));
  writeConfig(folder, 0, origin.port);
  const port = await freePort();
  const otherPorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
  const naru = cleanUp.use(
    await Child.start("naru", String(proxyCore), port, [
      ...[process.execPath, program, "gateway", join(folder, "config.yaml"), "--concurrency", "1"],
      ...["--listen", `80=127.0.0.1:${port}`, ...otherPorts],
    ]),
  );
  const load = cleanUp.use(startLoad({ port: () => port, connections, requestsPerConnection: 5_000 }));
  const samples: number[] = [];
  print("     s    RssAnon KiB    requests/s    failures    reloads");
  for (let second = 1, before = 0; second <= minutes * 60; second++) {
    await wait(1_000);
    writeConfig(folder, second, origin.port);
    if ((second * 1_000) % periodMs !== 0) continue;
    origin.executions.clear();
    const { anonKiB } = naru.memory();
    samples.push(anonKiB);
    const rate = Math.round((load.answered - before) / (periodMs / 1_000));
    before = load.answered;
    print(
      [
        [second, 6],
        [anonKiB, 15],
        [rate, 14],
        [load.failures.length, 12],
        [second, 11],
      ]
        .map(column)
        .join(""),
    );
  }
  const result = await load.stop();
  const slope = slopePerMinute(samples.slice(Math.floor(samples.length / 3)));
  const climbs = slope > maxSlopeKiBPerMinute;
  print(`\n${result.answered} of ${result.requests} requests answered on ${result.connectionsOpened} connections`);
  print(
    `RssAnon ${samples[0]} → ${samples.at(-1)} KiB, ${Math.round(slope)} KiB per minute: ${climbs ? "climbs" : "flat"}`,
  );
  for (const [reason, count] of Object.entries(lostRequests(result))) print(`${count} × ${reason}`);
  return climbs || result.failures.length > 0 ? 1 : 0;
}

/** Other routes and another endpoint list each time, in one rename. */
function writeConfig(folder: string, version: number, originPort: number): void {
  const routes = Array.from({ length: 1 + (version % 10) }, (_, index) => `/only-in-${version}-${index}`);
  const rules = [...routes, "/"].map(
    (prefix) => `
  - match: [{ uri: { prefix: ${prefix} } }]
    route: [{ destination: { host: app.example, port: { number: 80 } } }]`,
  );
  const text = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: ["*"]
  gateways: [edge]
  http:${rules.join("")}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: app }
spec:
  hosts: [app.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints:
  - { address: 127.0.0.1, ports: { http: ${originPort} }, weight: ${1 + (version % 3)} }
`;
  const draft = join(folder, "draft");
  writeFileSync(draft, text);
  renameSync(draft, join(folder, "config.yaml"));
}

/** Least squares over samples that are `periodMs` apart. */
function slopePerMinute(samples: readonly number[]): number {
  const meanX = (samples.length - 1) / 2;
  const meanY = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of samples.entries()) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return variance === 0 ? 0 : (covariance / variance) * (60_000 / periodMs);
}

function column([value, width]: readonly number[]): string {
  return String(value).padStart(width!);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
