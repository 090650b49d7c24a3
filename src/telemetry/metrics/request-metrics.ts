// SPDX-License-Identifier: Apache-2.0
// Istio's standard HTTP metrics. The hot path adds to one Float64Array; labels are touched when a series is new and when
// Prometheus asks. Per series, 64 numbers of 8 bytes:
//
//   0      1           2              3               4 ... 23     24 ... 43     44 ... 63
//   count  sum of ms   sum of bytes   sum of bytes    durations    requests      responses
//                      received       sent            (19 bounds and +Inf each, not cumulative)

import type { RequestLabels, RequestMetrics } from "../port.ts";
import { bucketBounds, bucketOf } from "./buckets.ts";
import type { MetricsRegistry, MetricValue } from "./registry.ts";
import {
  identityKey,
  overflowLabels,
  overflowLabelValues,
  requestLabelValues,
  separator,
  type RequestLabelValues,
} from "./request-labels.ts";

export interface RequestMetricsOptions {
  /** Label sets kept apart; more go into one series marked `overflow`. 512 bytes each, about 1.5 kB once scraped. */
  readonly maxSeries: number;
}

/** One label set with its numbers so far, for live tables. */
export interface RequestTotals {
  readonly labels: RequestLabels;
  readonly requests: number;
  /** Cumulative: requests no longer than each of `bucketBounds`, and last all of them. */
  readonly durationBuckets: readonly number[];
}

export interface StoredRequestMetrics extends RequestMetrics {
  /** A copy, in order of appearance. */
  totals(): readonly RequestTotals[];
}

const slotsPerSeries = 64;
const initialSeries = 16;
const bucketCount = bucketBounds.length + 1;
const durationBuckets = 4;
const requestBuckets = durationBuckets + bucketCount;
const responseBuckets = requestBuckets + bucketCount;

interface HistogramLayout {
  readonly name: string;
  readonly help: string;
  readonly sum: number;
  readonly buckets: number;
}

const histograms: readonly HistogramLayout[] = [
  {
    name: "istio_request_duration_milliseconds",
    help: "Time from the start of a request to the last byte of its response, in milliseconds.",
    sum: 1,
    buckets: durationBuckets,
  },
  {
    name: "istio_request_bytes",
    help: "Size of requests on the wire, heads included, in bytes.",
    sum: 2,
    buckets: requestBuckets,
  },
  {
    name: "istio_response_bytes",
    help: "Size of responses on the wire, heads included, in bytes.",
    sum: 3,
    buckets: responseBuckets,
  },
];

const bucketLabels: readonly Readonly<Record<string, string | number>>[] = [
  ...bucketBounds.map((le) => ({ le })),
  { le: "+Inf" },
];
const noLabels = {};

/** Registers the metrics; throws when the registry has them already. */
export function createRequestMetrics(registry: MetricsRegistry, options: RequestMetricsOptions): StoredRequestMetrics {
  const metrics = new SeriesTable(options.maxSeries);
  registry.addFamily({
    name: "istio_requests_total",
    help: "Requests handled.",
    type: "counter",
    blocks: () => metrics.counterBlocks(),
  });
  for (const layout of histograms) {
    const { name, help } = layout;
    registry.addFamily({ name, help, type: "histogram", blocks: () => metrics.histogramBlocks(layout) });
  }
  registry.addFamily({
    name: "naru_metric_series_dropped_total",
    help: "Lookups of a label set that found the table of series full and were counted under overflow.",
    type: "counter",
    blocks: () => [[{ labels: noLabels, sharedLabels: noLabels, value: metrics.dropped }]],
  });
  return metrics;
}

class SeriesTable implements StoredRequestMetrics {
  readonly #maxSeries: number;
  readonly #numbers = new Map<string, number>();
  /** By series number, like `#values`. */
  readonly #labels: RequestLabels[] = [];
  readonly #labelValues: RequestLabelValues[] = [];
  /** WHY: a WeakMap, so that the identities of workloads that are gone go too. */
  readonly #identityKeys = new WeakMap<object, string>();
  #values = new Float64Array(initialSeries * slotsPerSeries);
  #overflow = -1;
  dropped = 0;

  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries;
  }

  series(labels: RequestLabels): number {
    const key = this.#keyOf(labels);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#numbers.size >= this.#maxSeries) {
      this.dropped++;
      if (this.#overflow < 0) this.#overflow = this.#add(overflowLabels, overflowLabelValues());
      return this.#overflow;
    }
    const added = this.#add(labels, requestLabelValues(labels));
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

  totals(): readonly RequestTotals[] {
    return this.#labels.map((labels, series) => ({
      labels,
      requests: this.#at(series, 0),
      durationBuckets: this.#cumulative(series, durationBuckets),
    }));
  }

  *counterBlocks(): Generator<readonly MetricValue[]> {
    for (let series = 0; series < this.#labelValues.length; series++) {
      yield [{ labels: noLabels, sharedLabels: this.#labelValues[series]!, value: this.#at(series, 0) }];
    }
  }

  *histogramBlocks({ name, sum, buckets }: HistogramLayout): Generator<readonly MetricValue[]> {
    const names = { bucket: `${name}_bucket`, sum: `${name}_sum`, count: `${name}_count` };
    for (let series = 0; series < this.#labelValues.length; series++) {
      const sharedLabels = this.#labelValues[series]!;
      const counts = this.#cumulative(series, buckets);
      const block: MetricValue[] = counts.map((value, bucket) => ({
        labels: bucketLabels[bucket]!,
        sharedLabels,
        value,
        metricName: names.bucket,
      }));
      block.push({ labels: noLabels, sharedLabels, value: this.#at(series, sum), metricName: names.sum });
      block.push({ labels: noLabels, sharedLabels, value: counts.at(-1)!, metricName: names.count });
      yield block;
    }
  }

  #at(series: number, slot: number): number {
    return this.#values[series * slotsPerSeries + slot]!;
  }

  #cumulative(series: number, buckets: number): number[] {
    let total = 0;
    return bucketLabels.map((_, bucket) => (total += this.#at(series, buckets + bucket)));
  }

  #add(labels: RequestLabels, labelValues: RequestLabelValues): number {
    const series = this.#labels.length;
    if ((series + 1) * slotsPerSeries > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#labels.push(labels);
    this.#labelValues.push(labelValues);
    return series;
  }

  #keyOf(labels: RequestLabels): string {
    const { reporter, requestProtocol, responseCode, responseFlags, connectionSecurityPolicy } = labels;
    return (
      `${responseCode}${separator}${responseFlags === "" ? "-" : responseFlags}${separator}${reporter}${separator}` +
      `${requestProtocol}${separator}${connectionSecurityPolicy}${separator}${this.#identityKey(labels.source)}` +
      `${separator}${this.#identityKey(labels.destination)}${separator}${this.#identityKey(labels.service)}`
    );
  }

  #identityKey(identity: RequestLabels["source"] | RequestLabels["service"]): string {
    const known = this.#identityKeys.get(identity);
    if (known !== undefined) return known;
    const key = identityKey(identity);
    this.#identityKeys.set(identity, key);
    return key;
  }
}
