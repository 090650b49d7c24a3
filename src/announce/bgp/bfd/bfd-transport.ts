// SPDX-License-Identifier: Apache-2.0
// UDP for BFD: sent with TTL 255 from a port of the range of RFC 5881 §4. With one hop only what comes with TTL 255 is heard,
// which needs node:ffi; without it, and with several hops, senders are known by their addresses alone.

import type { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";

import type { Random } from "../../../core/index.ts";
import { openNearUdp } from "../../../platform/index.ts";

export interface BfdSender {
  send(packet: Buffer): void;
  /** After what was sent. */
  close(): void;
}

export interface BfdTarget {
  readonly address: string;
  readonly port: number;
  /** "" = the system's choice. */
  readonly sourceAddress: string;
}

export interface BfdTransport {
  open(to: BfdTarget, random: Random, onError: (error: Error) => void): BfdSender;
  /** Everything that comes to this port, with `near` only from the same network, until the returned function is called. */
  receive(
    family: 4 | 6,
    port: number,
    near: boolean,
    onPacket: (packet: Buffer, from: string) => void,
    onError: (error: Error) => void,
  ): () => void;
}

const ttl = 255;
const firstSourcePort = 49_152;
const sourcePorts = 65_536 - firstSourcePort;
const maxTries = 8;

export const bfdTransport: BfdTransport = {
  open: (to, random, onError) => {
    const sender = new Sender(to, random, onError);
    sender.bind();
    return sender;
  },
  receive: (family, port, near, onPacket, onError) => {
    const socket = createSocket({ type: family === 4 ? "udp4" : "udp6", ipv6Only: family === 6 });
    socket.on("message", (packet, { address }) => onPacket(packet, address));
    socket.on("error", onError);
    try {
      const fd = near ? openNearUdp(family, port) : null;
      if (fd === null) socket.bind(port);
      else socket.bind({ fd });
    } catch (error) {
      onError(error as Error);
    }
    return () => socket.close();
  },
};

class Sender implements BfdSender {
  readonly #to: BfdTarget;
  readonly #random: Random;
  readonly #onError: (error: Error) => void;
  #socket: Socket | null = null;
  #isBound = false;
  #isClosed = false;
  #tries = 0;
  #lastError = "";

  constructor(to: BfdTarget, random: Random, onError: (error: Error) => void) {
    this.#to = to;
    this.#random = random;
    this.#onError = onError;
  }

  /** Lost while there is no socket yet: the next one is due soon. */
  send(packet: Buffer): void {
    if (!this.#isBound) return;
    this.#socket?.send(packet, this.#to.port, this.#to.address, (error) => {
      if (error !== null) this.#report(error);
    });
  }

  close(): void {
    this.#isClosed = true;
    // node:dgram sends in the next tick.
    setImmediate(() => {
      this.#socket?.close();
      this.#socket = null;
    });
  }

  /** To a port of the range that nobody has. */
  bind(): void {
    const socket = createSocket(this.#to.address.includes(":") ? "udp6" : "udp4");
    this.#socket = socket;
    this.#tries++;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#isBound || error.code !== "EADDRINUSE" || this.#tries === maxTries) return this.#report(error);
      socket.close();
      this.#socket = null;
      if (!this.#isClosed) this.bind();
    });
    const port = firstSourcePort + Math.floor(this.#random() * sourcePorts);
    const { sourceAddress } = this.#to;
    socket.bind({ port, exclusive: true, ...(sourceAddress === "" ? {} : { address: sourceAddress }) }, () => {
      if (this.#socket !== socket) return;
      socket.setTTL(ttl);
      this.#isBound = true;
    });
  }

  /** Each kind of failure once: the next packet meets the same one a moment later. */
  #report(error: Error): void {
    if (error.message === this.#lastError) return;
    this.#lastError = error.message;
    this.#onError(error);
  }
}
