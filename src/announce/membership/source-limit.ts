// SPDX-License-Identifier: Apache-2.0
// How many packets are looked at, so that checking signatures of packets that are none costs little, whoever sends them.

/** Packets a second from one node; a node of ours sends some tens at most. */
const perSource = { rate: 500, burst: 500 } as const;
/** From all who have not yet shown that they have the key: sources can be forged, so counting them apart would not help. */
const others = { rate: 500, burst: 1_000 } as const;
const maxSources = 1_024;

interface Rate {
  readonly rate: number;
  readonly burst: number;
}

class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    const { rate, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) * rate) / 1_000);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

export class SourceLimit {
  /** INVARIANT: only sources of signed packets; the one heard longest ago comes first. */
  readonly #known = new Map<string, TokenBucket>();
  readonly #others: TokenBucket;

  constructor(nowMs: number) {
    this.#others = new TokenBucket(others, nowMs);
  }

  /** Whether a packet from there is to be looked at now. */
  admits(source: string, nowMs: number): boolean {
    return (this.#known.get(source) ?? this.#others).take(nowMs);
  }

  /** A packet from there was signed: what others send does no longer count against it. */
  trust(source: string, nowMs: number): void {
    const bucket = this.#known.get(source) ?? new TokenBucket(perSource, nowMs);
    this.#known.delete(source);
    this.#known.set(source, bucket);
    if (this.#known.size > maxSources) this.#known.delete(this.#known.keys().next().value!);
  }
}
