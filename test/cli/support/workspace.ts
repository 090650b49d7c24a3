// SPDX-License-Identifier: Apache-2.0
// A temporary folder with a gateway's configuration in front of a real origin.

import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Origin {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A node:http server on a free port of 127.0.0.1. */
export async function startOrigin(listener: RequestListener): Promise<Origin> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface Workspace {
  readonly folder: string;
  /** Writes a file into the folder; resolves with its path. */
  write(name: string, text: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** An empty temporary folder, removed when it is disposed of. */
export async function openWorkspace(): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), "naru-cli-"));
  return {
    folder,
    async write(name, text) {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true });
    },
  };
}

/** A Gateway on port 80, and a VirtualService that sends paths under `prefix` to an origin outside the cluster. */
export function gatewayYaml(originPort: number, prefix: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["shop.example"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: ["shop.example"]
  gateways: [edge]
  http:
  - match: [{ uri: { prefix: ${prefix} } }]
    route: [{ destination: { host: origin.example, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: origin }
spec:
  hosts: ["origin.example"]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 127.0.0.1, ports: { http: ${originPort} } }]
`;
}

/** The body of a response, read to its end. */
export async function readText(message: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of message.setEncoding("utf8")) text += String(part);
  return text;
}
