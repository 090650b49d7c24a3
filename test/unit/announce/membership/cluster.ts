// SPDX-License-Identifier: Apache-2.0
// Nodes on a network that a test owns: it delays, loses, repeats and reorders packets, and falls apart when told to. Each
// node does what the role does: it decides whenever something changes, announces, and tells the others.

import { createSecretKey, type KeyObject } from "node:crypto";

import { decide } from "../../../../src/announce/decide.ts";
import type { HeartbeatKeys } from "../../../../src/announce/membership/keys.ts";
import type { Reach } from "../../../../src/announce/membership/member.ts";
import {
  createMembership,
  membershipDefaults,
  type HeartbeatPort,
  type Membership,
  type MembershipOptions,
} from "../../../../src/announce/membership/membership.ts";
import type { Cancel, Clock } from "../../../../src/core/index.ts";
import type { LogFields, Logger } from "../../../../src/telemetry/port.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { pool } from "../allocator/builders.ts";
import { l2, service } from "../decide/builders.ts";

export const testKey: KeyObject = createSecretKey(Buffer.alloc(32, "k"));

/** The same numbers each time; mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Faults {
  /** From 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Every packet is late by 0 to so many milliseconds; so they overtake each other. */
  readonly delayMs: number;
}

export interface LogEntry {
  readonly node: string;
  readonly message: string;
  readonly fields: LogFields;
}

export class FakeNode {
  readonly name: string;
  readonly membership: Membership;
  readonly source: string;
  /** Addresses that it announces now. */
  announced: ReadonlySet<string> = new Set();
  /** How often something changed. */
  changes = 0;
  running = true;
  /** As when a packet cannot be sent. */
  fail: (error: unknown) => void = () => undefined;
  /** In force after `tell`. */
  ready = true;
  withheld: ReadonlySet<string> = new Set();
  reach: readonly Reach[] | null;
  /** Settled when it has started. */
  readonly started: Promise<void>;
  /** What waits while the process stands still, in the order in which an event loop gets to it. */
  #frozen: { readonly timers: (() => void)[]; readonly packets: (() => void)[] } | null = null;
  readonly #cluster: Cluster;
  #receive: ((bytes: Buffer, source: string) => void) | null = null;

  constructor(
    cluster: Cluster,
    name: string,
    source: string,
    options: Partial<MembershipOptions>,
    reach: readonly Reach[] | null,
  ) {
    this.name = name;
    this.source = source;
    this.#cluster = cluster;
    this.reach = reach;
    const port: HeartbeatPort = {
      open: async (receive, onError) => {
        this.#receive = receive;
        this.fail = onError;
      },
      send: (bytes) => cluster.carry(this, bytes),
      close: () => {
        this.#receive = null;
      },
    };
    const { random } = cluster;
    const clock = this.#clock(cluster.clock);
    const deps = { clock, random, logger: cluster.logger(name), port, onChange: () => this.decide() };
    const keys: HeartbeatKeys = [testKey];
    this.membership = createMembership(deps, { ...membershipDefaults, node: name, labels: {}, keys, ...options });
    this.tell();
    this.started = this.membership.start();
  }

  freeze(): void {
    this.#frozen = { timers: [], packets: [] };
  }

  thaw(): void {
    const { timers, packets } = this.#frozen!;
    this.#frozen = null;
    for (const each of [...timers, ...packets]) each();
  }

  hear(bytes: Buffer, source: string): void {
    if (this.#frozen === null) this.#receive?.(bytes, source);
    else this.#frozen.packets.push(() => this.#receive?.(bytes, source));
  }

  #clock(clock: Clock): Clock {
    const held = (callback: () => void): (() => void) => {
      return () => (this.#frozen === null ? callback() : void this.#frozen.timers.push(callback));
    };
    const add = (start: (callback: () => void) => Cancel, callback: () => void): Cancel => {
      let isCancelled = false;
      const cancel = start(held(() => isCancelled || callback()));
      return () => {
        isCancelled = true;
        cancel();
      };
    };
    return {
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      after: (delayMs, callback) => add((fire) => clock.after(delayMs, fire), callback),
      every: (periodMs, callback) => add((fire) => clock.every(periodMs, fire), callback),
    };
  }

  /** What the role does. */
  decide(): void {
    if (!this.running) return;
    this.changes++;
    const { config, allocations } = this.#cluster;
    const members = this.membership.members();
    const { layer2 } = decide({
      config,
      allocations,
      me: this.name,
      members,
      offSubnet: false,
      withheld: this.withheld,
    });
    this.announced = new Set(layer2.map(({ ip }) => ip));
    this.tell();
  }

  tell(): void {
    this.membership.set({
      ready: this.ready,
      reach: this.reach,
      announced: [...this.announced],
      withheld: [...this.withheld],
    });
  }

  /** As SIGKILL does: no goodbye. */
  kill(): void {
    this.running = false;
    this.announced = new Set();
    this.membership.stop();
  }
}

export class Cluster {
  readonly clock = new FakeClock();
  readonly random: () => number;
  readonly nodes: FakeNode[] = [];
  readonly logs: LogEntry[] = [];
  /** All packets ever sent, oldest first. */
  readonly packets: { readonly from: string; readonly bytes: Buffer; readonly atMs: number }[] = [];
  faults: Faults = { loss: 0, duplication: 0, delayMs: 1 };
  /** Whether packets of one reach the other. */
  connected: (from: string, to: string) => boolean = () => true;
  readonly addresses: readonly string[];
  readonly config: Parameters<typeof decide>[0]["config"];
  readonly allocations: Parameters<typeof decide>[0]["allocations"];

  constructor(seed = 1, addressCount = 8) {
    this.random = seeded(seed);
    this.addresses = Array.from({ length: addressCount }, (_, index) => `10.20.${30 + (index >> 8)}.${index & 0xff}`);
    const services = this.addresses.map((_, index) => service(`web-${index}`));
    this.config = { pools: [pool("pool", ["10.20.0.0/16"])], services, nodes: [], l2: [l2()], bgp: [], peers: [] };
    this.allocations = services.map(({ key }, index) => ({
      service: key,
      addresses: [this.addresses[index]!],
      pool: "pool",
      failure: null,
      notes: [],
    }));
  }

  /** Starts one more; it is ready from the start. */
  add(name: string, options: Partial<MembershipOptions> = {}, reach: readonly Reach[] | null = null): FakeNode {
    const node = new FakeNode(this, name, `192.0.2.${this.nodes.length + 1}`, options, reach);
    this.nodes.push(node);
    return node;
  }

  get running(): readonly FakeNode[] {
    return this.nodes.filter(({ running }) => running);
  }

  /** Lets time pass in steps, and promises go on in between. */
  async pass(durationMs: number, onStep: () => void = () => undefined): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= 10) {
      this.clock.advance(Math.min(10, leftMs));
      await Promise.resolve();
      onStep();
    }
  }

  /** Lets a process stand still while time passes for the others. */
  async freeze(node: FakeNode, durationMs: number): Promise<void> {
    node.freeze();
    await this.pass(durationMs);
    node.thaw();
  }

  /** When the node sent its last packet. */
  sentMs(name: string): number {
    return this.packets.findLast(({ from }) => from === name)?.atMs ?? 0;
  }

  /** Who announces the address. */
  announcers(address: string): readonly string[] {
    return this.running.filter(({ announced }) => announced.has(address)).map(({ name }) => name);
  }

  carry(from: FakeNode, bytes: Buffer): void {
    this.packets.push({ from: from.name, bytes, atMs: this.clock.nowMs() });
    for (const to of this.nodes) {
      if (to !== from && !this.connected(from.name, to.name)) continue;
      const copies = this.random() < this.faults.duplication ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.random() < this.faults.loss) continue;
        this.clock.after(this.random() * this.faults.delayMs, () => to.hear(Buffer.from(bytes), from.source));
      }
    }
  }

  logger(node: string): Logger {
    const write = (message: string, fields: LogFields = {}): void => {
      this.logs.push({ node, message, fields });
    };
    const logger: Logger = {
      scope: "announce",
      enabled: () => true,
      trace: write,
      debug: write,
      info: write,
      warning: write,
      error: write,
      child: () => logger,
    };
    return logger;
  }
}

/** By metric name, and by reason where there is one. */
export function metric({ membership }: FakeNode, name: string, reason?: string): number {
  const sample = membership
    .samples()
    .find((each) => each.name === `naru_announce_${name}` && each.labels["reason"] === reason);
  if (sample === undefined) throw new Error(`there is no metric ${name}`);
  return sample.value;
}
