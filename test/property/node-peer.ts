// SPDX-License-Identifier: Apache-2.0
// Node's own strict HTTP parser as the second opinion, fed through a pair of streams: no socket, no port.

import http from "node:http";
import { Duplex } from "node:stream";

export type Fields = readonly (readonly [name: string, value: string])[];

export interface NodeMessage {
  readonly method: string;
  readonly target: string;
  readonly statusCode: number;
  readonly headers: Fields;
  readonly trailers: Fields;
  readonly body: string;
  /** Node saw the end of the message. */
  readonly complete: boolean;
}

export interface NodeReading {
  readonly messages: readonly NodeMessage[];
  /** Code of the error Node's parser reported, or "". */
  readonly error: string;
}

/** A stream whose other side is us: gives `input` and ends, swallows what is written. */
class Feed extends Duplex {
  readonly #input: Buffer;

  constructor(input: Buffer) {
    super();
    this.#input = input;
  }

  override _read(): void {
    this.push(this.#input);
    this.push(null);
  }

  override _write(_chunk: unknown, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    done();
  }
}

/** Gives request bytes to Node's server side; resolves when it has dealt with all of them. */
export async function readByNodeServer(input: Buffer): Promise<NodeReading> {
  const messages: NodeMessage[] = [];
  let error = "";
  const server = http.createServer({ maxHeaderSize: 65_536, insecureHTTPParser: false, requireHostHeader: true });
  server.on("request", (request, response) => {
    collect(request, (message) => {
      messages.push(message);
      response.end();
    });
  });
  server.on("clientError", (cause, socket) => {
    error = codeOf(cause);
    socket.destroy();
  });
  const feed = new Feed(input);
  const closed = new Promise<void>((resolve) => feed.once("close", resolve));
  server.emit("connection", feed);
  await closed;
  return { messages, error };
}

/** Gives response bytes to Node's client side as the answer to a `method` request. */
export async function readByNodeClient(input: Buffer, method: string): Promise<NodeReading> {
  const messages: NodeMessage[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const feed = new Feed(input);
  const request = http.request({ method, createConnection: () => feed, headers: { host: "a" }, maxHeaderSize: 65_536 });
  request.on("response", (response) => {
    collect(response, (message) => {
      messages.push(message);
      resolve("");
    });
  });
  request.on("error", (cause) => resolve(codeOf(cause)));
  request.on("close", () => resolve("closed"));
  request.end();
  const error = await promise;
  request.destroy();
  feed.destroy();
  return { messages, error };
}

function collect(source: http.IncomingMessage, onEnd: (message: NodeMessage) => void): void {
  const parts: Buffer[] = [];
  source.on("data", (part: Buffer) => parts.push(part));
  source.on("error", () => {
    // An aborted message: the parser's own error is reported by clientError or by the request.
  });
  source.on("close", () => {
    onEnd({
      method: source.method ?? "",
      target: source.url ?? "",
      statusCode: source.statusCode ?? 0,
      headers: pairs(source.rawHeaders),
      trailers: pairs(source.rawTrailers),
      body: Buffer.concat(parts).toString("latin1"),
      complete: source.complete,
    });
  });
}

function pairs(flat: readonly string[]): Fields {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2]!, flat[index * 2 + 1]!] as const);
}

function codeOf(cause: Error): string {
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
