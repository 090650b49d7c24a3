// SPDX-License-Identifier: Apache-2.0
// Addresses that several of our nodes announce at once, by what their heartbeats say: they do not hear each other both ways,
// or decide by different configuration. An address that moves has two announcers for a moment; only what lasts counts.

import type { Member } from "./member.ts";

export interface SplitBrain {
  readonly address: string;
  /** Who announces it, ascending. */
  readonly nodes: readonly string[];
}

interface Claim {
  readonly sinceMs: number;
  /** null = it may still be a move. */
  reported: SplitBrain | null;
}

export class SplitBrains {
  readonly #graceMs: number;
  readonly #onChange: (found: SplitBrain, isOver: boolean) => void;
  readonly #claims = new Map<string, Claim>();

  /** `onChange` is told of each once, again when other nodes are in it, and when it is over. */
  constructor(graceMs: number, onChange: (found: SplitBrain, isOver: boolean) => void) {
    this.#graceMs = graceMs;
    this.#onChange = onChange;
  }

  get all(): readonly SplitBrain[] {
    return [...this.#claims.values()].flatMap(({ reported }) => reported ?? []);
  }

  /** When `update` must be called again though no member changed; null = never. */
  get nextMs(): number | null {
    let next = Infinity;
    for (const { sinceMs, reported } of this.#claims.values()) {
      if (reported === null) next = Math.min(next, sinceMs + this.#graceMs);
    }
    return next === Infinity ? null : next;
  }

  /** What members announce now. */
  update(members: readonly Member[], nowMs: number): void {
    const twice = claimedTwice(members);
    for (const [address, { reported }] of this.#claims) {
      if (twice.has(address)) continue;
      this.#claims.delete(address);
      if (reported !== null) this.#onChange(reported, true);
    }
    for (const [address, nodes] of twice) {
      const claim = this.#claims.get(address) ?? { sinceMs: nowMs, reported: null };
      this.#claims.set(address, claim);
      const isReported = claim.reported?.nodes.join() === nodes.join();
      if (isReported || nowMs - claim.sinceMs < this.#graceMs) continue;
      claim.reported = { address, nodes };
      this.#onChange(claim.reported, false);
    }
  }
}

/** Nodes by the addresses that several of them announce. */
function claimedTwice(members: readonly Member[]): ReadonlyMap<string, readonly string[]> {
  const first = new Map<string, string>();
  const twice = new Map<string, string[]>();
  for (const { node, announced } of members) {
    for (const address of announced) {
      const other = first.get(address);
      if (other === undefined) first.set(address, node);
      else twice.set(address, [...(twice.get(address) ?? [other]), node].toSorted());
    }
  }
  return twice;
}
