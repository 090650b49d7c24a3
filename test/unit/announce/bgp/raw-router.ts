// SPDX-License-Identifier: Apache-2.0
// A router of raw bytes on 127.0.0.1: says what the test says, and shows what it was sent.

import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";

import { encodeKeepalive, FrameReader, type Frame } from "../../../../src/announce/bgp/messages/framing.ts";
import type { OpenMessage } from "../../../../src/announce/bgp/messages/open.ts";
import { peerOpen } from "./scripted-session.ts";

export class RawRouter {
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  #arrived = Promise.withResolvers<void>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#waiting.push(socket);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers<void>();
    });
  }

  static async listen(t: TestContext): Promise<RawRouter> {
    const router = new RawRouter(createServer());
    router.#server.listen(0, "127.0.0.1");
    await once(router.#server, "listening");
    t.after(() => router.#server.close());
    return router;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection that comes. */
  async accept(t: TestContext): Promise<RawSession> {
    while (this.#waiting.length === 0) await this.#arrived.promise;
    return new RawSession(t, this.#waiting.shift()!);
  }
}

export class RawSession {
  readonly socket: Socket;
  readonly #frames: Frame[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(t: TestContext, socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader();
    t.after(() => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      reader.push(bytes as Buffer);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) this.#frames.push(frame);
      this.#notify();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#notify();
    });
  }

  static async connect(t: TestContext, port: number, from = "127.0.0.1"): Promise<RawSession> {
    const session = new RawSession(t, connect({ port, host: "127.0.0.1", localAddress: from }));
    await once(session.socket, "connect");
    return session;
  }

  /** The next message, which must be of this type. */
  async next(type: number): Promise<Buffer> {
    while (this.#frames.length === 0) {
      assert.ok(!this.#ended, `the connection ended before a message of type ${type}`);
      await this.#wake.promise;
    }
    const frame = this.#frames.shift()!;
    assert.equal(frame.type, type, `type ${frame.type}: ${frame.body.toString("hex")}`);
    return frame.body;
  }

  /** The next message, which must be a NOTIFICATION: `code/subcode:data`. */
  async notification(): Promise<string> {
    const body = await this.next(3);
    return `${body[0]!}/${body[1]!}:${body.subarray(2).toString("hex")}`;
  }

  /** Once the connection is gone; nothing more may have been said. */
  async end(): Promise<void> {
    while (!this.#ended) await this.#wake.promise;
    assert.deepEqual(this.#frames, []);
  }

  /** Through OPEN and KEEPALIVE of both ends. */
  async establish(open: Partial<OpenMessage> = {}): Promise<Buffer> {
    this.socket.write(peerOpen(open));
    const theirs = await this.next(1);
    await this.next(4);
    this.socket.write(encodeKeepalive());
    return theirs;
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
