// SPDX-License-Identifier: Apache-2.0
// Heartbeats over UDP: by multicast to the neighbours on each interface, which needs no list of them, and by unicast to
// peers that are named, for networks that filter multicast or lie behind routers.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

import { formatHostPort, ip, messageOf, type Cancel, type Clock } from "../../core/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { HeartbeatPort } from "./membership.ts";

/**
 * For experiments (RFC 3692, RFC 4727), of link scope: no router forwards them, and switches flood them whether or not they
 * watch IGMP (RFC 4541 §2.1.2).
 */
const groups = { 4: "224.0.0.254", 6: "ff02::114" } as const;
/** Names of peers are asked for again so often. */
const lookupEveryMs = 30_000;

/** An interface to send multicast from. */
export interface MulticastInterface {
  readonly name: string;
  readonly addresses: readonly { readonly family: 4 | 6; readonly address: string; readonly usable: boolean }[];
}

export interface UdpPortOptions {
  /** To listen on; its family is that of all sockets. Multicast needs `0.0.0.0` or `::`. */
  readonly host: string;
  /** Also the port that multicast goes to, so the same on all nodes. 0 = any. */
  readonly port: number;
  readonly multicast: boolean;
  /** By name or address; names are looked up now and then. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
}

export interface UdpPortDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Addresses of a name, of the given family. */
  readonly lookup: (host: string, family: 4 | 6) => Promise<readonly string[]>;
}

export interface UdpPort extends HeartbeatPort {
  /** Which interfaces to send multicast from and to hear it on; those without an address of the family are left out. */
  setInterfaces(interfaces: readonly MulticastInterface[]): void;
  /** The port it listens on; 0 before it does. */
  readonly localPort: number;
}

export function createUdpPort(deps: UdpPortDeps, options: UdpPortOptions): UdpPort {
  return new DatagramPort(deps, options);
}

/** One way out. */
interface Sender {
  readonly socket: Socket;
  readonly memberOf: string;
  isReady: boolean;
}

class DatagramPort implements UdpPort {
  readonly #deps: UdpPortDeps;
  readonly #options: UdpPortOptions;
  readonly #family: 4 | 6;
  #socket: Socket | null = null;
  #interfaces: readonly MulticastInterface[] = [];
  readonly #senders = new Map<string, Sender>();
  /** By peer as it was named. */
  readonly #targets = new Map<string, readonly string[]>();
  readonly #failures = new Map<string, string>();
  #onError: (error: unknown) => void = () => undefined;
  #cancelLookups: Cancel = () => undefined;
  #isClosed = false;

  constructor(deps: UdpPortDeps, options: UdpPortOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#family = options.host.includes(":") ? 6 : 4;
  }

  get localPort(): number {
    return this.#socket?.address().port ?? 0;
  }

  async open(receive: (bytes: Buffer, source: string) => void, onError: (error: unknown) => void): Promise<void> {
    const { host, port, multicast, peers } = this.#options;
    if (multicast && ip.parse(host)?.value !== 0n) {
      throw new Error(`heartbeats by multicast are received on all addresses, not on ${host} only`);
    }
    this.#onError = onError;
    const socket = this.#createSocket();
    socket.bind(port, host);
    await once(socket, "listening");
    if (this.#isClosed) {
      socket.close();
      return;
    }
    socket.on("error", onError);
    socket.on("message", (bytes: Buffer, { address }: RemoteInfo) => receive(bytes, address));
    this.#socket = socket;
    void this.#lookUp();
    await Promise.all(this.#reconcile());
    if (peers.length > 0) this.#cancelLookups = this.#deps.clock.every(lookupEveryMs, () => void this.#lookUp());
  }

  send(bytes: Buffer): void {
    const failed = (error: Error | null): void => {
      if (error !== null) this.#onError(error);
    };
    for (const { host, port } of this.#options.peers) {
      for (const address of this.#targets.get(host) ?? []) this.#socket?.send(bytes, port, address, failed);
    }
    for (const { socket, isReady } of this.#senders.values()) {
      if (isReady) socket.send(bytes, this.localPort, groups[this.#family], failed);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelLookups();
    for (const { socket } of this.#senders.values()) socket.close();
    this.#senders.clear();
    this.#socket?.close();
    this.#socket = null;
  }

  setInterfaces(interfaces: readonly MulticastInterface[]): void {
    this.#interfaces = interfaces;
    // Each reports its own failure.
    void Promise.all(this.#reconcile());
  }

  #createSocket(): Socket {
    return createSocket(this.#family === 4 ? "udp4" : "udp6");
  }

  /** Resolve when what is new can be sent from. */
  #reconcile(): readonly Promise<void>[] {
    if (this.#socket === null || !this.#options.multicast) return [];
    const wanted = new Map<string, { readonly memberOf: string; readonly from: string }>();
    for (const { name, addresses } of this.#interfaces) {
      const own = addresses.find(({ family, usable }) => usable && family === this.#family)?.address;
      // IPv6 has no multicast on the loopback interface, and there is nobody behind it.
      if (own === undefined || own === "::1") continue;
      // IPv4 names an interface by one of its addresses, IPv6 by its name.
      const memberOf = this.#family === 4 ? own : `::%${name}`;
      wanted.set(`${name} ${memberOf}`, { memberOf, from: this.#family === 4 ? own : "::" });
    }
    for (const [key, sender] of this.#senders) if (!wanted.has(key)) this.#remove(key, sender);
    const added = [...wanted].filter(([key]) => !this.#senders.has(key));
    return added.map(([key, { memberOf, from }]) => this.#add(key, memberOf, from));
  }

  async #add(key: string, memberOf: string, from: string): Promise<void> {
    const sender: Sender = { socket: this.#createSocket(), memberOf, isReady: false };
    this.#senders.set(key, sender);
    const { socket } = sender;
    try {
      socket.bind(0, from);
      // It may be closed before.
      await Promise.race([once(socket, "listening"), once(socket, "close")]);
      if (this.#senders.get(key) !== sender) return;
      socket.on("error", this.#onError);
      socket.setMulticastInterface(memberOf);
      socket.setMulticastTTL(1);
      this.#socket?.addMembership(groups[this.#family], memberOf);
      sender.isReady = true;
    } catch (error) {
      // The interface went meanwhile, or has no multicast.
      this.#onError(error);
      if (this.#senders.get(key) === sender) this.#remove(key, sender);
    }
  }

  #remove(key: string, { socket, memberOf, isReady }: Sender): void {
    this.#senders.delete(key);
    socket.close();
    if (!isReady) return;
    try {
      this.#socket?.dropMembership(groups[this.#family], memberOf);
    } catch (error) {
      // An interface that is gone took its memberships along.
      this.#deps.logger.debug("Multicast group was left already", { interface: key, error: messageOf(error) });
    }
  }

  async #lookUp(): Promise<void> {
    await Promise.all(this.#options.peers.map(({ host, port }) => this.#lookUpPeer(host, port)));
  }

  /** What was known of a name stays when asking fails. */
  async #lookUpPeer(host: string, port: number): Promise<void> {
    const peer = formatHostPort(host, port);
    try {
      this.#targets.set(host, ip.parse(host) === null ? await this.#deps.lookup(host, this.#family) : [host]);
      if (this.#failures.delete(host)) this.#deps.logger.info("Heartbeat peer is found again", { peer });
    } catch (error) {
      const message = messageOf(error);
      if (this.#failures.get(host) === message) return;
      this.#failures.set(host, message);
      this.#deps.logger.warning("Heartbeat peer cannot be looked up", { peer, error: message });
    }
  }
}
