// SPDX-License-Identifier: Apache-2.0
// When to say unasked where addresses are: at once and for five seconds more, on every interface that is new, came back or
// changed its hardware address; and when to ask whether anybody has an address. One timer for all of them.

import type { Cancel, Clock, Random } from "../../core/index.ts";
import type { PacketPort } from "../../platform/index.ts";
import { arpFrameBytes, arpOperation, writeArpAnnouncement, writeArpProbe } from "./arp.ts";
import { advertisementFrameBytes, probeFrameBytes, writeNeighborProbe, writeUnsolicitedAdvertisement } from "./ndp.ts";
import type { UsableLink } from "./usable-links.ts";
import type { Round, Vip } from "./vip.ts";

/** At 0, 1.1, 2.2, 3.3 and 4.4 s, as MetalLB. */
const announcements = 5;
/** Linux takes no second change of an entry within a second (`locktime` of arp(7)). */
const announceIntervalMs = 1_100;
/** Announcements in one turn: a node that takes over a thousand addresses must go on answering. */
const perTurn = 200;
const nextTurnMs = 1;
/** Nodes that started together must not announce together for ever. */
const periodJitter = 0.1;

export interface AnnouncerOptions {
  /** Between announcements after the first five; 0 = none. */
  readonly intervalMs: number;
  readonly probes: number;
  readonly probeIntervalMs: number;
}

export class Announcer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #packets: PacketPort;
  readonly #options: AnnouncerOptions;
  readonly #out = new Uint8Array(new ArrayBuffer(advertisementFrameBytes));
  #vips: readonly Vip[] = [];
  #links: ReadonlyMap<number, UsableLink> = new Map();
  #cancel: Cancel | null = null;
  #armedMs = Number.POSITIVE_INFINITY;
  #spent = 0;

  constructor(clock: Clock, random: Random, packets: PacketPort, options: AnnouncerOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#packets = packets;
    this.#options = options;
  }

  /** Goes on with what is left of the former addresses and interfaces, and begins with what is new. */
  update(vips: readonly Vip[], links: ReadonlyMap<number, UsableLink>): void {
    this.#vips = vips;
    this.#links = links;
    for (const vip of vips) this.#match(vip);
    this.#turn();
  }

  /** Asks first whether somebody else has the address. */
  probe(vip: Vip): void {
    vip.phase = "probing";
    vip.probesSent = 0;
    vip.dueMs = this.#clock.nowMs();
    vip.rounds.clear();
  }

  /** Announces from the next `update` on. */
  begin(vip: Vip): void {
    vip.phase = "announcing";
    vip.retryMs = 0;
    vip.dueMs = Number.POSITIVE_INFINITY;
    this.#match(vip);
  }

  /** Announces once more on one interface after `delayMs`, unless that is due before; not when the address is gone by then. */
  announceAfter(delayMs: number, vip: Vip, link: UsableLink): void {
    const round = vip.rounds.get(link.index);
    if (round === undefined) return;
    const dueMs = this.#clock.nowMs() + delayMs;
    if (round.dueMs <= dueMs) return;
    round.dueMs = dueMs;
    this.#arm(dueMs);
  }

  #announce(vip: Vip, link: UsableLink): void {
    this.#spent++;
    if (vip.family === 6) {
      writeUnsolicitedAdvertisement(this.#out, link.mac, vip.bytes);
      if (this.#packets.send(link.index, this.#out, advertisementFrameBytes)) vip.gratuitous++;
      return;
    }
    for (const operation of [arpOperation.request, arpOperation.reply]) {
      writeArpAnnouncement(this.#out, operation, link.mac, vip.low);
      if (this.#packets.send(link.index, this.#out, arpFrameBytes)) vip.gratuitous++;
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#vips = [];
  }

  /** Interfaces that are gone, or no longer for this address, are forgotten; new ones start at once. */
  #match(vip: Vip): void {
    if (vip.phase !== "announcing") {
      vip.rounds.clear();
      return;
    }
    for (const [index, { link }] of vip.rounds) {
      const now = this.#links.get(index);
      const isSame = now !== undefined && now.macText === link.macText && now.name === link.name;
      if (!isSame || !vip.covers(now)) vip.rounds.delete(index);
    }
    const nowMs = this.#clock.nowMs();
    for (const link of this.#links.values()) {
      if (vip.rounds.has(link.index) || !vip.covers(link)) continue;
      vip.rounds.set(link.index, { link, left: announcements, dueMs: nowMs });
    }
  }

  #turn(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#armedMs = Number.POSITIVE_INFINITY;
    this.#spent = 0;
    const nowMs = this.#clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const vip of this.#vips) {
      if (vip.dueMs <= nowMs && this.#spent < perTurn) this.#step(vip, nowMs);
      nextMs = Math.min(nextMs, vip.dueMs);
      for (const round of vip.rounds.values()) {
        if (round.dueMs <= nowMs && this.#spent < perTurn) this.#run(vip, round, nowMs);
        nextMs = Math.min(nextMs, round.dueMs);
      }
    }
    this.#arm(nextMs);
  }

  /** There is a turn at `dueMs` or before. */
  #arm(dueMs: number): void {
    if (dueMs >= this.#armedMs) return;
    this.#cancel?.();
    this.#armedMs = dueMs;
    this.#cancel = this.#clock.after(Math.max(dueMs - this.#clock.nowMs(), nextTurnMs), () => this.#turn());
  }

  /** The next probe, or the end of probing. */
  #step(vip: Vip, nowMs: number): void {
    if (vip.phase === "conflict") this.probe(vip);
    const links = [...this.#links.values()].filter((link) => vip.covers(link));
    // Nobody to ask: the next interface that comes is asked from the start.
    if (links.length === 0) {
      vip.probesSent = 0;
      vip.dueMs = nowMs + this.#options.probeIntervalMs;
      return;
    }
    if (vip.probesSent === this.#options.probes) {
      this.begin(vip);
      return;
    }
    vip.probesSent++;
    vip.dueMs = nowMs + this.#options.probeIntervalMs;
    for (const link of links) this.#probe(vip, link);
  }

  #run(vip: Vip, round: Round, nowMs: number): void {
    this.#announce(vip, round.link);
    if (round.left > 0) round.left--;
    if (round.left > 0) round.dueMs = nowMs + announceIntervalMs;
    else if (this.#options.intervalMs === 0) round.dueMs = Number.POSITIVE_INFINITY;
    else round.dueMs = nowMs + this.#options.intervalMs * (1 - periodJitter * this.#random());
  }

  #probe(vip: Vip, link: UsableLink): void {
    this.#spent++;
    if (vip.family === 6) {
      writeNeighborProbe(this.#out, link.mac, vip.bytes);
      this.#packets.send(link.index, this.#out, probeFrameBytes);
    } else {
      writeArpProbe(this.#out, link.mac, vip.low);
      this.#packets.send(link.index, this.#out, arpFrameBytes);
    }
  }
}
