// SPDX-License-Identifier: Apache-2.0
// Whether the event loop of a process with one thread stalls. Nobody else looks there, so it is said afterwards; threads
// watch each other (workers/heartbeat.ts).

import type { Cancel, Clock } from "../core/index.ts";
import type { Logger, Sample } from "../telemetry/port.ts";

const lookMs = 250;
const stallMs = 1_000;

export class LoopWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #stalls = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  start(): Cancel {
    let lastMs = this.#clock.nowMs();
    return this.#clock.every(lookMs, () => {
      const nowMs = this.#clock.nowMs();
      const lateMs = nowMs - lastMs - lookMs;
      lastMs = nowMs;
      if (lateMs <= stallMs) return;
      this.#stalls++;
      this.#logger.warning("event loop stalled: nothing was served", { for_ms: Math.round(lateMs) });
    });
  }

  samples(): readonly Sample[] {
    return [stallSample("main", this.#stalls)];
  }
}

/** `thread`: "main", or the number of a worker. */
export function stallSample(thread: string, value: number): Sample {
  return {
    name: "naru_event_loop_stalls_total",
    help: "Times a thread's event loop did not turn for more than a second.",
    type: "counter",
    labels: { thread },
    value,
  };
}
