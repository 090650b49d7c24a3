// SPDX-License-Identifier: Apache-2.0
// Istio's standard HTTP metrics as Prometheus and live tables see them: equal label sets of all threads are one series,
// whose numbers are added up when somebody asks. Writing them is request-series.ts.

import type { RequestLabels, RequestMetrics } from "../port.ts";
import { bucketBounds } from "./buckets.ts";
import type { MetricsRegistry, MetricValue } from "./registry.ts";
import { overflowLabels, overflowLabelValues, requestLabelValues, type RequestLabelValues } from "./request-labels.ts";
import {
  createLocalRows,
  durationBuckets,
  LabelKeys,
  requestBuckets,
  responseBuckets,
  SeriesRecorder,
  slotsPerSeries,
  type SeriesRows,
} from "./request-series.ts";

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

/** Numbers that another thread writes. */
export interface SeriesSource {
  /** Row `row` of the source holds this label set; null = everything beyond the source's own limit. */
  addSeries(row: number, labels: RequestLabels | null): void;
  /** The writer is gone: its numbers so far are kept, its memory is not. */
  retire(): void;
}

export interface StoredRequestMetrics extends RequestMetrics {
  /** A copy, in order of appearance. */
  totals(): readonly RequestTotals[];
  /** Adds what another thread records. The limit of series holds for all sources together. */
  addSource(rows: SeriesRows): SeriesSource;
}

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
  const metrics = new RequestSeries(options.maxSeries);
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
    blocks: () => [[{ labels: noLabels, sharedLabels: noLabels, value: metrics.dropped() }]],
  });
  return metrics;
}

/** One row of one source. */
interface Share {
  readonly rows: SeriesRows;
  readonly row: number;
}

interface Series {
  readonly labels: RequestLabels;
  readonly labelValues: RequestLabelValues;
  readonly shares: Share[];
}

class RequestSeries implements StoredRequestMetrics {
  readonly #maxSeries: number;
  readonly #keys = new LabelKeys();
  readonly #series: Series[] = [];
  readonly #byKey = new Map<string, Series>();
  readonly #sources = new Set<SeriesRows>();
  readonly #own: SeriesRecorder;
  #overflow: Series | null = null;
  /** Lookups dropped by sources that are gone, and label sets of sources that found no place here. */
  #dropped = 0;

  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries;
    const rows = createLocalRows();
    const source = this.addSource(rows);
    this.#own = new SeriesRecorder(maxSeries, rows, (row, labels) => source.addSeries(row, labels));
  }

  series(labels: RequestLabels): number {
    return this.#own.series(labels);
  }

  record(series: number, durationMs: number, requestBytes: number, responseBytes: number): void {
    this.#own.record(series, durationMs, requestBytes, responseBytes);
  }

  addSource(rows: SeriesRows): SeriesSource {
    this.#sources.add(rows);
    return {
      addSeries: (row, labels) => void this.#seriesOf(labels).shares.push({ rows, row }),
      retire: () => this.#retire(rows),
    };
  }

  totals(): readonly RequestTotals[] {
    return this.#series.map((series) => ({
      labels: series.labels,
      requests: sum(series, 0),
      durationBuckets: cumulative(series, durationBuckets),
    }));
  }

  dropped(): number {
    let dropped = this.#dropped;
    for (const { values } of this.#sources) dropped += values[0]!;
    return dropped;
  }

  *counterBlocks(): Generator<readonly MetricValue[]> {
    for (const series of this.#series) {
      yield [{ labels: noLabels, sharedLabels: series.labelValues, value: sum(series, 0) }];
    }
  }

  *histogramBlocks({ name, sum: sumSlot, buckets }: HistogramLayout): Generator<readonly MetricValue[]> {
    const names = { bucket: `${name}_bucket`, sum: `${name}_sum`, count: `${name}_count` };
    for (const series of this.#series) {
      const sharedLabels = series.labelValues;
      const counts = cumulative(series, buckets);
      const block: MetricValue[] = counts.map((value, bucket) => ({
        labels: bucketLabels[bucket]!,
        sharedLabels,
        value,
        metricName: names.bucket,
      }));
      block.push({ labels: noLabels, sharedLabels, value: sum(series, sumSlot), metricName: names.sum });
      block.push({ labels: noLabels, sharedLabels, value: counts.at(-1)!, metricName: names.count });
      yield block;
    }
  }

  #seriesOf(labels: RequestLabels | null): Series {
    if (labels === null) return this.#overflowSeries();
    const key = this.#keys.of(labels);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#byKey.size >= this.#maxSeries) {
      this.#dropped++;
      return this.#overflowSeries();
    }
    const added = this.#add(labels, requestLabelValues(labels));
    this.#byKey.set(key, added);
    return added;
  }

  #overflowSeries(): Series {
    this.#overflow ??= this.#add(overflowLabels, overflowLabelValues());
    return this.#overflow;
  }

  #add(labels: RequestLabels, labelValues: RequestLabelValues): Series {
    const series = { labels, labelValues, shares: [] };
    this.#series.push(series);
    return series;
  }

  /** All that is gone goes into one row per series, so that restarts do not pile up memory. */
  #retire(rows: SeriesRows): void {
    if (!this.#sources.delete(rows)) return;
    this.#dropped += rows.values[0]!;
    for (const { shares } of this.#series) {
      if (shares.every((share) => share.rows !== rows)) continue;
      const live = shares.filter((share) => this.#sources.has(share.rows));
      const retired = shares.filter((share) => !this.#sources.has(share.rows));
      shares.splice(0, Infinity, ...live, sumOf(retired));
    }
  }
}

function sum({ shares }: Series, slot: number): number {
  let total = 0;
  for (const { rows, row } of shares) total += rows.values[row * slotsPerSeries + slot]!;
  return total;
}

function cumulative(series: Series, buckets: number): number[] {
  let total = 0;
  return bucketLabels.map((_, bucket) => (total += sum(series, buckets + bucket)));
}

/** The shares as one row of its own memory. */
function sumOf(shares: readonly Share[]): Share {
  const values = new Float64Array(slotsPerSeries);
  for (const { rows, row } of shares) {
    for (let slot = 0; slot < slotsPerSeries; slot++) values[slot]! += rows.values[row * slotsPerSeries + slot]!;
  }
  return { rows: { values, grow: () => {} }, row: 0 };
}
