// SPDX-License-Identifier: Apache-2.0
// The writing half of the request metrics: one table of numbers per data-plane thread, read by request-metrics.ts from
// whichever thread Prometheus asks. Per row 64 numbers of 8 bytes:
//
//   0      1           2              3               4 ... 23     24 ... 43     44 ... 63
//   count  sum of ms   sum of bytes   sum of bytes    durations    requests      responses
//                      received       sent            (19 bounds and +Inf each, not cumulative)
//
// Row 0 belongs to no label set: its first number counts lookups that found the table full.

import type { RequestLabels, RequestMetrics } from "../port.ts";
import { bucketBounds, bucketOf } from "./buckets.ts";
import { identityKey, separator } from "./request-labels.ts";

export const slotsPerSeries = 64;
export const bucketCount = bucketBounds.length + 1;
export const durationBuckets = 4;
export const requestBuckets = durationBuckets + bucketCount;
export const responseBuckets = requestBuckets + bucketCount;

const initialRows = 16;

/**
 * Memory of one table: one thread writes, any reads. A reader may see a count a moment before the sum beside it; each
 * number is whole, being aligned and 64 bits wide.
 */
export interface SeriesRows {
  /** All rows there are. Ask again after `grow`. */
  readonly values: Float64Array;
  /** Doubles the rows; what was written stays. */
  grow(): void;
}

/** Rows that only this thread sees. */
export function createLocalRows(): SeriesRows {
  let values = new Float64Array(initialRows * slotsPerSeries);
  return {
    get values() {
      return values;
    },
    grow() {
      const grown = new Float64Array(values.length * 2);
      grown.set(values);
      values = grown;
    },
  };
}

/** Memory for the rows of another thread's table; it is committed as it is used. */
export function allocateSharedRows(maxSeries: number): SharedArrayBuffer {
  const bytes = (rows: number) => rows * slotsPerSeries * Float64Array.BYTES_PER_ELEMENT;
  // One row for the table itself and one for the overflow; rows double, so the last step may go past the need.
  const maxRows = 2 ** Math.ceil(Math.log2(Math.max(maxSeries + 2, initialRows)));
  return new SharedArrayBuffer(bytes(initialRows), { maxByteLength: bytes(maxRows) });
}

/** Rows in memory from `allocateSharedRows`, for the thread that writes and for those that read. */
export function openSharedRows(memory: SharedArrayBuffer): SeriesRows {
  // WHY: a view of fixed length is as fast as one on memory of its own; one that follows the buffer's length is not.
  let values = new Float64Array(memory, 0, memory.byteLength / Float64Array.BYTES_PER_ELEMENT);
  return {
    get values() {
      if (values.byteLength !== memory.byteLength) values = new Float64Array(memory, 0, memory.byteLength / 8);
      return values;
    },
    grow: () => memory.grow(memory.byteLength * 2),
  };
}

/** Told of each new row before anything is recorded in it; null labels = everything beyond the limit. */
export type OnSeries = (row: number, labels: RequestLabels | null) => void;

/** Resolves label sets to rows and adds to them. */
export class SeriesRecorder implements RequestMetrics {
  readonly #maxSeries: number;
  readonly #rows: SeriesRows;
  readonly #onSeries: OnSeries;
  readonly #numbers = new Map<string, number>();
  readonly #keys = new LabelKeys();
  #values: Float64Array;
  #rowCount = 1;
  #overflow = 0;

  constructor(maxSeries: number, rows: SeriesRows, onSeries: OnSeries) {
    this.#maxSeries = maxSeries;
    this.#rows = rows;
    this.#onSeries = onSeries;
    this.#values = rows.values;
  }

  series(labels: RequestLabels): number {
    const key = this.#keys.of(labels);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#numbers.size >= this.#maxSeries) {
      this.#values[0]!++;
      if (this.#overflow === 0) this.#overflow = this.#add(null);
      return this.#overflow;
    }
    const added = this.#add(labels);
    this.#numbers.set(key, added);
    return added;
  }

  // HOT: once per exchange; 4 sums and 3 buckets in one array, no allocation (bench/micro/telemetry.bench.ts).
  record(series: number, durationMs: number, requestBytes: number, responseBytes: number): void {
    const values = this.#values;
    const base = series * slotsPerSeries;
    values[base]!++;
    // WHY: one NaN would stay in a sum for ever.
    if (durationMs > 0) values[base + 1]! += durationMs;
    if (requestBytes > 0) values[base + 2]! += requestBytes;
    if (responseBytes > 0) values[base + 3]! += responseBytes;
    values[base + durationBuckets + bucketOf(durationMs)]!++;
    values[base + requestBuckets + bucketOf(requestBytes)]!++;
    values[base + responseBuckets + bucketOf(responseBytes)]!++;
  }

  #add(labels: RequestLabels | null): number {
    const row = this.#rowCount++;
    if (this.#rowCount * slotsPerSeries > this.#values.length) {
      this.#rows.grow();
      this.#values = this.#rows.values;
    }
    this.#onSeries(row, labels);
    return row;
  }
}

/** One string per label set; equal labels give equal strings. */
export class LabelKeys {
  /** WHY: a WeakMap, so that the identities of workloads that are gone go too. */
  readonly #identities = new WeakMap<object, string>();

  of(labels: RequestLabels): string {
    const { reporter, requestProtocol, responseCode, responseFlags, connectionSecurityPolicy } = labels;
    return (
      `${responseCode}${separator}${responseFlags === "" ? "-" : responseFlags}${separator}${reporter}${separator}` +
      `${requestProtocol}${separator}${connectionSecurityPolicy}${separator}${this.#identity(labels.source)}` +
      `${separator}${this.#identity(labels.destination)}${separator}${this.#identity(labels.service)}`
    );
  }

  #identity(identity: RequestLabels["source"] | RequestLabels["service"]): string {
    const known = this.#identities.get(identity);
    if (known !== undefined) return known;
    const key = identityKey(identity);
    this.#identities.set(identity, key);
    return key;
  }
}
