// SPDX-License-Identifier: Apache-2.0
// Counters since the start → what has happened lately, per service and version. Pure but for the samples it keeps.

import { durationBoundsMs, quantile, type RequestTotals } from "../../telemetry/index.ts";

/** One line of the live table. */
export interface TrafficRow {
  readonly service: string;
  /** "" = no endpoint was chosen. */
  readonly version: string;
  /** Since the start. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  /** Estimated from the histogram, as Prometheus does; null without requests in the window. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface TrafficKey {
  readonly service: string;
  readonly version: string;
}

interface Counts {
  requests: number;
  errors: number;
  /** Cumulative. */
  buckets: number[];
}

interface TrafficSample {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, Counts>;
}

const noCounts: Counts = { requests: 0, errors: 0, buckets: [] };

/** A window of `windowMs` that slides with each sample; before it is full, it reaches back to the first sample. */
export class TrafficWindow {
  readonly #windowMs: number;
  readonly #known: Map<string, TrafficKey>;
  readonly #samples: TrafficSample[] = [];

  /** `expected` have a row from the start, in this order; others follow as they appear. */
  constructor(windowMs: number, expected: readonly TrafficKey[]) {
    this.#windowMs = windowMs;
    this.#known = new Map(expected.map((key) => [textOf(key), key]));
  }

  /** Takes the counters as they are at `nowMs` and returns the rows at that moment. */
  add(nowMs: number, totals: readonly RequestTotals[]): readonly TrafficRow[] {
    this.#samples.push({ atMs: nowMs, counts: this.#sum(totals) });
    // The second sample must not be older than the window, else the first is not needed to span it.
    while (this.#samples.length > 2 && nowMs - this.#samples[1]!.atMs >= this.#windowMs) this.#samples.shift();
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    const seconds = (last.atMs - first.atMs) / 1000;
    return [...this.#known].map(([text, key]) =>
      rowOf(key, first.counts.get(text) ?? noCounts, last.counts.get(text) ?? noCounts, seconds),
    );
  }

  #sum(totals: readonly RequestTotals[]): ReadonlyMap<string, Counts> {
    const sums = new Map<string, Counts>();
    for (const { labels, requests, durationBuckets } of totals) {
      const key = keyOf(labels);
      const text = textOf(key);
      if (!this.#known.has(text)) this.#known.set(text, key);
      const sum = sums.get(text) ?? { requests: 0, errors: 0, buckets: durationBuckets.map(() => 0) };
      sum.requests += requests;
      if (isError(labels)) sum.errors += requests;
      sum.buckets = sum.buckets.map((count, index) => count + durationBuckets[index]!);
      sums.set(text, sum);
    }
    return sums;
  }
}

function rowOf(key: TrafficKey, first: Counts, last: Counts, seconds: number): TrafficRow {
  const buckets = last.buckets.map((count, index) => count - (first.buckets[index] ?? 0));
  return {
    ...key,
    requests: last.requests,
    requestsPerSecond: seconds === 0 ? 0 : (last.requests - first.requests) / seconds,
    errorsPerSecond: seconds === 0 ? 0 : (last.errors - first.errors) / seconds,
    p50Ms: quantileOrNull(buckets, 0.5),
    p99Ms: quantileOrNull(buckets, 0.99),
  };
}

function quantileOrNull(buckets: readonly number[], q: number): number | null {
  const value = quantile(durationBoundsMs, buckets, q);
  return Number.isNaN(value) ? null : value;
}

/** `unknown` is Istio's word for a request that no route or no endpoint took. */
function keyOf({ service, destination }: RequestTotals["labels"]): TrafficKey {
  return {
    service: service.name === "unknown" ? "(no route)" : service.name,
    version: destination.version === "unknown" ? "" : destination.version,
  };
}

/** The server's fault. A client that leaves before its answer (flag DC) is nobody's. */
function isError({ responseCode, responseFlags }: RequestTotals["labels"]): boolean {
  return responseCode >= 500 || (responseCode === 0 && responseFlags !== "DC");
}

function textOf({ service, version }: TrafficKey): string {
  return `${service} ${version}`;
}
