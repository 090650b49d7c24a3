// SPDX-License-Identifier: Apache-2.0
// The BGP speaker of a node: keeps a session with every configured peer and announces to each what it should know.

import type { Socket } from "node:net";

import { messageOf, type Clock, type Random } from "../../core/index.ts";
import type { TcpGuards } from "../../platform/index.ts";
import type { Logger, SampleSource } from "../../telemetry/port.ts";
import type { BgpRoute } from "../decide-bgp.ts";
import { BfdEndpoint } from "./bfd/bfd-endpoint.ts";
import { bgpSamples } from "./counters.ts";
import { cease, type Notification } from "./messages/errors.ts";
import { ceaseWith, ceaseWithText } from "./messages/notification.ts";
import type { NodeAddresses } from "./node-addresses.ts";
import { isSamePeer, type BgpPeerConfig } from "./peer-config.ts";
import { Peer } from "./peer.ts";
import type { BgpPeerStatus } from "./status.ts";
import type { BgpListener, BgpTransport } from "./transport.ts";

export interface BgpSpeakerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: BgpTransport;
  /** Asked when a session comes up. */
  readonly addresses: () => NodeAddresses;
}

export interface BgpSpeakerOptions {
  /** This node's name. */
  readonly node: string;
  /** Where peers may connect; null = they may not. One address per family at most. */
  readonly listen: { readonly addresses: readonly string[]; readonly port: number } | null;
  /** RFC 4724: how long a peer keeps our routes until we are back. */
  readonly restartTimeSeconds: number;
  /** Told to peers when the speaker stops (RFC 9003). */
  readonly shutdownText: string;
}

export const defaultBgpOptions = { listen: null, restartTimeSeconds: 120, shutdownText: "naru stops" } as const;

export interface BgpSpeaker {
  /** All peers from now on. One whose configuration is different is reset; the others are not touched. */
  setPeers(peers: readonly BgpPeerConfig[]): void;
  /** All routes from now on, by the name of the peer. Until the first call peers are told nothing. */
  setRoutes(routes: ReadonlyMap<string, readonly BgpRoute[]>): void;
  status(): readonly BgpPeerStatus[];
  readonly samples: SampleSource;
  /** The ports that are listened on. */
  readonly ports: readonly number[];
  /**
   * Ends all sessions. `graceful`: peers with graceful restart are left without a word and keep the routes; all others,
   * and all when it is false, get withdrawals and a Cease. Resolves when all sockets are closed.
   */
  stop(graceful: boolean): Promise<void>;
}

export function createBgpSpeaker(deps: BgpSpeakerDeps, options: BgpSpeakerOptions): BgpSpeaker {
  return new Speaker(deps, options);
}

class Speaker implements BgpSpeaker {
  readonly #deps: BgpSpeakerDeps;
  readonly #options: BgpSpeakerOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #bfd: BfdEndpoint;
  readonly #leaving = new Set<Promise<void>>();
  /** By the address they are bound to. */
  readonly #listeners = new Map<string, BgpListener>();
  #routes: ReadonlyMap<string, readonly BgpRoute[]> | null = null;
  #listening = false;
  #stopped = false;

  constructor(deps: BgpSpeakerDeps, options: BgpSpeakerOptions) {
    this.#deps = deps;
    this.#options = options;
    const { clock, random, logger, transport } = deps;
    const onError = (error: Error): void => logger.error("BFD cannot send or receive", { error: error.message });
    this.#bfd = new BfdEndpoint({ clock, random, transport: transport.bfd, onError });
  }

  setPeers(configs: readonly BgpPeerConfig[]): void {
    if (this.#stopped) return;
    this.#listen();
    const wanted = new Map(configs.map((config) => [config.name, config]));
    for (const [name, peer] of this.#peers) {
      const config = wanted.get(name);
      if (config !== undefined && isSamePeer(config, peer.config)) continue;
      this.#remove(peer, ceaseWith(config === undefined ? cease.deconfigured : cease.configChange));
    }
    for (const config of wanted.values()) if (!this.#peers.has(config.name)) this.#add(config);
  }

  setRoutes(routes: ReadonlyMap<string, readonly BgpRoute[]>): void {
    if (this.#stopped) return;
    this.#routes = routes;
    for (const [name, peer] of this.#peers) peer.setRoutes(routes.get(name) ?? []);
  }

  status(): readonly BgpPeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  readonly samples: SampleSource = () =>
    bgpSamples(
      [...this.#peers.values()].map((peer) => {
        const { counters, bfdPackets } = peer;
        return { status: peer.status(), counters, bfdPackets };
      }),
    );

  get ports(): readonly number[] {
    return [...this.#listeners.values()].map((listener) => listener.port);
  }

  async stop(graceful: boolean): Promise<void> {
    this.#stopped = true;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    const goodbye = ceaseWithText(cease.shutdown, this.#options.shutdownText);
    for (const peer of this.#peers.values()) this.#remove(peer, graceful && peer.keepsRoutes ? null : goodbye);
    await Promise.all(this.#leaving);
  }

  #add(config: BgpPeerConfig): void {
    const { node, restartTimeSeconds } = this.#options;
    const routes = this.#routes && (this.#routes.get(config.name) ?? []);
    const peer = new Peer({ ...this.#deps, bfd: this.#bfd, node, restartTimeSeconds }, config, routes);
    this.#peers.set(config.name, peer);
    this.#setPassword(config.address, config.password);
    peer.start();
  }

  #remove(peer: Peer, notification: Notification | null): void {
    this.#peers.delete(peer.config.name);
    if (peer.config.password !== null) this.#setPassword(peer.config.address, null);
    const gone = peer.stop(notification);
    this.#leaving.add(gone);
    void gone.then(() => this.#leaving.delete(gone));
  }

  #setPassword(address: string, password: string | null): void {
    if (password === null && this.#deps.transport.unguarded !== null) return;
    const isIpv6 = address.includes(":");
    for (const [bound, listener] of this.#listeners) {
      if (bound.includes(":") !== isIpv6) continue;
      try {
        listener.setPassword(address, password);
      } catch (error) {
        this.#deps.logger.error("no password for connections of a BGP peer", { address, error: messageOf(error) });
      }
    }
  }

  #listen(): void {
    const { listen } = this.#options;
    if (listen === null || this.#listening) return;
    this.#listening = true;
    const onError = (error: Error): void => {
      this.#deps.logger.error("BGP peers cannot connect to us", { port: listen.port, error: error.message });
    };
    const onAccepted = (socket: Socket, remote: string): void => {
      const peer = this.#find(remote);
      if (peer === null) socket.destroy();
      else peer.accept(socket);
    };
    for (const address of listen.addresses) {
      try {
        const guardsOf = (remote: string): TcpGuards | null => this.#find(remote)?.guards ?? null;
        const listener = this.#deps.transport.listen(address, listen.port, guardsOf, onAccepted, onError);
        this.#listeners.set(address, listener);
      } catch (error) {
        onError(error as Error);
      }
    }
  }

  /** INVARIANT: configuration gives one peer per address. */
  #find(address: string): Peer | null {
    for (const peer of this.#peers.values()) if (peer.config.address === address) return peer;
    return null;
  }
}
