// SPDX-License-Identifier: Apache-2.0
// One run of another node's program, as its heartbeats tell.

import { isDeepStrictEqual } from "node:util";

import type { Labels } from "../../model/index.ts";
import { AddressList } from "./address-list.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Member, Reach } from "./member.ts";

/** How far apart two readings of one moment may be: packets are late now and then. */
const readyToleranceMs = 1_000;

export class Neighbour {
  readonly node: string;
  readonly bootId: bigint;
  readonly firstMs: number;
  heardMs: number;
  /** It has repeated our challenge: this is no recording. */
  proven = false;
  /** It may take addresses that others have. */
  seasoned = false;
  /** Until when our packets repeat its challenge. */
  echoUntilMs = 0;
  #sequence = 0;
  #challenge: bigint | null = null;
  #ready = false;
  #readySinceMs = 0;
  #reach: readonly Reach[] | null = null;
  #labels: Labels = {};
  readonly #announced = new AddressList();
  readonly #withheld = new AddressList();

  constructor({ node, bootId }: Heartbeat, nowMs: number) {
    this.node = node;
    this.bootId = bootId;
    this.firstMs = nowMs;
    this.heardMs = nowMs;
  }

  get challenge(): bigint | null {
    return this.#challenge;
  }

  /** When it is seasoned, if it stays ready; null when it is not ready. */
  seasonedAtMs(failBackDelayMs: number): number | null {
    return this.#ready ? this.#readySinceMs + failBackDelayMs : null;
  }

  get member(): Member {
    const { node, seasoned } = this;
    return {
      node,
      seasoned,
      labels: this.#labels,
      ready: this.#ready,
      reach: this.#reach,
      announced: this.#announced.addresses,
      withheld: this.#withheld.addresses,
    };
  }

  isNews({ sequence }: Heartbeat): boolean {
    return sequence > this.#sequence;
  }

  /** A heartbeat that is news. What changed: its challenge, what others decide by. */
  take(beat: Heartbeat, nowMs: number): { readonly challenge: boolean; readonly facts: boolean } {
    this.heardMs = nowMs;
    this.#sequence = beat.sequence;
    const isChallenged = beat.challenge !== this.#challenge;
    this.#challenge = beat.challenge;
    const isOther =
      beat.ready !== this.#ready || !isDeepStrictEqual([beat.reach, beat.labels], [this.#reach, this.#labels]);
    this.#takeReady(beat, nowMs);
    this.#reach = beat.reach;
    this.#labels = beat.labels;
    const isAnnouncing = this.#announced.take(beat.part, beat.part.announced);
    const isWithholding = this.#withheld.take(beat.part, beat.part.withheld);
    return { challenge: isChallenged, facts: isAnnouncing || isWithholding || isOther };
  }

  #takeReady({ ready, readyMs }: Heartbeat, nowMs: number): void {
    const sinceMs = nowMs - readyMs;
    // The packet that was fastest is nearest to the truth; one that says something else altogether is another start.
    const isSame = this.#ready && Math.abs(sinceMs - this.#readySinceMs) < readyToleranceMs;
    this.#readySinceMs = isSame ? Math.min(sinceMs, this.#readySinceMs) : sinceMs;
    this.#ready = ready;
  }
}
