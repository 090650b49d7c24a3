// SPDX-License-Identifier: Apache-2.0
// Whether the event loops of the process turn: each thread counts up in shared memory, and another one looks. A thread
// that hangs cannot say so itself.

import type { Cancel, Clock } from "../../core/index.ts";

const beatMs = 250;
/** Looks without a beat in between that mean a stall: more than a second. */
const missedBeats = 5;

/** Position of the main thread; workers follow by number. */
export const mainThread = 0;

export function allocateHeartbeats(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/** Position of a worker. */
export function positionOf(thread: number): number {
  return 1 + thread;
}

/**
 * Beats for `own` and watches `others`; `onStall` is called once per stall, while it lasts. A thread is watched from its
 * first beat. Counting looks instead of time: when the whole machine sleeps, nobody looks either.
 */
export function watchEventLoops(
  memory: SharedArrayBuffer,
  own: number,
  others: readonly number[],
  clock: Clock,
  onStall: (position: number) => void,
): Cancel {
  const beats = new Int32Array(memory);
  const seen = others.map((position) => ({ position, beat: 0, missed: 0 }));
  return clock.every(beatMs, () => {
    Atomics.add(beats, own, 1);
    for (const other of seen) {
      const beat = Atomics.load(beats, other.position);
      other.missed = beat === 0 || beat !== other.beat ? 0 : other.missed + 1;
      other.beat = beat;
      if (other.missed === missedBeats) onStall(other.position);
    }
  });
}

/** The thread is gone; its replacement is watched from its own first beat. */
export function forgetBeats(memory: SharedArrayBuffer, position: number): void {
  Atomics.store(new Int32Array(memory), position, 0);
}
