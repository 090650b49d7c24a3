// SPDX-License-Identifier: Apache-2.0
// Finds the routes whose path condition can hold for a path, without looking at the others: exact paths in a map,
// prefixes in a radix tree. Both lead to chains of rule indices in listed order.
//
//   prefixes /api, /api/v1, /app      root ── "/ap" ─┬─ "i" (chain) ── "/v1" (chain)
//                                                    └─ "p" (chain)

import type { IndexHeap } from "./index-heap.ts";

/** Greater than any rule index. */
export const never = 0x3fff_ffff;

/** The rules that share one exact path or one prefix, linked through `RuleLinks`. */
export interface Chain {
  readonly head: number;
  tail: number;
  /** The member that needs no further condition, or `never`. Nothing follows it: it would never be reached. */
  stop: number;
}

/** `links[i]` is the rule after rule i in its chain, or -1. A rule stands in exactly one chain. */
export type RuleLinks = Int32Array;

/** Path conditions of one virtual host under one notion of case. */
export class PathIndex {
  readonly #exact = new Map<string, Chain>();
  readonly #root = new PathNode("");
  readonly #links: RuleLinks;

  constructor(links: RuleLinks) {
    this.#links = links;
  }

  get empty(): boolean {
    return this.#exact.size === 0 && this.#root.lowest === never;
  }

  /** Rules must come in ascending order. `unconditional`: the path decides alone. */
  addExact(path: string, rule: number, unconditional: boolean): void {
    this.#exact.set(path, this.#extend(this.#exact.get(path) ?? null, rule, unconditional));
  }

  /** As `addExact`; "" is the prefix of every path. */
  addPrefix(prefix: string, rule: number, unconditional: boolean): void {
    const node = insert(this.#root, prefix, rule);
    node.chain = this.#extend(node.chain, rule, unconditional);
  }

  /**
   * Puts the head of every chain that can hold for `path` on the heap, except those that begin after `stop`, a rule
   * already known to match. Returns the lowest such rule known now.
   */
  collect(path: string, heap: IndexHeap, stop: number): number {
    if (this.#exact.size > 0) {
      const chain = this.#exact.get(path);
      if (chain !== undefined && chain.head < stop) {
        heap.push(chain.head);
        if (chain.stop < stop) stop = chain.stop;
      }
    }
    let node: PathNode | null = this.#root;
    let position = 0;
    while (node !== null && node.lowest < stop) {
      const label = node.label;
      // The first code unit has led here already, and startsWith costs more than the rest of the step.
      if (label.length > 1 && !path.startsWith(label, position)) break;
      position += label.length;
      const chain = node.chain;
      if (chain !== null && chain.head < stop) {
        heap.push(chain.head);
        if (chain.stop < stop) stop = chain.stop;
      }
      if (position >= path.length) break;
      node = childOf(node, path.charCodeAt(position));
    }
    return stop;
  }

  #extend(chain: Chain | null, rule: number, unconditional: boolean): Chain {
    const stop = unconditional ? rule : never;
    if (chain === null) return { head: rule, tail: rule, stop };
    if (chain.stop !== never) return chain;
    this.#links[chain.tail] = rule;
    chain.tail = rule;
    chain.stop = stop;
    return chain;
  }
}

class PathNode {
  /** Text of the edge into this node. */
  label: string;
  chain: Chain | null = null;
  /** Lowest rule here or below: a subtree that cannot win is not entered. */
  lowest = never;
  /** First code units of the children's labels, ascending, parallel to `children`. */
  codes: number[] = [];
  children: PathNode[] = [];

  constructor(label: string) {
    this.label = label;
  }
}

function childOf(node: PathNode, code: number): PathNode | null {
  const at = slotOf(node.codes, code);
  return node.codes[at] === code ? node.children[at]! : null;
}

/** First position whose code is not less than `code`. */
function slotOf(codes: readonly number[], code: number): number {
  let low = 0;
  let high = codes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (codes[middle]! < code) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The node for a prefix, made where it is missing. A loop, not a recursion: prefixes may nest thousands deep. */
function insert(root: PathNode, prefix: string, rule: number): PathNode {
  let node = root;
  let rest = prefix;
  for (;;) {
    if (rule < node.lowest) node.lowest = rule;
    if (rest === "") return node;
    const code = rest.charCodeAt(0);
    const at = slotOf(node.codes, code);
    if (node.codes[at] !== code) {
      const leaf = new PathNode(rest);
      node.codes.splice(at, 0, code);
      node.children.splice(at, 0, leaf);
      node = leaf;
      rest = "";
      continue;
    }
    const child = node.children[at]!;
    const shared = sharedLength(child.label, rest);
    if (shared < child.label.length) node.children[at] = splitAbove(child, shared);
    node = node.children[at]!;
    rest = rest.slice(shared);
  }
}

/** Puts a node with the first `length` units of the label between `child` and its parent. */
function splitAbove(child: PathNode, length: number): PathNode {
  const upper = new PathNode(child.label.slice(0, length));
  child.label = child.label.slice(length);
  upper.lowest = child.lowest;
  upper.codes.push(child.label.charCodeAt(0));
  upper.children.push(child);
  return upper;
}

function sharedLength(a: string, b: string): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}
