// SPDX-License-Identifier: Apache-2.0
// One BFD session in asynchronous mode (RFC 5880 §6): says that we live, and notices when the peer no longer does.

import type { Buffer } from "node:buffer";

import type { Cancel, Clock, Random } from "../../../core/index.ts";
import type { BfdTimes } from "../peer-config.ts";
import { diagnostic, encodeBfd, type BfdPacket, type BfdState } from "./packet.ts";

export interface BfdSessionDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly send: (packet: Buffer) => void;
  /** `failed`: the peer is dead or says that it lost us. Being taken down on purpose is no failure (RFC 5882 §3.2). */
  readonly onChange: (state: BfdState, failed: boolean) => void;
}

/** RFC 5880 §6.8.3: no faster while the session is not up. */
const slowTxMs = 1_000;
const usPerMs = 1_000;

export class BfdSession {
  readonly discriminator: number;
  /** Control packets. */
  sent = 0;
  received = 0;
  readonly #deps: BfdSessionDeps;
  readonly #times: BfdTimes;
  #state: BfdState = "Down";
  #diagnostic: number = diagnostic.none;
  #remoteDiscriminator = 0;
  /** RFC 5880 §6.8.1: 1 µs until the peer has said what it wants. */
  #remoteRequiredRxMs = 1 / usPerMs;
  /** A change of our times that the peer has not confirmed. */
  #polling = false;
  #cancelSend: Cancel | null = null;
  #cancelDetection: Cancel | null = null;

  constructor(deps: BfdSessionDeps, times: BfdTimes, discriminator: number) {
    this.#deps = deps;
    this.#times = times;
    this.discriminator = discriminator;
  }

  get state(): BfdState {
    return this.#state;
  }

  start(): void {
    if (!this.#times.passive) this.#sendPeriodically();
  }

  /** Tells the peer that this is no failure, and ends. */
  stop(): void {
    this.#cancelSend?.();
    this.#cancelDetection?.();
    this.#cancelSend = this.#cancelDetection = null;
    this.#diagnostic = diagnostic.adminDown;
    this.#state = "AdminDown";
    this.#send(false);
  }

  /** A packet that was found to be of this session. */
  receive(packet: BfdPacket): void {
    if (this.#state === "AdminDown") return;
    this.received++;
    this.#remoteDiscriminator = packet.myDiscriminator;
    const requiredRxMs = packet.requiredRxUs / usPerMs;
    const isNewPace = requiredRxMs !== this.#remoteRequiredRxMs;
    this.#remoteRequiredRxMs = requiredRxMs;
    if (packet.final) this.#polling = false;
    this.#restartDetection(packet);
    this.#follow(packet.state);
    if (packet.poll) this.#send(true);
    if (isNewPace || this.#cancelSend === null) this.#sendPeriodically();
  }

  #follow(remote: BfdState): void {
    if (this.#state === "Down") {
      if (remote === "Down") this.#change("Init", diagnostic.none);
      else if (remote === "Init") this.#change("Up", diagnostic.none);
    } else if (remote === "AdminDown") this.#change("Down", diagnostic.neighborDown, false);
    else if (this.#state === "Up" && remote === "Down") {
      this.#change("Down", diagnostic.neighborDown, true);
    } else if (this.#state === "Init" && (remote === "Init" || remote === "Up")) {
      this.#change("Up", diagnostic.none);
    }
  }

  #change(state: BfdState, cause: number, failed = false): void {
    this.#state = state;
    this.#diagnostic = cause;
    // Our times change with it, which the peer is to confirm (RFC 5880 §6.8.3).
    this.#polling = state === "Up";
    this.#sendPeriodically();
    this.#deps.onChange(state, failed);
  }

  #restartDetection({ desiredTxUs, detectMultiplier }: BfdPacket): void {
    this.#cancelDetection?.();
    const periodMs = Math.max(this.#times.receiveIntervalMs, desiredTxUs / usPerMs);
    this.#cancelDetection = this.#deps.clock.after(periodMs * detectMultiplier, () => {
      this.#cancelDetection = null;
      this.#remoteDiscriminator = 0;
      if (this.#state === "Init" || this.#state === "Up") {
        this.#change("Down", diagnostic.detectionTimeExpired, true);
      }
    });
  }

  get #desiredTxMs(): number {
    const { transmitIntervalMs } = this.#times;
    return this.#state === "Up" ? transmitIntervalMs : Math.max(slowTxMs, transmitIntervalMs);
  }

  /** One now, and then at the pace that both want. */
  #sendPeriodically(): void {
    this.#cancelSend?.();
    this.#cancelSend = null;
    if (this.#remoteRequiredRxMs === 0 || (this.#times.passive && this.#remoteDiscriminator === 0)) return;
    this.#send(false);
    // RFC 5880 §6.8.7: never in step with others, and with a multiplier of 1 early enough.
    const [least, range] = this.#times.detectMultiplier === 1 ? [0.75, 0.15] : [0.75, 0.25];
    const periodMs = Math.max(this.#desiredTxMs, this.#remoteRequiredRxMs);
    const delayMs = periodMs * (least + range * this.#deps.random());
    this.#cancelSend = this.#deps.clock.after(delayMs, () => this.#sendPeriodically());
  }

  #send(final: boolean): void {
    this.sent++;
    this.#deps.send(
      encodeBfd({
        diagnostic: this.#diagnostic,
        state: this.#state,
        poll: this.#polling && !final,
        final,
        detectMultiplier: this.#times.detectMultiplier,
        myDiscriminator: this.discriminator,
        yourDiscriminator: this.#remoteDiscriminator,
        desiredTxUs: Math.round(this.#desiredTxMs * usPerMs),
        requiredRxUs: Math.round(this.#times.receiveIntervalMs * usPerMs),
      }),
    );
  }
}
