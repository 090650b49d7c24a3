// SPDX-License-Identifier: Apache-2.0
// Clients and origins that speak bytes: what was sent is what arrives, nothing is interpreted.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** One raw connection, from either side. */
export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  #received = "";
  #ended = false;
  #closed = false;
  #error: NodeJS.ErrnoException | null = null;
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      this.#notify();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#notify();
    });
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#notify();
    });
  }

  /** Everything received and not yet taken, one character per byte. */
  get received(): string {
    return this.#received;
  }

  /** The peer has finished or dropped the connection. */
  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  /** `ECONNRESET` and the like, or null after an orderly end. */
  get errorCode(): string | null {
    return this.#error?.code ?? null;
  }

  send(bytes: string): void {
    this.socket.write(bytes, "latin1");
  }

  /** Waits until `text` has arrived, then takes everything up to and including it. */
  async takeThrough(text: string): Promise<string> {
    await this.#until(() => this.#received.includes(text), `${JSON.stringify(text)} to arrive`);
    return this.take(this.#received.indexOf(text) + text.length);
  }

  /** Waits for `length` bytes and takes them. */
  async takeBytes(length: number): Promise<string> {
    await this.#until(() => this.#received.length >= length, `${length} bytes to arrive`);
    return this.take(length);
  }

  /** Takes `length` bytes that are there. */
  take(length: number): string {
    const taken = this.#received.slice(0, length);
    this.#received = this.#received.slice(length);
    return taken;
  }

  /** Waits for the end of the connection; returns what arrived before it. */
  async takeToEnd(): Promise<string> {
    await this.#until(() => this.ended, "the connection to end");
    return this.take(this.#received.length);
  }

  /** Half-close. */
  finish(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    if (!this.#closed) await once(this.socket, "close");
  }

  /** Condition first, then the end: what can no longer happen fails at once instead of timing out. */
  async #until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      if (this.ended) {
        const how = this.errorCode ?? "end";
        throw new Error(`waited for ${what}, got ${how} after ${JSON.stringify(this.#received.slice(0, 500))}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

export async function connectRaw(port: number, host = "127.0.0.1"): Promise<RawPeer> {
  const socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  return new RawPeer(socket);
}

/** An origin that hands each connection to the test. */
export class RawOrigin implements AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  accepted = 0;
  readonly #server;
  readonly #waiting: ((peer: RawPeer) => void)[] = [];
  readonly #queue: RawPeer[] = [];
  readonly #all = new Set<RawPeer>();

  private constructor(server: ReturnType<typeof createServer>, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => {
      const peer = new RawPeer(socket);
      this.accepted++;
      this.#all.add(peer);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#queue.push(peer);
      else waiting(peer);
    });
  }

  static async start(): Promise<RawOrigin> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    return new RawOrigin(server, (server.address() as AddressInfo).port);
  }

  /** The next connection, in order of arrival. */
  connection(): Promise<RawPeer> {
    const peer = this.#queue.shift();
    if (peer !== undefined) return Promise.resolve(peer);
    const { promise, resolve } = Promise.withResolvers<RawPeer>();
    this.#waiting.push(resolve);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#all) peer.socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}

/** A port where connects are refused: it was free a moment ago. */
export async function refusingPort(): Promise<number> {
  const origin = await RawOrigin.start();
  await origin[Symbol.asyncDispose]();
  return origin.port;
}

/** Connects and is reset at once, which may be before the connect is known to have succeeded. */
export async function assertReset(port: number): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNRESET");
}
