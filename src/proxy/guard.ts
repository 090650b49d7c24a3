// SPDX-License-Identifier: Apache-2.0
// The second stage of a request: whether it may be routed at all, and under which names and path. Everything that is
// switched off costs one comparison.

import type { ErrorCode } from "../core/index.ts";
import { normalizePath } from "../router/index.ts";
import type { Exchange } from "./exchange.ts";
import { underscore } from "./http1/bytes.ts";
import type { RequestHead } from "./http1/index.ts";
import type { DataPlaneOptions } from "./options.ts";
import type { Overload } from "./overload.ts";
import type { DataPlaneStats } from "./stats.ts";

export class Guard {
  readonly #options: DataPlaneOptions;
  readonly #overload: Overload;
  readonly #stats: DataPlaneStats;

  constructor(options: DataPlaneOptions, overload: Overload, stats: DataPlaneStats) {
    this.#options = options;
    this.#overload = overload;
    this.#stats = stats;
  }

  /** Why the request is refused, or null. Sets the exchange's path, and its target where that is not the one received. */
  check(exchange: Exchange): ErrorCode | null {
    if (this.#overload.active) {
      this.#stats.limitHits.memory++;
      return "OVERLOAD";
    }
    const head = exchange.requestParser.head;
    if (this.#options.underscores !== "allow" && !this.#checkNames(head)) return "UNDERSCORE_IN_NAME";
    exchange.path = head.path();
    return head.pathNeedsNormalization && !this.#normalize(exchange, head) ? "BAD_PATH" : null;
  }

  /**
   * Applications that turn header names into variables cannot tell `x_user` from `x-user`, and so neither from a header
   * that naru strips or sets (Envoy's headers_with_underscores_action).
   */
  #checkNames(head: RequestHead): boolean {
    const count = dropUnderscored(head);
    const isRejected = count > 0 && this.#options.underscores === "reject";
    this.#stats.underscores += isRejected ? 1 : count;
    return !isRejected;
  }

  /** What is matched is what is forwarded. */
  #normalize(exchange: Exchange, head: RequestHead): boolean {
    const { pathNormalization, escapedSlashes } = this.#options;
    const normal = normalizePath(exchange.path, pathNormalization, escapedSlashes);
    if (normal === null) return false;
    if (normal === exchange.path) return true;
    exchange.path = normal;
    const query = head.query();
    exchange.target = query === "" ? normal : `${normal}?${query}`;
    return true;
  }
}

/** Marks such lines as neither to be matched nor forwarded; returns how many there were. */
function dropUnderscored(head: RequestHead): number {
  const { bytes, base, nameStart, nameEnd, drop } = head;
  let dropped = 0;
  for (let index = 0; index < head.headerCount; index++) {
    if (!bytes.subarray(base + nameStart[index]!, base + nameEnd[index]!).includes(underscore)) continue;
    drop[index] = 1;
    dropped++;
  }
  return dropped;
}
