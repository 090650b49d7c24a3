// SPDX-License-Identifier: Apache-2.0
// All BFD sessions of the node: gives what arrives to the session it belongs to (RFC 5880 §6.3, RFC 5881, RFC 5883).

import type { Buffer } from "node:buffer";

import type { Clock, Random } from "../../../core/index.ts";
import type { BfdTimes } from "../peer-config.ts";
import { BfdSession, type BfdSessionDeps } from "./bfd-session.ts";
import type { BfdSender, BfdTransport } from "./bfd-transport.ts";
import { parseBfd, type BfdState } from "./packet.ts";

/** RFC 5881 §4, RFC 5883 §5. */
const port = { singleHop: 3_784, multiHop: 4_784 } as const;
const maxDiscriminator = 0xffff_fffe;

export interface BfdPeer {
  readonly address: string;
  /** "" = the system's choice. */
  readonly sourceAddress: string;
  /** Routers lie between. */
  readonly multiHop: boolean;
  readonly times: BfdTimes;
}

export interface BfdEndpointDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: BfdTransport;
  readonly onError: (error: Error) => void;
}

/** One peer's session as its owner sees it. */
export interface BfdHandle {
  readonly state: BfdState;
  readonly sent: number;
  readonly received: number;
  stop(): void;
}

interface Entry {
  readonly peer: BfdPeer;
  readonly port: number;
  readonly session: BfdSession;
  readonly sender: BfdSender;
}

export class BfdEndpoint {
  readonly #deps: BfdEndpointDeps;
  readonly #sessions = new Map<number, Entry>();
  /** By port and family, while there is a session for it. */
  readonly #receivers = new Map<string, () => void>();

  constructor(deps: BfdEndpointDeps) {
    this.#deps = deps;
  }

  open(peer: BfdPeer, onChange: BfdSessionDeps["onChange"]): BfdHandle {
    const { clock, random, transport, onError } = this.#deps;
    const to = peer.multiHop ? port.multiHop : port.singleHop;
    this.#receive(to, peer.address);
    const sender = transport.open(
      { address: peer.address, port: to, sourceAddress: peer.sourceAddress },
      random,
      onError,
    );
    const send = (packet: Buffer): void => sender.send(packet);
    const session = new BfdSession({ clock, random, send, onChange }, peer.times, this.#discriminator());
    this.#sessions.set(session.discriminator, { peer, port: to, session, sender });
    session.start();
    return {
      get state() {
        return session.state;
      },
      get sent() {
        return session.sent;
      },
      get received() {
        return session.received;
      },
      stop: () => this.#close(session.discriminator),
    };
  }

  #close(discriminator: number): void {
    const entry = this.#sessions.get(discriminator);
    if (entry === undefined) return;
    this.#sessions.delete(discriminator);
    entry.session.stop();
    entry.sender.close();
    const key = receiverKey(entry.port, entry.peer.address);
    for (const other of this.#sessions.values()) if (receiverKey(other.port, other.peer.address) === key) return;
    this.#receivers.get(key)?.();
    this.#receivers.delete(key);
  }

  #receive(at: number, address: string): void {
    const key = receiverKey(at, address);
    if (this.#receivers.has(key)) return;
    const family = address.includes(":") ? 6 : 4;
    const stop = this.#deps.transport.receive(
      family,
      at,
      at === port.singleHop,
      (bytes, from) => this.#received(at, bytes, from),
      this.#deps.onError,
    );
    this.#receivers.set(key, stop);
  }

  #received(at: number, bytes: Buffer, from: string): void {
    const packet = parseBfd(bytes);
    if (packet === null) return;
    const entry =
      packet.yourDiscriminator === 0 ? this.#bySource(at, from) : this.#sessions.get(packet.yourDiscriminator);
    // Whoever knows a discriminator must also be who it was given to.
    if (entry?.peer.address === from && entry.port === at) entry.session.receive(packet);
  }

  /** The newest: an older one is about to end. */
  #bySource(at: number, from: string): Entry | undefined {
    let found: Entry | undefined;
    for (const entry of this.#sessions.values()) if (entry.peer.address === from && entry.port === at) found = entry;
    return found;
  }

  /** RFC 5880 §10: hard to guess, unique, not 0. */
  #discriminator(): number {
    for (;;) {
      const candidate = 1 + Math.floor(this.#deps.random() * maxDiscriminator);
      if (!this.#sessions.has(candidate)) return candidate;
    }
  }
}

function receiverKey(at: number, address: string): string {
  return `${at} ${address.includes(":") ? 6 : 4}`;
}
