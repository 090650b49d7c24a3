// SPDX-License-Identifier: Apache-2.0
// Time that costs nothing to read, moved once a second by the data plane.

import type { Clock } from "../core/index.ts";

export class CoarseTime {
  /** Monotonic milliseconds, at most a second old. */
  nowMs: number;
  /** IMF-fixdate for Date headers (RFC 9110 §5.6.7). */
  httpDate: string;
  /** Wall-clock milliseconds, less the monotonic ones of the same moment: a start time needs no clock of its own. */
  wallOffsetMs: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.nowMs = clock.nowMs();
    const wallMs = clock.wallMs();
    this.wallOffsetMs = wallMs - this.nowMs;
    this.httpDate = new Date(wallMs).toUTCString();
  }

  tick(): void {
    this.nowMs = this.#clock.nowMs();
    const wallMs = this.#clock.wallMs();
    this.wallOffsetMs = wallMs - this.nowMs;
    this.httpDate = new Date(wallMs).toUTCString();
  }
}
