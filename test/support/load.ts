// SPDX-License-Identifier: Apache-2.0
// Load with a memory: N keep-alive connections, each sending its next request as soon as the last one is answered, and
// every answer held against the request it belongs to. Nothing is retried here: what naru drops is a failure.

import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

import type { Random } from "../../src/core/index.ts";

export interface LoadRequest {
  readonly method: string;
  readonly path: string;
  /** Sent with its length; "" = no body and no length. */
  readonly body: string;
}

export interface LoadAnswer {
  readonly status: number;
  /** By lower-case name; repeated fields keep the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface LoadOptions {
  /** Where the next connection goes; null = nowhere now, asked again soon. */
  readonly port: () => number | null;
  readonly connections: number;
  readonly host?: string;
  readonly request?: (sequence: number) => LoadRequest;
  /** What is wrong with an answer, or null. `connection` counts from 0 and stays the same when it reconnects. */
  readonly check?: (answer: LoadAnswer, request: LoadRequest, connection: number) => string | null;
  /** A refused connect is no failure but asked for (a gateway that is being replaced). */
  readonly mayBeRefused?: boolean;
  /** A connection is given up after so many answers and replaced. */
  readonly requestsPerConnection?: number;
  /** Each connection sends this many and is done; default: until `stop`. */
  readonly requestsEach?: number;
}

export interface LoadFailure {
  readonly id: string;
  readonly method: string;
  readonly reason: string;
  readonly flags: string;
  /** It was the first on its connection, or the connect itself. */
  readonly fresh: boolean;
}

export interface LoadResult {
  readonly requests: number;
  readonly answered: number;
  readonly connectionsOpened: number;
  /** Connections that an answer announced to be the last of. */
  readonly closesAnnounced: number;
  readonly refused: number;
  readonly failures: readonly LoadFailure[];
}

/** The request header that names a request; origins give it back in their answer. */
export const idHeader = "x-load-id";

/** Between looks for somewhere to connect to. */
const reconnectMs = 2;
let runs = 0;

/** Starts at once. */
export function startLoad(options: LoadOptions): Load {
  return new Load(options, `r${runs++}`);
}

export class Load implements AsyncDisposable {
  readonly options: LoadOptions;
  requests = 0;
  answered = 0;
  connectionsOpened = 0;
  closesAnnounced = 0;
  refused = 0;
  readonly failures: LoadFailure[] = [];
  readonly #name: string;
  readonly #clients: Promise<void>[];
  readonly #open = new Set<LoadClient>();
  #stopping = false;

  constructor(options: LoadOptions, name: string) {
    this.options = options;
    this.#name = name;
    this.#clients = Array.from({ length: options.connections }, (_, index) => this.#run(index));
  }

  /** Lets every request in flight be answered, then closes. */
  async stop(): Promise<LoadResult> {
    this.#stopping = true;
    return await this.finished();
  }

  /** Waits until every connection has sent its `requestsEach`. */
  async finished(): Promise<LoadResult> {
    await Promise.all(this.#clients);
    const { requests, answered, connectionsOpened, closesAnnounced, refused, failures } = this;
    return { requests, answered, connectionsOpened, closesAnnounced, refused, failures };
  }

  /** Drops everything; for tests that have failed in the middle. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    for (const client of this.#open) client.close();
    await Promise.all(this.#clients);
  }

  async #run(index: number): Promise<void> {
    const { requestsEach = Infinity, requestsPerConnection = Infinity, request = plainGet } = this.options;
    let client: LoadClient | null = null;
    let served = 0;
    for (let sent = 0; sent < requestsEach && !this.#stopping;) {
      client ??= await this.#connect();
      if (client === null) {
        if (this.options.mayBeRefused !== true && this.options.port() !== null) sent++;
        await wait(reconnectMs);
        continue;
      }
      const sequence = this.requests++;
      const id = `${this.#name}-${sequence}`;
      const what = request(sequence);
      sent++;
      const outcome = await client.ask(what, id, this.options.host ?? "load.example");
      const reason = typeof outcome === "string" ? outcome : this.#judge(outcome, what, id, index);
      const flags = typeof outcome === "string" ? "" : (outcome.headers.get("x-flags") ?? "");
      if (typeof outcome !== "string") this.answered++;
      if (reason !== null) this.failures.push({ id, method: what.method, reason, flags, fresh: served === 0 });
      const closes = typeof outcome === "string" || outcome.headers.get("connection") === "close";
      if (closes && typeof outcome !== "string") this.closesAnnounced++;
      if (closes || ++served >= requestsPerConnection) {
        this.#leave(client);
        client = null;
        served = 0;
      }
    }
    if (client !== null) this.#leave(client);
  }

  #leave(client: LoadClient): void {
    this.#open.delete(client);
    client.close();
  }

  #judge(answer: LoadAnswer, what: LoadRequest, id: string, index: number): string | null {
    const { check } = this.options;
    if (check !== undefined) return check(answer, what, index);
    if (answer.status !== 200) return `status ${answer.status}: ${answer.body}`;
    const echoed = answer.headers.get(idHeader);
    return echoed === id ? null : `answer of ${echoed}`;
  }

  async #connect(): Promise<LoadClient | null> {
    const port = this.options.port();
    if (port === null) return null;
    const client = new LoadClient(port);
    this.#open.add(client);
    const error = await client.connected;
    if (error === null) {
      this.connectionsOpened++;
      return client;
    }
    this.#open.delete(client);
    this.refused++;
    if (this.options.mayBeRefused !== true) {
      this.failures.push({ id: "", method: "connect", reason: error, flags: "", fresh: true });
    }
    return null;
  }
}

function plainGet(): LoadRequest {
  return { method: "GET", path: "/", body: "" };
}

/** One connection: asks, and reads exactly one answer. */
class LoadClient {
  readonly connected: Promise<string | null>;
  readonly #socket: Socket;
  #received = "";
  #error = "";
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    socket.setEncoding("latin1");
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.connected = promise;
    socket.on("connect", () => resolve(null));
    socket.on("data", (text: string) => {
      this.#received += text;
      this.#wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
    });
    socket.on("end", () => this.#end());
    socket.on("close", () => {
      resolve(this.#error);
      this.#end();
    });
  }

  /** The answer, or why there is none. */
  async ask({ method, path, body }: LoadRequest, id: string, host: string): Promise<LoadAnswer | string> {
    const length = body === "" ? "" : `content-length: ${body.length}\r\n`;
    this.#socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${idHeader}: ${id}\r\n${length}\r\n${body}`,
      "latin1",
    );
    const headEnd = await this.#until(() => this.#received.indexOf("\r\n\r\n"));
    if (headEnd < 0) return this.#lost("before a head");
    const lines = this.#take(headEnd + 4)
      .trimEnd()
      .split("\r\n");
    const status = Number((lines[0] ?? "").slice(9, 12));
    const headers = new Map<string, string>();
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(":");
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const noBody = method === "HEAD" || status === 204 || status === 304;
    const text = noBody ? "" : await this.#body(headers);
    return text === null ? this.#lost("inside the body") : { status, headers, body: text };
  }

  close(): void {
    this.#socket.destroy();
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<string | null> {
    if (headers.get("transfer-encoding") !== "chunked") {
      return await this.#exactly(Number(headers.get("content-length")));
    }
    let text = "";
    for (;;) {
      const lineEnd = await this.#until(() => this.#received.indexOf("\r\n"));
      if (lineEnd < 0) return null;
      const size = Number.parseInt(this.#take(lineEnd + 2), 16);
      const chunk = await this.#exactly(size + 2);
      if (chunk === null) return null;
      if (size === 0) return text;
      text += chunk.slice(0, size);
    }
  }

  async #exactly(length: number): Promise<string | null> {
    const enough = await this.#until(() => (this.#received.length >= length ? length : -1));
    return enough < 0 ? null : this.#take(length);
  }

  /** Waits until `look` finds something; -1 when the connection ends before. */
  async #until(look: () => number): Promise<number> {
    for (;;) {
      const found = look();
      if (found >= 0 || this.#ended) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #take(length: number): string {
    const taken = this.#received.slice(0, length);
    this.#received = this.#received.slice(length);
    return taken;
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #lost(where: string): string {
    const how = this.#error === "" ? "closed" : this.#error;
    return `${how} ${where}`;
  }
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a test expects of most loads: there was some, and nothing was lost. */
export function lostRequests(result: LoadResult): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { method, reason } of result.failures) {
    const key = `${method}: ${reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
