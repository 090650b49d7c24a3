// SPDX-License-Identifier: Apache-2.0
// Istio's histogram buckets and what is read from them. Pure.

/** Upper bounds, for milliseconds and bytes alike (Istio's default statsHistogramBuckets); +Inf comes after them. */
export const bucketBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

const bounds = Float64Array.from([...bucketBounds, Number.POSITIVE_INFINITY]);

/** By the number of leading zero bits of a value's integer part: the first bucket it can be in. */
const firstBucket = Uint8Array.from({ length: 33 }, (_, zeros) => {
  const smallest = zeros === 32 ? 0 : 2 ** (31 - zeros);
  return bounds.findIndex((bound) => smallest <= bound);
});

/**
 * Index of the bucket (`value <= bound`) a value falls into; the last index is +Inf. NaN and negative values land in the
 * first.
 */
// HOT: each power of two holds at most two bounds, so the search is one table read and at most three comparisons.
export function bucketOf(value: number): number {
  if (!(value > 0.5)) return 0;
  let bucket = value < 4_294_967_296 ? firstBucket[Math.clz32(value)]! : bounds.length - 1;
  while (value > bounds[bucket]!) bucket++;
  return bucket;
}

/**
 * Prometheus' histogram_quantile: linear inside a bucket, from 0 in the first one; the highest finite bound when the
 * rank falls into +Inf. `buckets` are cumulative, one per bound and one for +Inf. NaN without observations.
 */
export function quantile(upperBounds: readonly number[], buckets: readonly number[], q: number): number {
  const total = buckets.at(-1) ?? 0;
  if (Number.isNaN(q) || total === 0) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const rank = q * total;
  const bucket = buckets.findIndex((count) => count >= rank);
  const end = upperBounds[bucket];
  if (end === undefined) return upperBounds.at(-1) ?? Number.NaN;
  const start = bucket === 0 ? 0 : upperBounds[bucket - 1]!;
  const before = bucket === 0 ? 0 : buckets[bucket - 1]!;
  const inside = buckets[bucket]! - before;
  return inside === 0 ? start : start + (end - start) * ((rank - before) / inside);
}
