// SPDX-License-Identifier: Apache-2.0
// naru as the benchmarks run it: as in production, the bundle of `npm run build`, on ports of 127.0.0.1.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { usageError } from "../usage.ts";
import { Child, freePort, openFolder, proxyCore } from "./processes.ts";

const root = new URL("../..", import.meta.url).pathname;
/** Another build to measure in place of this checkout's. */
const otherProgram = process.env["NARU_PROGRAM"];

/** What moves the bytes of naru. */
export type Transport = "node" | "uring";

/** Throws what is wrong with the value of --transport. */
export function parseTransport(name: string): Transport | "auto" {
  if (name === "auto" || name === "node" || name === "uring") return name;
  return usageError(`--transport ${name}: there are auto, node and uring`);
}

export function buildNaru(): void {
  if (otherProgram !== undefined) return;
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: ["ignore", "ignore", "inherit"] });
}

/**
 * A gateway that serves the configuration in `path` (its port 80) on `port`, with one thread and without an access log
 * unless `options` say otherwise.
 */
export function naruCommand(path: string, port: number, options: readonly string[] = []): readonly string[] {
  const listen = ["--listen", `80=127.0.0.1:${port}`, "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
  const program = [process.execPath, otherProgram ?? join(root, "dist/main.js"), "gateway", "-f", path];
  return [...program, ...listen, "--concurrency", "1", ...options];
}

/** What naru makes of `wanted` on this machine, as its metrics say; throws with its words when it cannot be had. */
export async function resolveTransport(wanted: Transport | "auto"): Promise<Transport> {
  await using owned = new AsyncDisposableStack();
  const file = join(openFolder(owned), "naru.yaml");
  const [port, statsPort] = [await freePort(), await freePort()];
  writeFileSync(file, naruConfig(port));
  const command = naruCommand(file, port, ["--stats-port", String(statsPort), "--transport", wanted]);
  owned.use(await Child.start("naru", String(proxyCore), port, command));
  const used = /^naru_transport_info\{[^}]*\btransport="(node|uring)"/m.exec(await scrape(statsPort))?.[1];
  if (used === undefined) throw new Error(`naru with --transport ${wanted} does not tell its transport in its metrics`);
  return used as Transport;
}

/** What Prometheus reads every few seconds. */
export async function scrape(statsPort: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ port: statsPort, host: "127.0.0.1", path: "/stats/prometheus", agent: false }, (response) => {
    text(response).then(resolve, reject);
  }).on("error", reject);
  return await promise;
}

/** One route for everything, to one service with one endpoint. */
export function naruConfig(originPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bench }
spec:
  hosts: ["*"]
  gateways: [bench]
  http:
  - match:
    - uri: { prefix: / }
    route:
    - destination: { host: web, port: { number: 80 } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports:
  - { name: http, port: 80 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: web-1, labels: { app: web, version: v1 } }
spec:
  address: 127.0.0.1
  labels: { app: web, version: v1 }
  ports: { http: ${originPort} }
`;
}
