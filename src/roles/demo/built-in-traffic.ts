// SPDX-License-Identifier: Apache-2.0
// A steady stream of page views, so that there is something to see without a hand on the reload key. No load generator:
// when answers do not come, it stops asking.

import { Agent, get } from "node:http";

import type { Cancel, Clock } from "../../core/index.ts";

export interface BuiltInTraffic {
  /** Requests that got no answer at all. */
  readonly failures: number;
  stop(): void;
}

const tickMs = 20;
const maxInFlight = 64;

/** Asks for `url` `requestsPerSecond` times a second. */
export function startTraffic(url: URL, requestsPerSecond: number, clock: Clock): BuiltInTraffic {
  return new PageViews(url, requestsPerSecond, clock);
}

class PageViews implements BuiltInTraffic {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: maxInFlight });
  readonly #cancel: Cancel;
  #inFlight = 0;
  failures = 0;

  constructor(url: URL, requestsPerSecond: number, clock: Clock) {
    this.#url = url;
    let lastMs = clock.nowMs();
    let due = 0;
    this.#cancel = clock.every(tickMs, () => {
      const nowMs = clock.nowMs();
      // What could not be sent in time is dropped, not saved up for a burst.
      due = Math.min(due + ((nowMs - lastMs) * requestsPerSecond) / 1000, maxInFlight);
      lastMs = nowMs;
      for (; due >= 1 && this.#inFlight < maxInFlight; due--) this.#send();
    });
  }

  stop(): void {
    this.#cancel();
    this.#agent.destroy();
  }

  #send(): void {
    this.#inFlight++;
    const request = get(this.#url, { agent: this.#agent, headers: { "user-agent": "naru-demo" } });
    request.once("response", (response) => response.resume());
    request.once("error", () => this.failures++);
    request.once("close", () => this.#inFlight--);
  }
}
