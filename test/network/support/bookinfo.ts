// SPDX-License-Identifier: Apache-2.0
// Istio's Bookinfo on a machine of its own: the six processes of the example, with naru as the mesh between them.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { workloadEntries } from "../../../src/roles/demo/example-files.ts";
import { bookinfoServices } from "../../../src/roles/demo/service-processes.ts";
import { naru } from "./announce-cluster.ts";
import { scratch } from "./routers.ts";
import { collect, moreOf, type Host, type HostProcess } from "./test-network.ts";

const example = fileURLToPath(new URL("../../../examples/bookinfo", import.meta.url));
const firstPort = 9_081;

/** Its Gateway has the port 8080. */
export const bookinfoManifests = join(example, "manifests");

/** Resolves once all of it serves, with a file that says where: WorkloadEntries at `address`. */
export async function startBookinfo(t: TestContext, host: Host, address: string): Promise<string> {
  const processes = bookinfoServices.map((spec, index) => ({ ...spec, pid: 0, port: firstPort + index }));
  const workloads = join(await scratch(t), "workloads.yaml");
  await writeFile(workloads, workloadEntries(processes).replaceAll("127.0.0.1", address));
  const services = processes.map(({ app, version, port }) => {
    const file = join(example, "services", `${app}.ts`);
    const options = ["--host", address, "--port", String(port), "--version", version];
    return host.node(file, ...options, "--mesh", "http://127.0.0.1:15001");
  });
  for (const process of services) await said(process, /listening/);
  const mesh = host.node(naru, "up", bookinfoManifests, workloads, "--no-announce", "--log-level", "error");
  await said(mesh, /naru is up/);
  return workloads;
}

async function said(process: HostProcess, pattern: RegExp): Promise<void> {
  const text = collect(process.stdout);
  const errors = collect(process.stderr);
  while (!pattern.test(text())) {
    if (process.exitCode !== null) throw new Error(`it ended: ${text()}${errors()}`);
    await moreOf(process.stdout, process);
  }
}
