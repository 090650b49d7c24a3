// SPDX-License-Identifier: Apache-2.0
// An origin for load: answers at once, says who it is and which request it answers, counts what it executed, and breaks
// connections when it is told to.

import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

import { idHeader } from "./load.ts";

/** What an origin does with one request. */
export type OriginFault = "answer" | "ignore" | "reset" | "close";

export interface LoadOriginOptions {
  /** Sent back as `x-version`. */
  readonly version?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Bytes of each answer's body. */
  readonly bodyBytes?: number;
  /** Called for every request that has arrived whole, before it counts as executed. */
  readonly onRequest?: (socket: Socket, id: string) => OriginFault;
  /** Called once an answer is written, with the connection now idle. */
  readonly onIdle?: (socket: Socket) => void;
}

export class LoadOrigin implements AsyncDisposable {
  readonly port: number;
  readonly version: string;
  readonly connections = new Set<Socket>();
  accepted = 0;
  /** How often each request's head has arrived, by id, whatever became of it: it may have been processed. */
  readonly arrivals = new Map<string, number>();
  /** How often each request was executed, by id. */
  readonly executions = new Map<string, number>();
  readonly #server: Server;

  private constructor(server: Server, options: LoadOriginOptions) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    const { version = "", bodyBytes = 20 } = options;
    this.version = version;
    const tail = `x-version: ${version}\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
    const body = "b".repeat(bodyBytes);
    server.on("connection", (socket) => {
      this.accepted++;
      this.connections.add(socket);
      socket.on("close", () => this.connections.delete(socket));
      socket.on("error", ignoreResets);
      const onHead = (id: string) => void this.arrivals.set(id, (this.arrivals.get(id) ?? 0) + 1);
      readRequests(socket, onHead, (method, id) => {
        // It said goodbye before the request came, and looks at nothing any more.
        if (socket.writableEnded) return;
        const fault = options.onRequest?.(socket, id) ?? "answer";
        if (fault === "reset") socket.resetAndDestroy();
        else if (fault === "close") socket.destroy();
        if (fault !== "answer") return;
        this.executions.set(id, (this.executions.get(id) ?? 0) + 1);
        socket.write(`HTTP/1.1 200 OK\r\n${idHeader}: ${id}\r\n${tail}${method === "HEAD" ? "" : body}`);
        options.onIdle?.(socket);
      });
    });
  }

  static async start(options: LoadOriginOptions = {}): Promise<LoadOrigin> {
    const server = createServer({ noDelay: true });
    server.listen({ port: options.port ?? 0, host: "127.0.0.1" });
    await once(server, "listening");
    return new LoadOrigin(server, options);
  }

  /** Requests that were executed more than once. */
  duplicates(): readonly string[] {
    return [...this.executions].filter(([, count]) => count > 1).map(([id]) => id);
  }

  /** Drops what was counted by request: it grows with every one. */
  forget(): void {
    this.arrivals.clear();
    this.executions.clear();
  }

  /** As if the process had been killed: nothing is answered any more, connects are refused. */
  async kill(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, "close") : Promise.resolve();
    this.#server.close();
    for (const socket of this.connections) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Calls back for each head, then for each whole request; naru sends bodies with a length here. */
function readRequests(
  socket: Socket,
  onHead: (id: string) => void,
  onRequest: (method: string, id: string) => void,
): void {
  let received = "";
  let headSeen = false;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    received += text;
    for (;;) {
      const headEnd = received.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const head = received.slice(0, headEnd);
      const id = new RegExp(`\\n${idHeader}: (\\S+)`, "i").exec(head)?.[1] ?? "";
      if (!headSeen) onHead(id);
      headSeen = true;
      const length = Number(/\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (received.length < end) return;
      received = received.slice(end);
      headSeen = false;
      onRequest(head.slice(0, head.indexOf(" ")), id);
      if (socket.destroyed) return;
    }
  });
}

function ignoreResets(): void {
  // naru may drop a connection at any time; the connection's close event says so.
}
