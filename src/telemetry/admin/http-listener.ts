// SPDX-License-Identifier: Apache-2.0
// One small hardened HTTP server for pages of our own, on node:http: it is not on the proxied path. Bounds everything a
// client can make it hold: heads, bodies, connections, time.

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

import { formatHostPort, messageOf, systemCodeOf, type Clock } from "../../core/index.ts";
import type { Logger } from "../port.ts";
import { textReply, type AdminReply, type Endpoint } from "./endpoint.ts";
import { notFound } from "./index-page.ts";
import { refusalOf } from "./request-guard.ts";

export interface HttpListenerOptions {
  /** What it is for, in error messages: `admin pages`. */
  readonly purpose: string;
  /** Command-line flag that chooses the port. */
  readonly portFlag: string;
  /** "" = all addresses. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Refuse what another site could have sent; for pages that are not for strangers. */
  readonly guarded: boolean;
}

export interface HttpListener {
  readonly address: string;
  readonly port: number;
  /** Stops accepting; replies under way have a second. */
  close(): Promise<void>;
}

const maxHeaderBytes = 8 * 1024;
const maxConnections = 256;
const headersTimeoutMs = 5_000;
const requestTimeoutMs = 10_000;
const keepAliveTimeoutMs = 15_000;
/** A client that stops reading its reply. */
const stalledTimeoutMs = 30_000;
const closeGraceMs = 1_000;
/** No page reads a body; what a form or a careless client sends along is read up to this and thrown away. */
const maxBodyBytes = 4 * 1024;

const commonHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "referrer-policy": "no-referrer",
};

/** Rejects with a sentence for the user, the system's error as its cause, when the address cannot be bound. */
export async function listenHttp(
  options: HttpListenerOptions,
  endpoints: readonly Endpoint[],
  deps: {
    readonly clock: Clock;
    readonly logger: Logger;
    /** Awaited before each reply is made; must not reject. */
    readonly refresh: (() => Promise<void>) | null;
  },
): Promise<HttpListener> {
  const pages = new Pages(options, endpoints, deps.logger, deps.refresh);
  // WHY: `import … from "node:http"` reads every export, and reading `http.WebSocket` loads Node's bundled undici: 6 MB
  // of private memory and 22 ms on Node 26.10.
  const server = process.getBuiltinModule("node:http").createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    },
    (request, response) => void pages.serve(request, response),
  );
  server.maxConnections = maxConnections;
  server.timeout = stalledTimeoutMs;
  const { address, port } = await bind(server, options);
  // Without anybody who listens, a connection lost while accepting it would end the process.
  server.on("error", (error) => deps.logger.warning("a connection was lost", { error: messageOf(error) }));
  return { address, port, close: () => closeServer(server, deps.clock) };
}

class Pages {
  readonly #options: HttpListenerOptions;
  readonly #endpoints: readonly Endpoint[];
  readonly #byPath: ReadonlyMap<string, Endpoint>;
  readonly #logger: Logger;
  readonly #refresh: (() => Promise<void>) | null;

  constructor(
    options: HttpListenerOptions,
    endpoints: readonly Endpoint[],
    logger: Logger,
    refresh: (() => Promise<void>) | null,
  ) {
    this.#options = options;
    this.#endpoints = endpoints;
    this.#byPath = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));
    this.#logger = logger;
    this.#refresh = refresh;
  }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    await this.#refresh?.();
    const reply = this.#replyTo(request, response);
    request.resume();
    try {
      await send(reply, method, response);
    } catch (error) {
      // The head is gone: a broken connection is the only honest signal left, and pipeline() has destroyed it.
      if (systemCodeOf(error) !== "ERR_STREAM_PREMATURE_CLOSE") {
        this.#logger.error("an admin page failed half-way", { method, url, error: messageOf(error) });
      }
    }
    reply.afterwards?.();
  }

  #replyTo(request: IncomingMessage, response: ServerResponse): AdminReply {
    const { method = "", url = "", headers } = request;
    const refusal = this.#options.guarded ? refusalOf(method, headers, this.#options.host) : null;
    if (refusal !== null) {
      this.#logger.warning("admin request refused", { method, url, host: headers.host, reason: refusal });
      return textReply(403, `${refusal}\n`);
    }
    if (!hasSmallBody(request)) {
      response.setHeader("connection", "close");
      return textReply(413, "no page here takes a body\n");
    }
    const [path = "", ...query] = url.split("?");
    const endpoint = this.#byPath.get(path);
    if (endpoint === undefined) return notFound(path, this.#endpoints);
    const wanted = method === "HEAD" ? "GET" : method;
    if ((wanted !== "GET" && wanted !== "POST") || !endpoint.methods.includes(wanted)) {
      const allowed = endpoint.methods.flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each]));
      response.setHeader("allow", allowed.join(", "));
      return textReply(405, `${path} takes ${endpoint.methods.join(" or ")}\n`);
    }
    try {
      return endpoint.handle({ method: wanted, path, query: new URLSearchParams(query.join("?")) });
    } catch (error) {
      this.#logger.error("an admin page failed", { method, url, error: messageOf(error) });
      return textReply(500, "internal error; the log says more\n");
    }
  }
}

async function send(reply: AdminReply, method: string, response: ServerResponse): Promise<void> {
  response.writeHead(reply.status, { ...commonHeaders, "content-type": reply.contentType });
  if (method === "HEAD" || typeof reply.body === "string") {
    const { promise, resolve } = Promise.withResolvers<void>();
    response.once("close", resolve);
    response.end(method === "HEAD" ? "" : reply.body);
    await promise;
  } else {
    await pipeline(reply.body, response);
  }
}

/** Chunked bodies tell no length, so they are refused. */
function hasSmallBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) <= maxBodyBytes;
}

async function bind(server: Server, { purpose, portFlag, host, port }: HttpListenerOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, ...(host === "" ? {} : { host }) }, resolve);
  try {
    await promise;
  } catch (error) {
    const where = formatHostPort(host === "" ? "*" : host, port);
    throw new Error(
      `cannot listen on ${where} for ${purpose}: ${explain(error)}; choose another port with ${portFlag} (0 takes any)`,
      { cause: error },
    );
  } finally {
    server.off("error", reject);
  }
  return server.address() as AddressInfo;
}

function explain(error: unknown): string {
  switch (systemCodeOf(error)) {
    case "EADDRINUSE":
      return "another process listens there";
    case "EACCES":
      return "this user may not listen there";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    default:
      return messageOf(error);
  }
}

async function closeServer(server: Server, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Closes idle connections too.
  server.close(() => resolve());
  const cancel = clock.after(closeGraceMs, () => server.closeAllConnections());
  await promise;
  cancel();
}
