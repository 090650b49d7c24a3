// SPDX-License-Identifier: Apache-2.0
// One TCP connection with a peer: bytes to frames one way, messages to bytes the other, and an orderly end.

import type { Socket } from "node:net";

import type { Cancel, Clock } from "../../core/index.ts";
import { BgpError } from "./messages/errors.ts";
import { FrameReader } from "./messages/framing.ts";
import type { SessionEvent, Side } from "./session/events.ts";

/** How long the peer may take to read our last words. */
const lingerMs = 1_000;

export class PeerConnection {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #side: Side;
  readonly #reader = new FrameReader();
  readonly #closed: Promise<void>;
  #tell: ((event: SessionEvent) => void) | null;
  #reason = "connection closed by the peer";

  /** `tell` hears of everything until `close`. */
  constructor(clock: Clock, socket: Socket, side: Side, tell: (event: SessionEvent) => void) {
    this.#clock = clock;
    this.#socket = socket;
    this.#side = side;
    this.#tell = tell;
    this.#closed = new Promise((resolve) => {
      socket.once("close", () => {
        resolve();
        this.#tell?.({ kind: "closed", side, reason: this.#reason });
      });
    });
    socket.on("error", (error) => {
      this.#reason = error.message;
    });
    socket.on("data", (bytes) => this.#received(bytes as Buffer));
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? "";
  }

  send(messages: readonly Buffer[]): void {
    this.#socket.cork();
    for (const message of messages) {
      this.#socket.write(message, (error) => {
        if (error != null) return;
        this.#tell?.({ kind: "written", side: this.#side, all: this.#socket.writableLength === 0 });
      });
    }
    this.#socket.uncork();
  }

  /** Resolves when the socket is gone. */
  close(abrupt: boolean): Promise<void> {
    this.#tell = null;
    if (abrupt) this.#socket.destroy();
    else {
      this.#socket.end();
      const cancel: Cancel = this.#clock.after(lingerMs, () => this.#socket.destroy());
      void this.#closed.then(cancel);
    }
    return this.#closed;
  }

  #received(bytes: Buffer): void {
    if (this.#tell === null) return;
    try {
      this.#reader.push(bytes);
      for (;;) {
        const frame = this.#tell === null ? null : this.#reader.next();
        if (frame === null) return;
        this.#tell({ kind: "frame", side: this.#side, ...frame });
      }
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      this.#tell?.({ kind: "broken", side: this.#side, error });
    }
  }
}
