// SPDX-License-Identifier: Apache-2.0
// One peer: runs its state machine on sockets and timers, and tells it our routes.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

import { formatHostPort, messageOf, type Cancel, type Clock, type Random } from "../../core/index.ts";
import type { TcpGuards } from "../../platform/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { BgpRoute } from "../decide-bgp.ts";
import type { BfdEndpoint, BfdHandle } from "./bfd/bfd-endpoint.ts";
import type { BfdState } from "./bfd/packet.ts";
import { PeerConnection } from "./connection.ts";
import { countMessage, createPeerCounters, type PeerCounters } from "./counters.ts";
import { cease, type Notification } from "./messages/errors.ts";
import { ceaseWith } from "./messages/notification.ts";
import { addressText } from "./messages/prefixes.ts";
import type { Family } from "./messages/protocol.ts";
import { encodeEndOfRib, type UpdateMessage } from "./messages/update.ts";
import { nextHopsFor, routerIdFor, type NodeAddresses } from "./node-addresses.ts";
import { familiesOf, type BgpPeerConfig } from "./peer-config.ts";
import { AdvertisedRoutes, type RouteContext } from "./routes.ts";
import type { Agreement, SessionAction, SessionEvent, Side, TimerName } from "./session/events.ts";
import { Session } from "./session/session.ts";
import type { BgpPeerStatus } from "./status.ts";
import type { BgpTransport } from "./transport.ts";

export interface PeerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: BgpTransport;
  readonly bfd: BfdEndpoint;
  readonly addresses: () => NodeAddresses;
  /** This node's name. */
  readonly node: string;
  /** How long a peer with graceful restart keeps our routes. */
  readonly restartTimeSeconds: number;
}

type Failure = Extract<SessionAction, { kind: "failed" }>;

export class Peer {
  readonly config: BgpPeerConfig;
  readonly counters: PeerCounters = createPeerCounters();
  readonly #deps: PeerDeps;
  readonly #session: Session;
  readonly #connections = new Map<Side, PeerConnection>();
  readonly #timers = new Map<TimerName, Cancel>();
  readonly #known = new AdvertisedRoutes();
  readonly #events: SessionEvent[] = [];
  /** Sockets that are still saying goodbye. */
  readonly #leaving = new Set<Promise<void>>();
  /** null = not decided yet: nothing is said, so that a peer with graceful restart keeps what it has. */
  #routes: readonly BgpRoute[] | null;
  #context: RouteContext | null = null;
  #bfd: BfdHandle | null = null;
  #sinceWallMs: number;
  #lastError: string | null = null;
  /** What was logged last, so that a peer that is away is no stream of lines. */
  #loggedError: string | null = null;
  #loggedMalformed: string | null = null;

  constructor(deps: PeerDeps, config: BgpPeerConfig, routes: readonly BgpRoute[] | null) {
    this.#deps = deps;
    this.config = config;
    this.#routes = routes;
    this.#sinceWallMs = deps.clock.wallMs();
    this.#session = new Session(deps, {
      localAsn: config.localAsn,
      peerAsn: config.peerAsn,
      holdTimeSeconds: Math.floor(config.holdTimeMs / 1_000),
      keepaliveTimeMs: config.keepaliveTimeMs,
      connectTimeMs: config.connectTimeMs,
      passive: config.passive,
      families: familiesOf(config),
      gracefulRestart: config.gracefulRestart ? { timeSeconds: deps.restartTimeSeconds } : null,
    });
  }

  start(): void {
    const { bfd, address, sourceAddress, ebgpMultiHop } = this.config;
    if (bfd !== null) {
      const times = { address, sourceAddress, multiHop: ebgpMultiHop, times: bfd };
      this.#bfd = this.#deps.bfd.open(times, (state, failed) => this.#bfdChanged(state, failed));
    }
    this.#tell({ kind: "start" });
  }

  setRoutes(routes: readonly BgpRoute[]): void {
    const isFirst = this.#routes === null;
    this.#routes = routes;
    if (isFirst) this.#announceAll();
    else this.#announce();
  }

  /** What a connection with this peer must look like. */
  get guards(): TcpGuards {
    return guardsOf(this.config);
  }

  /** The peer has connected. The socket is this peer's from here on. */
  accept(socket: Socket): void {
    this.#tell({ kind: "knocked" });
    if (this.#session.canAccept) this.#connected(socket, "incoming");
    else socket.destroy();
  }

  /**
   * Withdraws what was announced and says `notification`; null = not a word, for a peer that keeps our routes. Resolves
   * when all sockets are closed.
   */
  async stop(notification: Notification | null): Promise<void> {
    if (notification !== null) {
      this.#routes = [];
      this.#announce();
    }
    this.#tell({ kind: "stop", notification });
    await Promise.all(this.#leaving);
    // When the peer has closed, too: who hears of both at once may take the end of BFD for the cause.
    this.#bfd?.stop();
  }

  /** Control packets of BFD. */
  get bfdPackets(): { readonly sent: number; readonly received: number } | null {
    return this.#bfd;
  }

  /** Whether it keeps our routes when the session ends without a word. */
  get keepsRoutes(): boolean {
    return this.#session.agreement?.gracefulRestart != null;
  }

  status(): BgpPeerStatus {
    const { name, address, port } = this.config;
    const { agreement } = this.#session;
    return {
      name,
      address,
      port,
      state: this.#session.state,
      sinceWallMs: this.#sinceWallMs,
      lastError: this.#lastError,
      announcedPrefixes: this.#known.size,
      pendingPrefixes: Math.max(0, (this.#routes?.length ?? 0) - this.#known.size),
      receivedPrefixes: this.counters.receivedPrefixes,
      agreed: agreement && agreedStatus(agreement),
      bfd: this.#bfd?.state ?? null,
    };
  }

  #tell(event: SessionEvent): void {
    this.#events.push(event);
    // What an action causes comes after the actions before it.
    if (this.#events.length > 1) return;
    for (let next: SessionEvent | undefined; (next = this.#events[0]) !== undefined; this.#events.shift()) {
      if (next.kind === "frame") countMessage(this.counters.received, next.type);
      this.#perform(this.#session.handle(next));
    }
  }

  #perform(actions: readonly SessionAction[]): void {
    const batch: Buffer[] = [];
    for (const [index, action] of actions.entries()) {
      if (action.kind !== "send") {
        this.#act(action);
        continue;
      }
      batch.push(action.bytes);
      countMessage(this.counters.sent, action.bytes[18]!);
      // What goes the same way at once goes in one packet.
      const next = actions[index + 1];
      if (next?.kind === "send" && next.side === action.side) continue;
      this.#connections.get(action.side)?.send(batch.splice(0));
    }
  }

  #act(action: Exclude<SessionAction, { kind: "send" }>): void {
    switch (action.kind) {
      case "connect":
        return this.#connect();
      case "close":
        return this.#close(action.side, action.abrupt);
      case "set-timer":
        return this.#setTimer(action.timer, action.delayMs);
      case "clear-timer":
        return this.#clearTimer(action.timer);
      case "established":
        return this.#established(action.agreement);
      case "failed":
        return this.#failed(action);
      case "update":
        return this.#count(action.update);
      case "refresh":
        this.#known.forget(action.family);
        return this.#announce();
    }
  }

  #connect(): void {
    const { address, port, sourceAddress } = this.config;
    let socket: Socket;
    try {
      socket = this.#deps.transport.connect({ address, port, sourceAddress, guards: guardsOf(this.config) });
    } catch (error) {
      return this.#tell({ kind: "closed", side: "outgoing", reason: messageOf(error) });
    }
    const connection = this.#watch(socket, "outgoing");
    socket.once("connect", () => this.#ready(connection, "outgoing"));
  }

  #connected(socket: Socket, side: Side): void {
    this.#ready(this.#watch(socket, side), side);
  }

  #watch(socket: Socket, side: Side): PeerConnection {
    const connection: PeerConnection = new PeerConnection(this.#deps.clock, socket, side, (event) => {
      if (event.kind === "closed") this.#connections.delete(side);
      this.#tell(event);
    });
    this.#connections.set(side, connection);
    return connection;
  }

  #ready(connection: PeerConnection, side: Side): void {
    if (this.#connections.get(side) !== connection) return;
    const { node, addresses } = this.#deps;
    const routerId = routerIdFor(this.config.routerId, connection.localAddress, node, addresses());
    this.#tell({ kind: "connected", side, routerId });
  }

  #close(side: Side, abrupt: boolean): void {
    const connection = this.#connections.get(side);
    if (connection === undefined) return;
    this.#connections.delete(side);
    const gone = connection.close(abrupt);
    this.#leaving.add(gone);
    void gone.then(() => this.#leaving.delete(gone));
  }

  #setTimer(timer: TimerName, delayMs: number): void {
    this.#clearTimer(timer);
    const cancel = this.#deps.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      this.#tell({ kind: "timer", timer });
    });
    this.#timers.set(timer, cancel);
  }

  #clearTimer(timer: TimerName): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
  }

  #established(agreement: Agreement): void {
    const localAddress = this.#connections.get(agreement.side)!.localAddress;
    const nextHops = nextHopsFor(localAddress, this.#deps.addresses());
    this.#context = { localAsn: this.config.localAsn, agreement, nextHops };
    this.#sinceWallMs = this.#deps.clock.wallMs();
    this.#loggedError = null;
    const { holdTimeMs, keepaliveTimeMs, peerAsn } = agreement;
    this.#deps.logger.info("BGP session is up", { ...this.#names(), peerAsn, holdTimeMs, keepaliveTimeMs });
    const without = agreement.families.filter((family) => nextHops[family] === null);
    if (without.length > 0) {
      this.#deps.logger.warning(
        "no address of this node to be the next hop of a family; its routes are not announced",
        {
          ...this.#names(),
          family: without.map((family) => `IPv${family}`).join(),
          localAddress,
        },
      );
    }
    if (this.#routes !== null) this.#announceAll();
  }

  /** All routes, and that these are all (RFC 4724 §2). */
  #announceAll(): void {
    this.#announce();
    const families = this.#context?.agreement.families ?? [];
    this.#tell({ kind: "advertise", messages: families.map((family: Family) => encodeEndOfRib(family)) });
  }

  #announce(): void {
    if (this.#context === null || this.#routes === null) return;
    this.#tell({ kind: "advertise", messages: this.#known.update(this.#routes, this.#context) });
  }

  #bfdChanged(state: BfdState, failed: boolean): void {
    this.#deps.logger.info("BFD session changed", { ...this.#names(), state, failed });
    if (state === "Up") this.counters.bfdUps++;
    if (state !== "Down") return;
    this.counters.bfdDowns++;
    if (failed) this.#tell({ kind: "reset", notification: ceaseWith(cease.bfdDown), reason: "BFD session is down" });
  }

  #count({ announced, malformed }: UpdateMessage): void {
    this.counters.receivedPrefixes += announced[4].length + announced[6].length;
    if (malformed === null) return;
    this.counters.malformedUpdates++;
    if (malformed.message === this.#loggedMalformed) return;
    this.#loggedMalformed = malformed.message;
    this.#deps.logger.warning("a malformed UPDATE of a BGP peer counts as a withdrawal", {
      ...this.#names(),
      reason: malformed.message,
    });
  }

  #failed({ reason, wasEstablished, byPeer, notification }: Failure): void {
    this.#lastError = reason;
    const { logger, clock } = this.#deps;
    const fields = { ...this.#names(), reason, by: byPeer ? "peer" : "us", code: notification?.code };
    if (wasEstablished) {
      this.#context = null;
      this.#known.clear();
      this.#sinceWallMs = clock.wallMs();
      logger.warning("BGP session is down", fields);
    } else if (reason === this.#loggedError) logger.debug("BGP session does not come up", fields);
    else logger.warning("BGP session does not come up", fields);
    this.#loggedError = reason;
  }

  #names(): { readonly peer: string; readonly address: string } {
    return { peer: this.config.name, address: formatHostPort(this.config.address, this.config.port) };
  }
}

/** RFC 4271 has no TTL; that a peer of another AS is a neighbour unless said otherwise is the custom of all routers. */
function guardsOf({ password, ttlSecurityHops, ebgpMultiHop, localAsn, peerAsn }: BgpPeerConfig): TcpGuards {
  if (ttlSecurityHops > 0) return { password, ttl: 255, minTtl: 256 - ttlSecurityHops };
  const mayBeInternal = peerAsn === "internal" || peerAsn === localAsn;
  return { password, ttl: ebgpMultiHop || mayBeInternal ? null : 1, minTtl: null };
}

function agreedStatus(agreement: Agreement): NonNullable<BgpPeerStatus["agreed"]> {
  const routerId = Buffer.alloc(4);
  routerId.writeUInt32BE(agreement.peerRouterId);
  return {
    peerAsn: agreement.peerAsn,
    peerRouterId: addressText(routerId),
    families: agreement.families,
    holdTimeMs: agreement.holdTimeMs,
    keepaliveTimeMs: agreement.keepaliveTimeMs,
    gracefulRestart: agreement.gracefulRestart !== null,
  };
}
