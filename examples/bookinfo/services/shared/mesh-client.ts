// SPDX-License-Identifier: Apache-2.0
// Calls from one service to another, through the mesh. The mesh routes by the `host` header and joins the spans of one
// page view by the trace headers, which only the service itself can carry from the request it got to those it makes.

import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";

/** Port of every Bookinfo service. */
const servicePort = 9080;
const answerLimitBytes = 1_048_576;

export interface MeshReply {
  readonly status: number;
  /** Parsed JSON, or null when the body is not JSON. */
  readonly body: unknown;
}

export interface MeshClient {
  /** GET `http://<service>:9080<path>`. Rejects when no complete answer arrives within `timeoutMs`. */
  get(service: string, path: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<MeshReply>;
  close(): void;
}

/** Trace context of every tracer Istio's documentation names, and what makes one user's traffic tell from another's. */
const tracedHeaders = [
  "x-request-id",
  "traceparent",
  "tracestate",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
  "x-ot-span-context",
  "x-datadog-trace-id",
  "x-datadog-parent-id",
  "x-datadog-sampling-priority",
  "x-cloud-trace-context",
  "grpc-trace-bin",
  "sw8",
  "user-agent",
  "cookie",
  "authorization",
  "jwt",
] as const;

/** The headers to send on. `end-user` is not among them: only the product page, which knows the session, may set it. */
export function forwardedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const name of tracedHeaders) {
    const value = headers[name];
    if (typeof value === "string") forwarded[name] = value;
  }
  return forwarded;
}

/** Keeps connections alive; `meshUrl` null calls the services by their own names. */
export function createMeshClient(meshUrl: URL | null): MeshClient {
  const agent = new Agent({ keepAlive: true });
  return {
    async get(service, path, headers, timeoutMs) {
      const signal = AbortSignal.timeout(timeoutMs);
      const call = (): Promise<MeshReply> => exchange(agent, meshUrl, service, path, headers, signal);
      try {
        return await call();
      } catch (error) {
        // The peer closed an idle connection while our request was on its way: nothing has been answered, ask again.
        if (error instanceof ReusedConnectionError) return call();
        throw error;
      }
    },
    close: () => agent.destroy(),
  };
}

class ReusedConnectionError extends Error {}

function exchange(
  agent: Agent,
  meshUrl: URL | null,
  service: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<MeshReply> {
  return new Promise((resolve, reject) => {
    const request: ClientRequest = httpRequest({
      agent,
      signal,
      // URL writes an IPv6 address in brackets, a socket wants it without.
      host: meshUrl === null ? service : meshUrl.hostname.replace(/^\[|\]$/g, ""),
      port: meshUrl === null ? servicePort : meshUrl.port || 80,
      path,
      headers: { ...headers, accept: "application/json", host: `${service}:${servicePort}` },
    });
    request.once("response", (response) => void readReply(response).then(resolve, reject));
    request.once("error", (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && error.code === "ECONNRESET";
      reject(stale ? new ReusedConnectionError("connection was closed while idle", { cause: error }) : error);
    });
    request.end();
  });
}

async function readReply(response: IncomingMessage): Promise<MeshReply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerLimitBytes) throw new RangeError(`answer is longer than ${answerLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: parseJson(Buffer.concat(chunks).toString("utf8")) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An error page of a proxy is not JSON; the status says what happened.
    return null;
  }
}
