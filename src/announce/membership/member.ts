// SPDX-License-Identifier: Apache-2.0
// What nodes that announce know of each other.

import type { Labels } from "../../model/index.ts";

/** An interface on which a node can announce. */
export interface Reach {
  readonly name: string;
  /** Subnets of its addresses, `address/length` without host bits. */
  readonly prefixes: readonly string[];
}

/** A node that is alive, as it said itself. */
export interface Member {
  readonly node: string;
  /** Beside those that configuration gives it. */
  readonly labels: Labels;
  /** It would announce if it were elected. */
  readonly ready: boolean;
  /** It has been alive and ready for so long that it may take addresses which another one has. */
  readonly seasoned: boolean;
  /** null = not known, which counts as everything. */
  readonly reach: readonly Reach[] | null;
  /** Addresses that it announces by layer 2, in canonical text. */
  readonly announced: ReadonlySet<string>;
  /** Addresses that it would not announce if it were elected, in canonical text. */
  readonly withheld: ReadonlySet<string>;
}
