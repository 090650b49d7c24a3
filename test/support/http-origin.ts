// SPDX-License-Identifier: Apache-2.0
// An origin on Node's own HTTP server, for tests that care about who answered and not about bytes.

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export class HttpOrigin implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(listener: RequestListener): Promise<HttpOrigin> {
    const server = createServer({ keepAliveTimeout: 0 }, listener);
    server.listen({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    return new HttpOrigin(server);
  }

  /** Answers everything with one text. */
  static named(name: string): Promise<HttpOrigin> {
    return HttpOrigin.start((_request, response) => response.end(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }
}
