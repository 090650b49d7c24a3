// SPDX-License-Identifier: Apache-2.0
// Membership: who is alive, by signed heartbeats several times a second, and what each of them can and does announce. What
// is not signed is counted and never answered.

import type { Clock, Random } from "../../core/index.ts";
import type { Labels } from "../../model/index.ts";
import type { Logger, SampleSource } from "../../telemetry/port.ts";
import { HeartbeatMembership } from "./heartbeat-membership.ts";
import type { HeartbeatKeys } from "./keys.ts";
import type { Member, Reach } from "./member.ts";
import type { SplitBrain } from "./split-brain.ts";

/** Where heartbeats come from and go to: a network, in its thinnest form. */
export interface HeartbeatPort {
  /** `source` is the sender's IP address. The bytes are the receiver's to keep. Rejects when it cannot listen. */
  open(receive: (bytes: Buffer, source: string) => void, onError: (error: unknown) => void): Promise<void>;
  /** To all others; keeps the bytes until they are sent. Failures come by `onError`. */
  send(bytes: Buffer): void;
  /** Nothing is received afterwards. */
  close(): void;
}

export interface MembershipDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly port: HeartbeatPort;
  /** Members, or what is decided by, are others. Called from a timer or for a packet, never from within a call of ours. */
  readonly onChange: () => void;
}

export interface MembershipOptions {
  /** Unique among the nodes; printable ASCII without spaces, at most 253 characters. */
  readonly node: string;
  /** Of this node, beside those that configuration gives it; some 200 characters with their values. */
  readonly labels: Labels;
  readonly keys: HeartbeatKeys;
  /** Between two heartbeats; give or take a tenth. */
  readonly intervalMs: number;
  /** A node is dead when it was not heard for so long. At least three intervals. */
  readonly deadAfterMs: number;
  /** A node takes addresses that another one has only after it has been ready for so long. */
  readonly failBackDelayMs: number;
}

/** Failure is noticed within 0.8 s; MetalLB's memberlist takes 5 to 7 s. */
export const membershipDefaults = { intervalMs: 200, deadAfterMs: 800, failBackDelayMs: 60_000 } as const;

/** What others are told of us. */
export interface LocalFacts {
  /** We would announce if elected. */
  readonly ready: boolean;
  /** What `reachOf` returns; null = not known. */
  readonly reach: readonly Reach[] | null;
  /** Addresses announced by layer 2, in canonical text. */
  readonly announced: readonly string[];
  /** Addresses that we would not announce if we were elected, in canonical text. */
  readonly withheld: readonly string[];
}

export interface Membership {
  /**
   * Resolves when we have listened long enough to know the others; until then we are no member, nor for the others.
   * Rejects when the port cannot be opened, or the labels do not fit into a packet.
   */
  start(): Promise<void>;
  /** Everyone alive, ourselves included. */
  members(): readonly Member[];
  /** Tells the others at once. */
  set(facts: LocalFacts): void;
  /** In force from the next packet on. */
  setKeys(keys: HeartbeatKeys): void;
  /** Addresses that several nodes announce, for longer than it takes one to move. */
  splitBrains(): readonly SplitBrain[];
  /** Names that two live nodes have. Of those the one that started later does not announce. */
  nameCollisions(): readonly string[];
  /** Says goodbye, several times; resolves after some 30 ms. Others take over at once, so stop announcing after it. */
  leave(): Promise<void>;
  stop(): void;
  readonly samples: SampleSource;
}

export function createMembership(deps: MembershipDeps, options: MembershipOptions): Membership {
  return new HeartbeatMembership(deps, options);
}
