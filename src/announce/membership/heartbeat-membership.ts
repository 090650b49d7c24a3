// SPDX-License-Identifier: Apache-2.0
// Sends heartbeats, takes those of others, and tells when somebody comes, goes or changes.

import { isDeepStrictEqual } from "node:util";

import { messageOf, type Cancel, type Random } from "../../core/index.ts";
import type { SampleSource } from "../../telemetry/port.ts";
import { MembershipCounters } from "./counters.ts";
import {
  cutIntoParts,
  encodeHeartbeat,
  fittingReach,
  labelsFit,
  readHeartbeat,
  type AddressLists,
} from "./heartbeat.ts";
import type { HeartbeatKeys } from "./keys.ts";
import type { Member } from "./member.ts";
import type { LocalFacts, Membership, MembershipDeps, MembershipOptions } from "./membership.ts";
import { Neighbours } from "./neighbours.ts";
import { SourceLimit } from "./source-limit.ts";
import { SplitBrains, type SplitBrain } from "./split-brain.ts";

/** Between two packets, so that a flock of changes is one. */
const minGapMs = 20;
const noAddresses: AddressLists = { announced: [], withheld: [] };
const leaveCopies = 3;
const maxFailures = 64;
const leaveGapMs = 15;
/** A timer is this late for the events of the network that are due to be read first. */
const afterReadingMs = 1;

/** What `createMembership` makes. */
export class HeartbeatMembership implements Membership {
  readonly samples: SampleSource = () =>
    this.#counters.samples(this.members().length, this.#splitBrains.all.length, this.#collisions.length);
  readonly #deps: MembershipDeps;
  readonly #options: MembershipOptions;
  readonly #bootId: bigint;
  readonly #neighbours: Neighbours;
  readonly #splitBrains: SplitBrains;
  readonly #limit: SourceLimit;
  readonly #counters = new MembershipCounters();
  #keys: HeartbeatKeys;
  #facts: LocalFacts = { ready: false, reach: null, ...noAddresses };
  #parts: readonly AddressLists[] = [noAddresses];
  #revision = 0;
  #nextPart = 0;
  #sequence = 0;
  #state: "new" | "listening" | "member" | "leaving" | "stopped" = "new";
  /** null = we are not ready, as far as others are concerned. */
  #readySinceMs: number | null = null;
  #seasoned = false;
  #sentMs = 0;
  #burstMs = -Infinity;
  #published = -1;
  #collisions: readonly string[] = [];
  /** Told already; several interfaces may fail in turn. */
  readonly #failures = new Set<string>();
  #cancelBeat: Cancel = () => undefined;
  #cancelBurst: Cancel | null = null;
  #cancelWake: Cancel = () => undefined;
  #cancelSettle: Cancel = () => undefined;
  #onSettled: () => void = () => undefined;

  constructor(deps: MembershipDeps, options: MembershipOptions) {
    const { clock, random, logger } = deps;
    this.#deps = deps;
    this.#options = options;
    this.#keys = options.keys;
    this.#bootId = (BigInt(Math.floor(clock.wallMs())) << 16n) | BigInt(Math.floor(random() * 0x1_0000));
    const newChallenge = (): bigint => (number32(random) << 32n) | number32(random);
    this.#neighbours = new Neighbours({ ...options, bootId: this.#bootId, newChallenge }, clock.nowMs());
    this.#limit = new SourceLimit(clock.nowMs());
    this.#splitBrains = new SplitBrains(2 * options.deadAfterMs, ({ address, nodes }, isOver) => {
      const fields = { address, nodes: nodes.join(",") };
      if (isOver) logger.info("Address is announced by one node again", fields);
      else logger.warning("Address is announced by several nodes", fields);
    });
  }

  async start(): Promise<void> {
    const { port, clock } = this.#deps;
    if (!labelsFit(this.#options.labels)) throw new Error("the labels of this node do not fit into a heartbeat");
    this.#state = "listening";
    await port.open(
      (bytes, source) => this.#receive(bytes, source),
      (error) => this.#onSendFailure(error),
    );
    if (this.#state !== "listening") return;
    this.#sentMs = clock.nowMs();
    this.#beat();
    await new Promise<void>((resolve) => {
      this.#onSettled = resolve;
      this.#listen();
    });
  }

  members(): readonly Member[] {
    const others = this.#neighbours.members();
    if (this.#state !== "member" || this.#neighbours.isNameTaken) return others;
    const { reach, announced, withheld } = this.#facts;
    const { node, labels } = this.#options;
    const lists = { announced: new Set(announced), withheld: new Set(withheld) };
    return [{ node, labels, ready: this.#isReady, seasoned: this.#seasoned, reach, ...lists }, ...others];
  }

  set(facts: LocalFacts): void {
    const reach = facts.reach === null ? null : fittingReach(facts.reach);
    const announced = [...new Set(facts.announced)].toSorted();
    const withheld = [...new Set(facts.withheld)].toSorted();
    const now = { ready: facts.ready, reach, announced, withheld };
    if (isDeepStrictEqual(now, this.#facts)) return;
    this.#facts = now;
    this.#parts = cutIntoParts(now, { ...this.#options, reach });
    this.#revision++;
    this.#refresh();
    this.#splitBrains.update(this.members(), this.#deps.clock.nowMs());
    this.#burst(0);
  }

  setKeys(keys: HeartbeatKeys): void {
    this.#keys = keys;
  }

  splitBrains(): readonly SplitBrain[] {
    return this.#splitBrains.all;
  }

  nameCollisions(): readonly string[] {
    return this.#collisions;
  }

  async leave(): Promise<void> {
    if (this.#state !== "listening" && this.#state !== "member") return;
    this.#cancelTimers();
    this.#state = "leaving";
    for (let copy = 0; copy < leaveCopies; copy++) {
      this.#send(0);
      await new Promise<void>((resolve) => this.#deps.clock.after(leaveGapMs, resolve));
    }
  }

  stop(): void {
    if (this.#state === "stopped") return;
    this.#cancelTimers();
    this.#state = "stopped";
    this.#deps.port.close();
  }

  #cancelTimers(): void {
    this.#cancelBeat();
    this.#cancelBurst?.();
    this.#cancelWake();
    this.#cancelSettle();
    this.#onSettled();
  }

  get #isReady(): boolean {
    return this.#state === "member" && this.#facts.ready && !this.#neighbours.isNameTaken;
  }

  #listen(): void {
    const listenMs = 3 * this.#options.intervalMs;
    this.#state = "listening";
    this.#cancelSettle();
    this.#cancelSettle = this.#deps.clock.after(listenMs, () => {
      this.#state = "member";
      this.#refresh();
      this.#published = -1;
      this.#update();
      this.#burst(0);
      this.#onSettled();
    });
  }

  #receive(bytes: Buffer, source: string): void {
    if (this.#state === "new" || this.#state === "leaving" || this.#state === "stopped") return;
    const nowMs = this.#deps.clock.nowMs();
    if (!this.#limit.admits(source, nowMs)) return this.#counters.reject("rate");
    const beat = readHeartbeat(bytes, this.#keys);
    if (typeof beat === "string") return this.#counters.reject(beat);
    const receipt = this.#neighbours.receive(beat, nowMs);
    if (receipt === "own") return;
    if (receipt === "greeting") this.#burst(this.#options.intervalMs / 2);
    if (receipt === "taken" || receipt === "greeting") {
      this.#counters.received++;
      if (receipt === "taken") this.#limit.trust(source, nowMs);
    } else this.#counters.reject(receipt);
    this.#update();
  }

  /** The regular heartbeat: one part of the list after the other. */
  #beat(): void {
    this.#noticeStall();
    this.#nextPart = (this.#nextPart + 1) % this.#parts.length;
    this.#send(this.#nextPart);
    const { clock, random } = this.#deps;
    this.#cancelBeat = clock.after(this.#options.intervalMs * (0.9 + 0.2 * random()), () => this.#beat());
  }

  /** All that others should know, soon; at least so long after the last time. */
  #burst(pauseMs: number): void {
    if ((this.#state !== "listening" && this.#state !== "member") || this.#cancelBurst !== null) return;
    const { clock } = this.#deps;
    const dueMs = Math.max(this.#sentMs + minGapMs, this.#burstMs + pauseMs);
    this.#cancelBurst = clock.after(Math.max(0, dueMs - clock.nowMs()), () => {
      this.#cancelBurst = null;
      this.#burstMs = clock.nowMs();
      for (let part = 0; part < this.#parts.length; part++) this.#send(part);
    });
  }

  #send(part: number): void {
    const { clock, port } = this.#deps;
    const nowMs = clock.nowMs();
    this.#sentMs = nowMs;
    this.#counters.sent++;
    const ready = this.#isReady;
    const bytes = encodeHeartbeat(
      {
        node: this.#options.node,
        labels: this.#options.labels,
        bootId: this.#bootId,
        sequence: ++this.#sequence,
        challenge: this.#neighbours.challenge,
        heard: this.#neighbours.toRepeat(nowMs),
        leaving: this.#state === "leaving",
        ready,
        readyMs: ready && this.#readySinceMs !== null ? nowMs - this.#readySinceMs : 0,
        reach: this.#facts.reach,
        part: { revision: this.#revision, part, parts: this.#parts.length, ...(this.#parts[part] ?? noAddresses) },
      },
      this.#keys[0],
    );
    port.send(bytes);
  }

  /** Whoever was silent for so long is dead for the others, who have shared out what it had: it begins anew. */
  #noticeStall(): void {
    const nowMs = this.#deps.clock.nowMs();
    const silentMs = nowMs - this.#sentMs;
    if (silentMs < this.#options.deadAfterMs || this.#state !== "member" || this.#neighbours.size === 0) return;
    this.#deps.logger.warning("This process stood still, and others took over", { silentMs: Math.round(silentMs) });
    this.#counters.stalls++;
    this.#sentMs = nowMs;
    this.#neighbours.excuse(nowMs);
    this.#listen();
    this.#refresh();
    this.#published = -1;
    this.#update();
  }

  /** Whether we are ready, and since when. */
  #refresh(): void {
    const nowMs = this.#deps.clock.nowMs();
    if (!this.#isReady) this.#readySinceMs = null;
    else this.#readySinceMs ??= nowMs;
    const { failBackDelayMs } = this.#options;
    this.#seasoned = this.#readySinceMs !== null && nowMs >= this.#readySinceMs + failBackDelayMs;
  }

  /** After anything that may change who is what: tells about it, and arms the timer for the next change. */
  #update(): void {
    const nowMs = this.#deps.clock.nowMs();
    const wasReady = this.#readySinceMs !== null;
    const wasSeasoned = this.#seasoned;
    this.#neighbours.advance(nowMs);
    this.#refresh();
    const isReady = this.#readySinceMs !== null;
    if (isReady !== wasReady) this.#burst(0);
    const isOther =
      this.#published !== this.#neighbours.version || isReady !== wasReady || this.#seasoned !== wasSeasoned;
    this.#published = this.#neighbours.version;
    if (isOther || nowMs >= (this.#splitBrains.nextMs ?? Infinity)) this.#splitBrains.update(this.members(), nowMs);
    this.#reportCollisions();
    this.#armWake(nowMs);
    if (isOther) this.#deps.onChange();
  }

  #armWake(nowMs: number): void {
    this.#cancelWake();
    if (this.#state !== "listening" && this.#state !== "member") return;
    const seasonedAtMs =
      this.#seasoned || this.#readySinceMs === null ? Infinity : this.#readySinceMs + this.#options.failBackDelayMs;
    const dueMs = Math.min(
      seasonedAtMs,
      this.#neighbours.nextMs(nowMs) ?? Infinity,
      this.#splitBrains.nextMs ?? Infinity,
    );
    if (dueMs === Infinity) return;
    const { clock } = this.#deps;
    this.#cancelWake = clock.after(Math.max(0, dueMs - nowMs), () => {
      this.#noticeStall();
      // What came while we were busy is read before anybody is declared dead.
      this.#cancelWake = clock.after(afterReadingMs, () => this.#update());
    });
  }

  #reportCollisions(): void {
    const names = this.#neighbours.collisions();
    if (names.join() === this.#collisions.join()) return;
    for (const name of names) {
      if (this.#collisions.includes(name)) continue;
      const younger = this.#neighbours.isNameTaken;
      this.#deps.logger.warning("Two live nodes have one name; the one that started later does not announce", {
        node: name,
        isOurs: name === this.#options.node,
        weAnnounce: name === this.#options.node ? !younger : null,
      });
    }
    this.#collisions = names;
  }

  #onSendFailure(error: unknown): void {
    this.#counters.failed++;
    const message = messageOf(error);
    if (this.#failures.has(message)) return;
    if (this.#failures.size >= maxFailures) this.#failures.clear();
    this.#failures.add(message);
    this.#deps.logger.warning("Heartbeats cannot be sent", { error: message });
  }
}

function number32(random: Random): bigint {
  return BigInt(Math.floor(random() * 0x1_0000_0000));
}
