// SPDX-License-Identifier: Apache-2.0
// The state machine of RFC 4271 §8 for one peer, with up to two connections until §6.8 has decided between them. No I/O and
// no timers: events in, actions out.

import { Buffer } from "node:buffer";

import type { Clock, Random } from "../../../core/index.ts";
import { BgpError, cease, errorCode, fsmError, type Notification } from "../messages/errors.ts";
import { encodeKeepalive } from "../messages/framing.ts";
import { ceaseWith, describeNotification, encodeNotification, parseNotification } from "../messages/notification.ts";
import { encodeOpen, parseOpen, type OpenMessage } from "../messages/open.ts";
import { messageType } from "../messages/protocol.ts";
import { parseRouteRefresh } from "../messages/route-refresh.ts";
import { parseUpdate } from "../messages/update.ts";
import { agree, survivor } from "./agreement.ts";
import { ourOpen, sendHoldMs, unexpected, type Connection } from "./connection.ts";
import type {
  Agreement,
  SessionAction,
  SessionEvent,
  SessionOptions,
  SessionState,
  Side,
  TimerName,
} from "./events.ts";

/** RFC 4271 §8.2.2: long, because the peer may be busy. */
const openHoldMs = 240_000;
/** The longest that one attempt to connect may take. */
const maxAttemptMs = 10_000;
const firstDelayMs = 1_000;
const maxIdleHoldMs = 120_000;
/** A session that has lasted this long has forgotten earlier failures. */
const stableMs = 60_000;
export class Session {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #random: Random;
  readonly #options: SessionOptions;
  readonly #connections = new Map<Side, Connection>();
  /** Where no connection is open. */
  #state: "Idle" | "Connect" | "Active" = "Idle";
  #running = false;
  /** In a row, without a stable session between them. */
  #failures = 0;
  #attempts = 0;
  /** Routes from before this process started may still be at the peer. */
  #restarting = true;
  #establishedMs = 0;
  #actions: SessionAction[] = [];

  constructor(deps: { readonly clock: Pick<Clock, "nowMs">; readonly random: Random }, options: SessionOptions) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#options = options;
  }

  /** That of the connection that got farthest. */
  get state(): SessionState {
    const states = [...this.#connections.values()].map((connection) => connection.state);
    for (const state of ["Established", "OpenConfirm", "OpenSent"] as const) if (states.includes(state)) return state;
    return this.#state;
  }

  get agreement(): Agreement | null {
    return this.#established()?.agreement ?? null;
  }

  /** Whether a connection of the peer may be `connected`. In Idle none may: that is what damping is for (RFC 4271 §8.2.2). */
  get canAccept(): boolean {
    const { state } = this;
    return state !== "Idle" && state !== "Established" && !this.#connections.has("incoming");
  }

  /** What is to be done now, in this order. */
  handle(event: SessionEvent): readonly SessionAction[] {
    this.#actions = [];
    this.#take(event);
    return this.#actions;
  }

  #take(event: SessionEvent): void {
    switch (event.kind) {
      case "start":
        if (!this.#running) this.#begin();
        return;
      case "stop":
        return this.#stop(event.notification);
      case "reset":
        for (const connection of this.#connections.values()) this.#end(connection, event.reason, event.notification);
        return;
      case "knocked":
        return this.#knocked();
      case "connected":
        return this.#connected(event.side, event.routerId);
      case "closed":
        return this.#closed(event.side, event.reason);
      case "timer":
        return this.#timer(event.timer);
      case "advertise":
        return this.#advertise(event.messages);
      default:
    }
    const connection = this.#connections.get(event.side);
    if (connection === undefined) return;
    switch (event.kind) {
      case "frame":
        return this.#frame(connection, event.type, event.body);
      case "broken":
        return this.#end(connection, event.error.message, event.error);
      case "written":
        return this.#written(connection, event.all);
    }
  }

  #begin(): void {
    this.#running = true;
    if (this.#options.passive) this.#state = "Active";
    else this.#connect();
  }

  #connect(): void {
    this.#state = "Connect";
    this.#do({ kind: "connect" });
    this.#set("connect-retry", Math.min(maxAttemptMs, this.#options.connectTimeMs));
  }

  /** Waits before the next attempt, each time longer, and accepts meanwhile. */
  #waitToConnect(): void {
    this.#state = "Active";
    if (this.#options.passive) return;
    const delayMs = Math.min(firstDelayMs * 2 ** this.#attempts, this.#options.connectTimeMs);
    this.#attempts++;
    this.#set("connect-retry", this.#jittered(delayMs));
  }

  #stop(notification: Notification | null): void {
    this.#running = false;
    for (const connection of this.#connections.values()) {
      this.#drop(connection, notification, notification === null);
      this.#report(connection, "stopped", false, notification);
    }
    if (this.#state === "Connect") this.#do({ kind: "close", side: "outgoing", abrupt: true });
    this.#state = "Idle";
    this.#failures = 0;
    this.#attempts = 0;
    this.#clear("idle-hold");
    this.#clear("connect-retry");
  }

  #connected(side: Side, routerId: number): void {
    if (side === "outgoing") {
      this.#state = "Active";
      this.#clear("connect-retry");
    }
    const ours = ourOpen(this.#options, routerId, this.#restarting);
    const connection: Connection = { side, state: "OpenSent", ours, agreement: null, sending: false };
    this.#connections.set(side, connection);
    this.#send(connection, encodeOpen(ours));
    this.#set(`hold:${side}`, openHoldMs);
  }

  #knocked(): void {
    const established = this.#established();
    const earlier = this.#connections.get("incoming");
    if (established === null) {
      // The peer has given up its earlier one, or it would not come again.
      if (earlier !== undefined) this.#drop(earlier, null, true);
    } else if (established.agreement!.gracefulRestart === null) {
      // If the peer has lost the connection that there is, this makes it say so.
      this.#send(established, encodeKeepalive());
    } else {
      // RFC 4724 §4.2: the peer has restarted, and its end of the old connection is gone.
      this.#drop(established, null, true);
      this.#report(established, "the peer opened a new connection", true, null);
    }
  }

  #closed(side: Side, reason: string): void {
    const connection = this.#connections.get(side);
    if (connection === undefined) {
      if (side === "outgoing" && this.#state === "Connect") {
        this.#do({ kind: "failed", reason, wasEstablished: false, byPeer: true, notification: null });
        this.#waitToConnect();
      }
      return;
    }
    this.#forget(connection);
    this.#report(connection, reason, true, null);
    if (connection.state !== "OpenSent") this.#idle();
    else if (this.#connections.size === 0 && this.#state !== "Connect") this.#waitToConnect();
  }

  #frame(connection: Connection, type: number, body: Buffer): void {
    try {
      if (type === messageType.notification) return this.#notified(connection, parseNotification(body));
      if (connection.state === "OpenSent") return this.#inOpenSent(connection, type, body);
      if (connection.state === "OpenConfirm") return this.#inOpenConfirm(connection, type);
      return this.#inEstablished(connection, type, body);
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      this.#end(connection, error.message, error);
    }
  }

  #inOpenSent(connection: Connection, type: number, body: Buffer): void {
    if (type !== messageType.open) throw unexpected(fsmError.openSent, type);
    const theirs = parseOpen(body);
    const agreement = agree(this.#options, connection.side, connection.ours, theirs);
    if (!this.#survives(connection, theirs)) return;
    connection.agreement = agreement;
    connection.state = "OpenConfirm";
    this.#keepAlive(connection);
    this.#restartHold(connection);
  }

  #inOpenConfirm(connection: Connection, type: number): void {
    if (type !== messageType.keepalive) throw unexpected(fsmError.openConfirm, type);
    this.#restartHold(connection);
    connection.state = "Established";
    this.#restarting = false;
    this.#attempts = 0;
    this.#establishedMs = this.#clock.nowMs();
    for (const other of this.#connections.values()) {
      if (other !== connection) this.#drop(other, ceaseWith(cease.collision), false);
    }
    if (connection.side === "incoming" && this.#state === "Connect") {
      this.#do({ kind: "close", side: "outgoing", abrupt: true });
    }
    this.#state = "Active";
    this.#clear("connect-retry");
    this.#do({ kind: "established", agreement: connection.agreement! });
  }

  #inEstablished(connection: Connection, type: number, body: Buffer): void {
    const agreement = connection.agreement!;
    switch (type) {
      case messageType.keepalive:
        return this.#restartHold(connection);
      case messageType.update: {
        const update = parseUpdate(body, agreement);
        this.#restartHold(connection);
        return this.#do({ kind: "update", update });
      }
      case messageType.routeRefresh: {
        const family = parseRouteRefresh(body);
        if (family !== null && agreement.families.includes(family)) this.#do({ kind: "refresh", family });
        return;
      }
      default:
        throw unexpected(fsmError.established, type);
    }
  }

  #notified(connection: Connection, notification: Notification): void {
    this.#drop(connection, null, false);
    this.#report(connection, describeNotification(notification), true, notification);
    this.#idle();
  }

  /** RFC 4271 §6.8, once the peer of this connection has named itself. */
  #survives(connection: Connection, theirs: OpenMessage): boolean {
    const other = this.#connections.get(connection.side === "outgoing" ? "incoming" : "outgoing");
    if (other === undefined || other.state === "OpenSent") return true;
    const winner = other.state === "Established" ? other.side : survivor(connection.ours, theirs);
    const loser = winner === connection.side ? other : connection;
    this.#drop(loser, ceaseWith(cease.collision), false);
    return loser === other;
  }

  #advertise(messages: readonly Buffer[]): void {
    const connection = this.#established();
    if (connection === null || messages.length === 0) return;
    for (const message of messages) this.#send(connection, message);
    this.#restartKeepalive(connection);
  }

  #written(connection: Connection, all: boolean): void {
    connection.sending = !all;
    if (all) this.#clear(`send-hold:${connection.side}`);
    else this.#set(`send-hold:${connection.side}`, sendHoldMs(connection));
  }

  #timer(timer: TimerName): void {
    if (timer === "idle-hold") return this.#begin();
    if (timer === "connect-retry") {
      if (this.#state !== "Connect") return this.#connect();
      this.#do({ kind: "close", side: "outgoing", abrupt: true });
      return this.#closed("outgoing", "no answer to the attempt to connect");
    }
    const [name, side] = timer.split(":") as [string, Side];
    const connection = this.#connections.get(side);
    if (connection === undefined) return;
    if (name === "keepalive") return this.#keepAlive(connection);
    const isHold = name === "hold";
    const code = isHold ? errorCode.holdTimerExpired : errorCode.sendHoldTimerExpired;
    const reason = isHold ? "hold timer expired" : "send hold timer expired";
    this.#end(connection, reason, { code, subcode: 0, data: Buffer.alloc(0) });
  }

  #keepAlive(connection: Connection): void {
    this.#send(connection, encodeKeepalive());
    this.#restartKeepalive(connection);
  }

  #restartKeepalive({ side, agreement }: Connection): void {
    const periodMs = agreement?.keepaliveTimeMs ?? 0;
    if (periodMs > 0) this.#set(`keepalive:${side}`, this.#jittered(periodMs));
  }

  #restartHold({ side, agreement }: Connection): void {
    const holdTimeMs = agreement!.holdTimeMs;
    if (holdTimeMs > 0) this.#set(`hold:${side}`, holdTimeMs);
    else this.#clear(`hold:${side}`);
  }

  /** A connection that failed; the session too, unless another connection is under way. */
  #end(connection: Connection, reason: string, notification: Notification): void {
    // What the peer has not read for minutes it will not read now.
    this.#drop(connection, notification, notification.code === errorCode.sendHoldTimerExpired);
    this.#report(connection, reason, false, notification);
    this.#idle();
  }

  #drop(connection: Connection, notification: Notification | null, abrupt: boolean): void {
    if (notification !== null) this.#send(connection, encodeNotification(notification));
    this.#forget(connection);
    this.#do({ kind: "close", side: connection.side, abrupt });
  }

  #forget({ side }: Connection): void {
    this.#connections.delete(side);
    this.#clear(`hold:${side}`);
    this.#clear(`keepalive:${side}`);
    this.#clear(`send-hold:${side}`);
  }

  #report(connection: Connection, reason: string, byPeer: boolean, notification: Notification | null): void {
    const wasEstablished = connection.state === "Established";
    if (wasEstablished && this.#clock.nowMs() - this.#establishedMs >= stableMs) this.#failures = 0;
    this.#do({ kind: "failed", reason, wasEstablished, byPeer, notification });
  }

  #idle(): void {
    if (this.#connections.size > 0 || !this.#running) return;
    if (this.#state === "Connect") this.#do({ kind: "close", side: "outgoing", abrupt: true });
    this.#state = "Idle";
    this.#attempts = 0;
    this.#clear("connect-retry");
    const delayMs = Math.min(firstDelayMs * 2 ** this.#failures, maxIdleHoldMs);
    this.#failures++;
    this.#set("idle-hold", this.#jittered(delayMs));
  }

  #established(): Connection | null {
    for (const connection of this.#connections.values()) if (connection.state === "Established") return connection;
    return null;
  }

  #send(connection: Connection, bytes: Buffer): void {
    this.#do({ kind: "send", side: connection.side, bytes });
    if (connection.sending) return;
    connection.sending = true;
    this.#set(`send-hold:${connection.side}`, sendHoldMs(connection));
  }

  #set(timer: TimerName, delayMs: number): void {
    this.#do({ kind: "set-timer", timer, delayMs });
  }

  #clear(timer: TimerName): void {
    this.#do({ kind: "clear-timer", timer });
  }

  #do(action: SessionAction): void {
    this.#actions.push(action);
  }

  /** RFC 4271 §10: a factor between 0.75 and 1. */
  #jittered(delayMs: number): number {
    return delayMs * (0.75 + 0.25 * this.#random());
  }
}
