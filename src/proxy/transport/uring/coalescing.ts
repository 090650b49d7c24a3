// SPDX-License-Identifier: Apache-2.0
// How long a thread's ring waits for company. A wake-up costs about as much as a request, and so does each of the peers;
// once little is left of a core, waiting for more to come makes fewer of them, as network cards do with their interrupts
// (ethtool's adaptive-rx). With time to spare nobody waits: an answer goes out as soon as it can.

/** Completions that are waited for, of the connections that talk: half of them may be waiting for what the batch would send. */
const talkingPerWanted = 4;
/** Wake-ups that are saved no longer matter in larger batches. */
const mostWanted = 128;
/** Patience for each connection that talks: the more do, the longer each of them waits for its turn anyway. */
const usPerTalking = 0.4;
const mostUs = 400;
/** Fewer connections never come together in so short a time. */
const fewestTalking = 64;
/** Batches between two looks at the time. */
const spanBatches = 256;
/** Part of a core from which on the thread is busy. */
const busyFrom = 0.85;
/** Below this it is no longer, less by what the waits are likely to save (a quarter with 400 µs, measured): or it would flutter. */
const busyUntil = 0.8;
const savedPerUs = 1 / 1_600;

/** Milliseconds with a fraction. */
export interface ThreadTimes {
  nowMs(): number;
  /** CPU time of this thread. */
  cpuMs(): number;
}

export class Coalescing {
  /** Completions to wait for; 1 = whatever comes first. */
  wanted = 1;
  /** How long at most one waits for others. */
  waitUs = 0;
  readonly #isOn: boolean;
  readonly #times: ThreadTimes;
  /** By slot: the span in which it was heard last. */
  readonly #heard: number[] = [];
  #span = 1;
  #talking = 0;
  #batches = 0;
  #nowMs: number;
  #cpuMs: number;

  /** `isOn`: false = never. */
  constructor(times: ThreadTimes, isOn: boolean) {
    this.#times = times;
    this.#isOn = isOn;
    this.#nowMs = times.nowMs();
    this.#cpuMs = times.cpuMs();
  }

  /** Something completed for this slot. */
  hear(slot: number): void {
    const heard = this.#heard;
    if (heard[slot] === this.#span) return;
    // Without gaps, which would make a table of it that is slow to look in.
    while (heard.length <= slot) heard.push(0);
    heard[slot] = this.#span;
    this.#talking++;
  }

  /** A batch begins. */
  note(): void {
    if (++this.#batches < spanBatches) return;
    this.#batches = 0;
    const nowMs = this.#times.nowMs();
    const cpuMs = this.#times.cpuMs();
    this.#decide((cpuMs - this.#cpuMs) / (nowMs - this.#nowMs), this.#talking);
    this.#nowMs = nowMs;
    this.#cpuMs = cpuMs;
    this.#talking = 0;
    this.#span++;
  }

  #decide(share: number, talking: number): void {
    const isBusy = share >= (this.wanted > 1 ? busyUntil - this.waitUs * savedPerUs : busyFrom);
    const waits = this.#isOn && isBusy && talking >= fewestTalking;
    this.wanted = waits ? Math.min(mostWanted, Math.floor(talking / talkingPerWanted)) : 1;
    this.waitUs = waits ? Math.min(mostUs, Math.ceil(talking * usPerTalking)) : 0;
  }
}

/** CPU time of the calling thread so far. */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
