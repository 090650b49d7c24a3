// SPDX-License-Identifier: Apache-2.0
// Which node announces an address: MetalLB's hash, so that nodes which see the same decide the same without talking, and
// what keeps an address where it is when a node comes back. Pure.

import { hash } from "node:crypto";

export interface Candidate {
  readonly node: string;
  /** How much the node is preferred; the highest comes first. */
  readonly score: number;
  /** It may take an address that another one has. */
  readonly seasoned: boolean;
  /** It announces the address now. */
  readonly holds: boolean;
}

/** Nodes that came and went are forgotten when they are so many. */
const maxNodes = 1_024;

/**
 * The order of nodes for an address: ascending by sha256(node + "#" + key), as MetalLB has it. Remembers digests from one
 * round to the next, since thousands of addresses are ranked anew whenever a node comes or goes.
 */
export class Digests {
  #before = new Map<string, Map<string, number>>();
  #now = new Map<string, Map<string, number>>();

  /** The first 48 bits of the digests of a key, as far as they were asked for, by node. */
  of(key: string): Map<string, number> {
    let byNode = this.#now.get(key);
    if (byNode === undefined) {
      byNode = this.#before.get(key) ?? new Map<string, number>();
      if (byNode.size > maxNodes) byNode.clear();
      this.#now.set(key, byNode);
    }
    return byNode;
  }

  /** Forgets the keys that the round that ends here had no use for. */
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
  const byNode = digests.of(key);
  let winner: Candidate | null = null;
  let least = Infinity;
  for (const candidate of candidates) {
    const { node, score, holds, seasoned } = candidate;
    if (isHeld && !holds && !seasoned) continue;
    let digest = byNode.get(node);
    if (digest === undefined) byNode.set(node, (digest = digestOf(node, key)));
    const isBefore = winner === null || score > winner.score || (score === winner.score && digest < least);
    if (!isBefore) continue;
    winner = candidate;
    least = digest;
  }
  return winner?.node ?? null;
}

/** As much of it as a number holds exactly; that two are alike in that is as likely as 1 in 2^48. */
function digestOf(node: string, key: string): number {
  return hash("sha256", `${node}#${key}`, "buffer").readUIntBE(0, 6);
}
