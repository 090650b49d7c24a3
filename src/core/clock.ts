// SPDX-License-Identifier: Apache-2.0
// Time and chance as dependencies, so that tests own both.

/** Stops what started it; calling it twice is harmless. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  nowMs(): number;
  /** Wall clock, milliseconds since the epoch; for logs and dates, never for measuring. */
  wallMs(): number;
  /** Calls back once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls back every `periodMs`. Does not keep the process alive. */
  every(periodMs: number, callback: () => void): Cancel;
}

/** Uniform in [0, 1). */
export type Random = () => number;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs).unref();
    return () => clearInterval(timer);
  },
};
