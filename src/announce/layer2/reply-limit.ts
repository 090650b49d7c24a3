// SPDX-License-Identifier: Apache-2.0
// How often one requester is answered about one address: a fixed number of token buckets, shared by hash.

import { macBytes } from "./mac.ts";

const bucketCount = 4_096;
/** Linux asks once a second for each address; a router that lost its table asks for all of them at once. */
const repliesPerSecond = 20;
const burst = 20;

export class ReplyLimit {
  readonly #tokens = new Float64Array(bucketCount).fill(burst);
  readonly #filledMs = new Float64Array(bucketCount);
  readonly #seed: number;

  /** `seed` keeps others from choosing who shares a bucket with whom. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Whether the requester with this hardware address may be answered about `address` (its last 32 bits) now. */
  take(mac: Uint8Array, address: number, nowMs: number): boolean {
    const bucket = this.#hash(mac, address) & (bucketCount - 1);
    const earned = ((nowMs - this.#filledMs[bucket]!) * repliesPerSecond) / 1_000;
    const tokens = Math.min(burst, this.#tokens[bucket]! + earned);
    this.#filledMs[bucket] = nowMs;
    this.#tokens[bucket] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }

  /** FNV-1a, mixed at the end (MurmurHash3's finalizer). */
  #hash(mac: Uint8Array, address: number): number {
    let hash = this.#seed ^ address;
    for (let at = 0; at < macBytes; at++) hash = Math.imul(hash ^ mac[at]!, 0x0100_0193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
    return hash ^ (hash >>> 16);
  }
}
