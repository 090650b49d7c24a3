// SPDX-License-Identifier: Apache-2.0
// Gives back what taking over a configuration leaves behind, two copies and more of a large one: V8 collects when it
// needs memory, and a process that has little to do may not need any for hours.

import type { Cancel, Clock } from "../core/index.ts";

export interface MemoryReleaseDeps {
  readonly clock: Clock;
  /** Private memory of the process, in bytes. */
  readonly usedBytes: () => number;
  /** Stops the thread for some ten milliseconds. */
  readonly collectGarbage: () => void;
  /** Whether requests on this thread would wait for it. */
  readonly isBusy: () => boolean;
}

/** Quiet time after the last change; what the old configuration still serves is mostly done then. */
const delayMs = 5_000;
/** Less garbage than this is not worth it. */
const worthBytes = 2 * 1024 * 1024;

export class MemoryRelease {
  readonly #deps: MemoryReleaseDeps;
  #afterLastBytes = 0;
  #cancel: Cancel = () => undefined;

  constructor(deps: MemoryReleaseDeps) {
    this.#deps = deps;
  }

  /** At once: before anybody waits. */
  now(): void {
    this.#cancel();
    this.#deps.collectGarbage();
    this.#afterLastBytes = this.#deps.usedBytes();
  }

  /** After a change, when no other follows and nothing is in flight: a busy process collects of its own accord. */
  soon(): void {
    this.#cancel();
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      if (this.#deps.isBusy() || this.#deps.usedBytes() < this.#afterLastBytes + worthBytes) return;
      this.now();
    });
  }

  stop(): void {
    this.#cancel();
  }
}
