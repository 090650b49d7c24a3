// SPDX-License-Identifier: Apache-2.0
// What the four services have in common: options, one HTTP server, the ready line, and an orderly end.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";

/** Who this process is and where its calls go. */
export interface ServiceOptions {
  /** `v1`, `v2`, `v3`: the value of the `version` label. */
  readonly version: string;
  /** Stands where the original shows the name of its pod. */
  readonly podName: string;
  readonly clusterName: string;
  /** The mesh listener; null = call `http://<service>:9080` itself, as behind a sidecar that captures traffic. */
  readonly meshUrl: URL | null;
}

export interface Service {
  /** Answers one request. A rejection is answered with 500 and written to stderr. */
  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
  /** Lets go of everything the service holds besides its server. */
  close(): void;
}

export interface RunningService {
  readonly port: number;
  /** Finishes open requests (for at most `graceMs`), then resolves with every socket closed. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Longer than the hour for which Istio keeps an idle connection to a service: who keeps longer decides when a connection
 * ends, and a proxy must not send a request into a connection that we are just closing.
 */
const keepAliveTimeoutMs = 2 * 3_600_000;
const defaultGraceMs = 5000;

/** Starts a service on `port` (0 = any free one). Rejects with the system's error when it cannot listen. */
export async function startService(service: Service, host: string, port: number): Promise<RunningService> {
  let stopping = false;
  const server = createServer((request, response) => {
    if (stopping) response.setHeader("connection", "close");
    // One that was under way when the end began would otherwise be kept, idle, for its next request.
    response.once("close", () => {
      if (stopping) server.closeIdleConnections();
    });
    void answer(service, request, response);
  });
  server.keepAliveTimeout = keepAliveTimeoutMs;
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs = defaultGraceMs) {
      stopping = true;
      return closeServer(server, service, graceMs);
    },
  };
}

/**
 * The whole life of a service process: reads the command line, prints `{"listening":PORT}` once it answers, and stops on
 * SIGTERM, on SIGINT, or when the process that started it with an IPC channel ends or lets it go.
 */
export async function runService(name: string, create: (options: ServiceOptions) => Service): Promise<void> {
  const { host, port, options } = readArguments(name);
  const running = await startService(create(options), host, port);
  const stop = (): void => {
    if (process.connected) process.disconnect?.();
    void running.close();
  };
  process.once("SIGTERM", stop);
  // Ctrl-C in a terminal reaches the parent too: one that holds a channel decides itself when its services end. The
  // kernel closes the channel however the parent ends, so no service is left behind.
  const ownedByParent = process.connected;
  process.on("SIGINT", () => {
    if (!ownedByParent) stop();
  });
  if (ownedByParent) process.once("disconnect", stop);
  process.stdout.write(`${JSON.stringify({ listening: running.port })}\n`);
}

function readArguments(name: string): { host: string; port: number; options: ServiceOptions } {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "9080" },
      version: { type: "string", default: "v1" },
      mesh: { type: "string" },
      pod: { type: "string" },
      cluster: { type: "string", default: "local" },
    },
  });
  const port = Number(values.port);
  if (!/^\d{1,5}$/.test(values.port) || port > 65_535) throw new RangeError(`--port ${values.port} is not 0–65535`);
  return {
    host: values.host,
    port,
    options: {
      version: values.version,
      podName: values.pod ?? `${name}-${values.version}`,
      clusterName: values.cluster,
      meshUrl: values.mesh === undefined ? null : new URL(values.mesh),
    },
  };
}

async function answer(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await service.handle(request, response);
  } catch (error) {
    process.stderr.write(`${request.method} ${request.url}: ${String(error)}\n`);
    if (response.headersSent) response.destroy();
    else sendJson(response, 500, { error: "internal error" });
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function closeServer(server: Server, service: Service, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(force);
      service.close();
      resolve();
    });
  });
}

/** Path of the request without its query; never decoded, so `%2e%2e` stays what it is. */
export function requestPath(request: IncomingMessage): string {
  const target = request.url ?? "/";
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** True for GET and HEAD; otherwise answers 405 and returns false. */
export function allowRead(request: IncomingMessage, response: ServerResponse): boolean {
  return allowMethods(request, response, ["GET", "HEAD"]);
}

/** True when the method is one of `methods`; otherwise answers 405 with `allow` and returns false. */
export function allowMethods(request: IncomingMessage, response: ServerResponse, methods: readonly string[]): boolean {
  if (methods.includes(request.method ?? "")) return true;
  response.setHeader("allow", methods.join(", "));
  sendJson(response, 405, { error: "method not allowed" });
  return false;
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json", JSON.stringify(value));
}

/** Sends a whole body; node:http drops it by itself for HEAD. */
export function send(response: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

/** The body as text, or null when it is longer than `limitBytes` (the rest is read and thrown away). */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= limitBytes) chunks.push(chunk);
  }
  return bytes <= limitBytes ? Buffer.concat(chunks).toString("utf8") : null;
}

/** The number at the end of `/details/0`, or null when the path is not `prefix` + digits. */
export function productId(path: string, prefix: string): number | null {
  const digits = path.startsWith(prefix) ? path.slice(prefix.length) : "";
  return /^\d{1,9}$/.test(digits) ? Number(digits) : null;
}
