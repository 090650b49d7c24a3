// SPDX-License-Identifier: Apache-2.0
// How long a thread's ring waits for company. A wake-up costs about as much as a request, and so does each of the peers;
// once little is left of a core, waiting some microseconds for more to come makes fewer of them, as network cards do with
// their interrupts (ethtool's adaptive-rx). With time to spare nobody waits: an answer goes out as soon as it can.

/** At most this long does a completion wait for others, in microseconds. */
export const coalesceUs = 50;
/** Wake-ups that are saved no longer matter in larger batches. */
const mostWanted = 32;
/** Of those that are open: half of them may be waiting for what the batch would send. */
const openPerWanted = 4;
/** Fewer connections never come together in so short a time. */
const fewestOpen = 64;
/** Batches between two looks at the time. */
const spanBatches = 256;
/** Parts of a core: from here on the thread is busy, and until it falls below the other. */
const busyFrom = 0.85;
const busyUntil = 0.8;

/** Milliseconds with a fraction. */
export interface ThreadTimes {
  nowMs(): number;
  /** CPU time of this thread. */
  cpuMs(): number;
}

export class Coalescing {
  /** Completions to wait for, `coalesceUs` at most; 1 = whatever comes first. */
  wanted = 1;
  readonly #times: ThreadTimes;
  #batches = 0;
  #nowMs: number;
  #cpuMs: number;

  constructor(times: ThreadTimes) {
    this.#times = times;
    this.#nowMs = times.nowMs();
    this.#cpuMs = times.cpuMs();
  }

  /** A batch begins; so many connections and listeners are open. */
  note(open: number): void {
    if (++this.#batches < spanBatches) return;
    this.#batches = 0;
    const nowMs = this.#times.nowMs();
    const cpuMs = this.#times.cpuMs();
    const share = (cpuMs - this.#cpuMs) / (nowMs - this.#nowMs);
    this.#nowMs = nowMs;
    this.#cpuMs = cpuMs;
    const isBusy = share >= (this.wanted > 1 ? busyUntil : busyFrom);
    this.wanted = isBusy && open >= fewestOpen ? Math.min(mostWanted, Math.floor(open / openPerWanted)) : 1;
  }
}

/** CPU time of the calling thread so far. */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
