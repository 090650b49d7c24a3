// SPDX-License-Identifier: Apache-2.0
// A clock that moves only when a test says so.

import type { Cancel, Clock } from "../../src/core/index.ts";

interface Timer {
  dueMs: number;
  /** 0 = once. */
  readonly periodMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  /** 2026-01-02T03:04:05.000Z plus what has passed. */
  wallMs(): number {
    return Date.UTC(2026, 0, 2, 3, 4, 5) + this.#nowMs - 1_000;
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#add({ dueMs: this.#nowMs + delayMs, periodMs: 0, callback });
  }

  every(periodMs: number, callback: () => void): Cancel {
    return this.#add({ dueMs: this.#nowMs + periodMs, periodMs, callback });
  }

  /** Timers that are still to fire. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time, firing what falls due in order of time. */
  advance(milliseconds: number): void {
    const endMs = this.#nowMs + milliseconds;
    for (;;) {
      let next: Timer | null = null;
      for (const timer of this.#timers) {
        if (timer.dueMs <= endMs && (next === null || timer.dueMs < next.dueMs)) next = timer;
      }
      if (next === null) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      if (next.periodMs === 0) this.#timers.delete(next);
      else next.dueMs += next.periodMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** Time passes while the process is stalled: what falls due fires once, late, at the next advance. */
  jump(milliseconds: number): void {
    this.#nowMs += milliseconds;
    for (const timer of this.#timers) {
      if (timer.periodMs > 0) timer.dueMs = Math.max(timer.dueMs, this.#nowMs);
    }
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
