// SPDX-License-Identifier: Apache-2.0
// Which node announces an address: MetalLB's hash, so that nodes which see the same decide the same without talking, and
// what keeps an address where it is when a node comes back. Pure.

import { createHash } from "node:crypto";

export interface Candidate {
  readonly node: string;
  /** Of preferred nodes; the highest comes first. */
  readonly score: number;
  /** It may take an address that another one has. */
  readonly seasoned: boolean;
  /** It announces the address now. */
  readonly holds: boolean;
}

/**
 * The order of nodes for an address: ascending by sha256(node + "#" + key), as MetalLB has it. Remembers digests from one
 * round to the next, since thousands of addresses are ranked anew whenever a node comes or goes.
 */
export class Digests {
  #before = new Map<string, string>();
  #now = new Map<string, string>();

  /** Hexadecimal. */
  of(node: string, key: string): string {
    const text = `${node}#${key}`;
    const digest = this.#now.get(text) ?? this.#before.get(text) ?? createHash("sha256").update(text).digest("hex");
    this.#now.set(text, digest);
    return digest;
  }

  /** Forgets what the round that ends here had no use for. */
  endRound(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }
}

/**
 * The first by score and digest, of those that may have the address: while somebody holds it, newcomers wait, so that a node
 * that restarts in a loop does not carry addresses to and fro. Nobody holds it: whoever comes first takes it at once.
 * null without candidates.
 */
export function elect(candidates: readonly Candidate[], key: string, digests: Digests): string | null {
  const isHeld = candidates.some(({ holds }) => holds);
  let winner: Candidate | null = null;
  for (const candidate of candidates) {
    if (isHeld && !candidate.holds && !candidate.seasoned) continue;
    if (winner === null || isBefore(candidate, winner, key, digests)) winner = candidate;
  }
  return winner?.node ?? null;
}

function isBefore(left: Candidate, right: Candidate, key: string, digests: Digests): boolean {
  if (left.score !== right.score) return left.score > right.score;
  return digests.of(left.node, key) < digests.of(right.node, key);
}
