// SPDX-License-Identifier: Apache-2.0
// Everybody else who is alive: who was heard lately and has shown that he speaks now. No I/O, no clock.
//
// A recording of a node's packets is signed as they were. So a node is believed only once it has repeated our challenge, a
// random number of ours that we choose anew whenever somebody goes: nothing that was recorded before has it. From then on
// the sequence number does, which must grow. A node that restarts is another run and must show it again, wherever its clock
// stands.

import type { Heartbeat } from "./heartbeat.ts";
import { maxHeard } from "./heartbeat.ts";
import type { Member } from "./member.ts";
import { Neighbour } from "./neighbour.ts";

const maxNeighbours = 1_024;

export interface NeighbourOptions {
  readonly node: string;
  readonly bootId: bigint;
  readonly intervalMs: number;
  readonly deadAfterMs: number;
  readonly failBackDelayMs: number;
  /** A number that was never used before; unpredictable is not needed. */
  readonly newChallenge: () => bigint;
}

export type Receipt = "taken" | "greeting" | "own" | "repeated" | "unproven" | "full";

export class Neighbours {
  readonly #options: NeighbourOptions;
  /** By name and run. */
  readonly #runs = new Map<string, Neighbour>();
  #challenge: bigint;
  #renewedMs: number;
  #echoAt = 0;
  #version = 0;

  constructor(options: NeighbourOptions, nowMs: number) {
    this.#options = options;
    this.#challenge = options.newChallenge();
    this.#renewedMs = nowMs;
  }

  /** Grows when members, or what is decided by, are others. */
  get version(): number {
    return this.#version;
  }

  get challenge(): bigint {
    return this.#challenge;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** `greeting` = taken, and its challenge should be answered at once. */
  receive(beat: Heartbeat, nowMs: number): Receipt {
    const { node, bootId, intervalMs } = this.#options;
    if (beat.node === node && beat.bootId === bootId) return "own";
    const key = `${beat.bootId} ${beat.node}`;
    const known = this.#runs.get(key);
    if (known === undefined && this.#runs.size >= maxNeighbours) return "full";
    const run = known ?? new Neighbour(beat, nowMs);
    if (!run.isNews(beat)) return "repeated";
    if (beat.leaving) {
      this.#remove(key, run, nowMs);
      return run.proven ? "taken" : "unproven";
    }
    if (known === undefined) this.#runs.set(key, run);
    const changed = run.take(beat, nowMs);
    const isProof = !run.proven && beat.heard.includes(this.#challenge);
    if (isProof) run.proven = true;
    if (isProof || (run.proven && changed.facts)) this.#version++;
    this.advance(nowMs);
    if (changed.challenge) {
      run.echoUntilMs = nowMs + 10 * intervalMs;
      return "greeting";
    }
    return run.proven ? "taken" : "unproven";
  }

  /** What follows from the passing of time. */
  advance(nowMs: number): void {
    const { deadAfterMs, failBackDelayMs } = this.#options;
    for (const [key, run] of this.#runs) {
      if (nowMs - run.heardMs >= deadAfterMs) {
        this.#remove(key, run, nowMs);
        continue;
      }
      const seasonedAtMs = run.seasonedAtMs(failBackDelayMs);
      const isSeasoned = seasonedAtMs !== null && nowMs >= seasonedAtMs;
      if (isSeasoned !== run.seasoned && run.proven) this.#version++;
      run.seasoned = isSeasoned;
    }
    this.#askAgain(nowMs);
  }

  /** When `advance` has something to do, if nobody is heard till then; null = never. */
  nextMs(nowMs: number): number | null {
    const { deadAfterMs, failBackDelayMs } = this.#options;
    let next = Infinity;
    for (const run of this.#runs.values()) {
      const seasonedAtMs = run.seasonedAtMs(failBackDelayMs) ?? 0;
      next = Math.min(next, run.heardMs + deadAfterMs, seasonedAtMs > nowMs ? seasonedAtMs : Infinity);
    }
    return next === Infinity ? null : next;
  }

  /** We were not there to hear anybody: nobody is to be taken for dead on account of that. */
  excuse(nowMs: number): void {
    for (const run of this.#runs.values()) run.heardMs = nowMs;
  }

  /** Challenges of others to repeat in the next packet; in turn, when they are many. */
  toRepeat(nowMs: number): readonly bigint[] {
    const due = [...this.#runs.values()].filter(({ echoUntilMs }) => echoUntilMs > nowMs);
    const count = Math.min(due.length, maxHeard);
    const chosen = Array.from({ length: count }, (_, index) => due[(this.#echoAt + index) % due.length]!.challenge!);
    this.#echoAt = due.length === 0 ? 0 : (this.#echoAt + count) % due.length;
    return chosen;
  }

  /** One for every name, of several runs the earliest: who came later must go. Our own name is never there. */
  members(): readonly Member[] {
    const byName = new Map<string, Neighbour>();
    for (const run of this.#runs.values()) {
      if (!run.proven || run.node === this.#options.node) continue;
      const other = byName.get(run.node);
      if (other === undefined || run.bootId < other.bootId) byName.set(run.node, run);
    }
    return [...byName.values()].map(({ member }) => member);
  }

  /** Another node has our name, and had it first. */
  get isNameTaken(): boolean {
    const { node, bootId } = this.#options;
    for (const run of this.#runs.values()) {
      if (run.node === node && run.proven && run.bootId < bootId) return true;
    }
    return false;
  }

  /** Names that two live nodes have: each was heard after the other had begun. */
  collisions(): readonly string[] {
    const { node, intervalMs } = this.#options;
    const byName = new Map<string, Neighbour>();
    const names = new Set<string>();
    for (const run of this.#runs.values()) {
      if (!run.proven) continue;
      const other = byName.get(run.node) ?? run;
      const isOutlived = run.heardMs <= other.firstMs + 2 * intervalMs || other.heardMs <= run.firstMs + 2 * intervalMs;
      if (run.node === node || (other !== run && !isOutlived)) names.add(run.node);
      byName.set(run.node, run);
    }
    return [...names].toSorted();
  }

  #remove(key: string, run: Neighbour, nowMs: number): void {
    this.#runs.delete(key);
    if (!run.proven) return;
    this.#version++;
    this.#renew(nowMs);
  }

  /** Somebody is heard and has not answered: our challenge may have been lost. */
  #askAgain(nowMs: number): void {
    const waitMs = 5 * this.#options.intervalMs;
    if (nowMs - this.#renewedMs < waitMs) return;
    if ([...this.#runs.values()].some((run) => !run.proven && nowMs - run.firstMs >= waitMs)) this.#renew(nowMs);
  }

  #renew(nowMs: number): void {
    this.#challenge = this.#options.newChallenge();
    this.#renewedMs = nowMs;
  }
}
