// SPDX-License-Identifier: Apache-2.0
// An origin that reads what reaches it with a reader of its own, which takes one spelling of HTTP/1.1 only: the one naru
// must write. It answers each request with its target, so that nobody can get another's answer unnoticed.

import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface SeenRequest {
  /** Which connection it came on, counted from 0. */
  readonly connection: number;
  readonly method: string;
  readonly target: string;
  /** Names as received. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly trailers: string;
  readonly chunked: boolean;
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const requestLine = new RegExp(`^(${token}) ([\\x21-\\x22\\x24-\\x7e]+) HTTP/1\\.1$`);
const fieldLine = new RegExp(`^(${token}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*)$`);

export class EchoOrigin implements AsyncDisposable {
  readonly port: number;
  /** Complete requests in order of arrival. */
  readonly requests: SeenRequest[] = [];
  /** What was not well-formed. */
  readonly faults: string[] = [];
  accepted = 0;
  readonly #server;
  /** Open connections and their bytes that are no complete request. */
  readonly #open = new Map<Socket, string>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#accept(socket));
  }

  static async start(): Promise<EchoOrigin> {
    const server = createServer({ noDelay: true });
    server.listen({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    return new EchoOrigin(server);
  }

  /** Open connections that hold a part of a request. */
  get unfinished(): number {
    return [...this.#open.values()].filter((bytes) => bytes !== "").length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open.keys()) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  #accept(socket: Socket): void {
    const connection = this.accepted++;
    this.#open.set(socket, "");
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      try {
        this.#open.set(socket, this.#take(socket, connection, this.#open.get(socket)! + text));
      } catch (error) {
        this.faults.push(error instanceof Error ? error.message : String(error));
        socket.destroy();
      }
    });
    // A reset by the proxy is an outcome, not an error of the test.
    socket.on("error", () => this.#open.delete(socket));
    socket.on("close", () => this.#open.delete(socket));
  }

  /** Answers the complete requests in `bytes`; returns the rest. */
  #take(socket: Socket, connection: number, bytes: string): string {
    let rest = bytes;
    for (;;) {
      const read = readRequest(rest, connection);
      if (read === null) return rest;
      this.requests.push(read.request);
      rest = rest.slice(read.length);
      const { method, target } = read.request;
      const body = method === "HEAD" ? "" : target;
      socket.write(`HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: ${target.length}\r\n\r\n${body}`, "latin1");
    }
  }
}

/** The first request in `bytes`, or null when it is not complete. Throws when it is not well-formed. */
function readRequest(bytes: string, connection: number): { request: SeenRequest; length: number } | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [first = "", ...lines] = bytes.slice(0, headEnd).split("\r\n");
  const [, method = "", target = ""] = requestLine.exec(first) ?? malformed("request line", first);
  const headers = lines.map((line) => {
    const [, name = "", value = ""] = fieldLine.exec(line) ?? malformed("field line", line);
    return [name, value] as const;
  });
  const values = (wanted: string): string[] =>
    headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []));
  const [hosts, lengths, codings] = [values("host"), values("content-length"), values("transfer-encoding")];
  if (hosts.length !== 1) malformed("number of Host lines", bytes);
  if (lengths.length + codings.length > 1) malformed("framing", bytes);
  if (codings.some((coding) => coding !== "chunked")) malformed("coding", bytes);
  if (lengths.some((length) => !/^(?:0|[1-9][0-9]*)$/.test(length))) malformed("length", bytes);
  const request = { connection, method, target, headers, chunked: codings.length === 1 };
  const start = headEnd + 4;
  if (request.chunked) {
    const read = readChunks(bytes, start);
    return read && { request: { ...request, body: read.body, trailers: read.trailers }, length: read.end };
  }
  const length = Number(lengths[0] ?? "0");
  if (bytes.length < start + length) return null;
  return { request: { ...request, body: bytes.slice(start, start + length), trailers: "" }, length: start + length };
}

function readChunks(bytes: string, start: number): { body: string; trailers: string; end: number } | null {
  let body = "";
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const line = bytes.slice(at, lineEnd);
    if (!/^(?:0|[1-9a-f][0-9a-f]*)$/.test(line)) malformed("chunk line", line);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return null;
    if (bytes.slice(at + size, at + size + 2) !== "\r\n") malformed("chunk end", bytes);
    body += bytes.slice(at, at + size);
    at += size + 2;
  }
  const end = bytes.indexOf("\r\n\r\n", at - 2);
  return end < 0 ? null : { body, trailers: bytes.slice(at, end + 2), end: end + 4 };
}

function malformed(what: string, bytes: string): never {
  throw new Error(`${what}: ${JSON.stringify(bytes.slice(0, 300))}`);
}
