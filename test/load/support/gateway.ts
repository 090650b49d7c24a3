// SPDX-License-Identifier: Apache-2.0
// A whole gateway in this process, fed by files, the way the `gateway` command runs it; and configuration to feed it.

import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { defaultTraffic, unknownWorkload } from "../../../src/model/index.ts";
import { startServing, type Serving } from "../../../src/roles/serve.ts";
import { transportUnderTest, uringCheck } from "../../support/transport-under-test.ts";

export interface GatewayFiles extends AsyncDisposable {
  readonly folder: string;
  /** Replaces a file at once, as kubectl, git and editors with manners do. */
  replace(name: string, text: string): Promise<void>;
  /** Writes into the file in place: readers may see it empty or cut off. */
  overwrite(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export async function openGatewayFiles(): Promise<GatewayFiles> {
  const root = await mkdtemp(join(tmpdir(), "naru-load-"));
  const folder = await mkdtemp(join(root, "config-"));
  return {
    folder,
    async replace(name, text) {
      const draft = join(root, name);
      await writeFile(draft, text);
      await rename(draft, join(folder, name));
    },
    overwrite: (name, text) => writeFile(join(folder, name), text),
    remove: (name) => rm(join(folder, name)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

const anyPort = { host: "127.0.0.1", port: 0 };

/** Serves `folder` with so many threads; ports 80 and 81 of the configuration are bound to free ones. */
export function startGateway(folder: string, log: string[], concurrency = 1): Promise<Serving> {
  const identity = {
    workload: unknownWorkload,
    labels: { istio: "ingressgateway" },
    namespace: "default",
    clusterDomain: "cluster.local",
  };
  return startServing(
    {
      paths: [folder],
      concurrency,
      identity,
      mesh: null,
      portMap: new Map([80, 81].map((port) => [port, anyPort])),
      defaultBind: "127.0.0.1",
      addresses: null,
      admin: anyPort,
      status: anyPort,
      stats: anyPort,
      accessLog: null,
      tracing: null,
      logLevel: "info",
      logFormat: "text",
      traffic: defaultTraffic,
      transport: { wanted: transportUnderTest.name, uringBufferBytes: 2 ** 20, uringCoalesces: true, uringCheck },
      takeOver: false,
      drainDelayMs: 0,
      drainMs: 1_000,
    },
    { writeLog: (line) => log.push(line), colour: false, onQuit: () => undefined },
  );
}

/** Where the gateway port really is; null while it is not bound. */
export function boundPort(serving: Serving, configuredPort: number): number | null {
  const listener = serving.dataPlane.listeners().find((candidate) => candidate.configuredPort === configuredPort);
  return listener === undefined || listener.port === 0 ? null : listener.port;
}

/** A Gateway that listens on these ports for every host. */
export function gatewayYaml(ports: readonly number[]): string {
  const servers = ports.map(
    (port) => `  - { port: { number: ${port}, name: http-${port}, protocol: HTTP }, hosts: ["*"] }`,
  );
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
${servers.join("\n")}
`;
}

export interface Destination {
  readonly host: string;
  readonly weight: number;
}

/** A VirtualService for every host: each path prefix goes to its destinations. */
export function routesYaml(routes: ReadonlyMap<string, readonly Destination[]>): string {
  const rules = [...routes].map(([prefix, destinations]) => {
    const targets = destinations.map(
      ({ host, weight }) => `    - { destination: { host: ${host}, port: { number: 80 } }, weight: ${weight} }`,
    );
    return `  - match: [{ uri: { prefix: ${prefix} } }]\n    route:\n${targets.join("\n")}`;
  });
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: routes }
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
${rules.join("\n")}
`;
}

/** A host with endpoints on these ports of 127.0.0.1. */
export function serviceYaml(host: string, ports: readonly number[]): string {
  const endpoints = ports.map((port) => `  - { address: 127.0.0.1, ports: { http: ${port} } }`);
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replaceAll(".", "-")} }
spec:
  hosts: [${host}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints:
${endpoints.join("\n")}
`;
}

/** Several resources in one file. */
export function yamlFile(...documents: readonly string[]): string {
  return documents.join("---\n");
}
