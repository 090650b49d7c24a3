// SPDX-License-Identifier: Apache-2.0
// A stand-in for the mesh listener: sends a call to the service its host header names, and remembers what it saw.

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenCall {
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface FakeMesh extends AsyncDisposable {
  readonly url: URL;
  readonly calls: readonly SeenCall[];
  /** Where `host` leads: a port, or an answer made up on the spot. A host without one is answered 503. */
  route(host: string, target: number | ((request: IncomingMessage, response: ServerResponse) => void)): void;
}

export async function startFakeMesh(): Promise<FakeMesh> {
  const targets = new Map<string, number | ((request: IncomingMessage, response: ServerResponse) => void)>();
  const calls: SeenCall[] = [];
  const server = createServer((request, response) => {
    const host = request.headers.host ?? "";
    calls.push({ host, path: request.url ?? "", headers: request.headers });
    const target = targets.get(host);
    if (typeof target === "function") return target(request, response);
    if (target === undefined) return void response.writeHead(503).end("no healthy upstream");
    relay(target, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    calls,
    route: (host, target) => void targets.set(host, target),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function relay(port: number, request: IncomingMessage, response: ServerResponse): void {
  const { method, url: path, headers } = request;
  const upstream = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false }, (reply) => {
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(response);
  });
  upstream.once("error", () => response.writeHead(503).end());
  request.pipe(upstream);
}
