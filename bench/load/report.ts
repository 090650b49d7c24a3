// SPDX-License-Identifier: Apache-2.0
// Medians of the rounds, as ratios to one target, as Markdown.

import type { Memory } from "./processes.ts";
import type { Latency, Sample } from "./measure.ts";

export interface TargetResult {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly latencies: readonly Latency[];
  /** After the load. */
  readonly memory: Memory;
}

export interface Summary {
  readonly name: string;
  readonly cpuMicrosPerRequest: number;
  readonly userMicrosPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly rssMiB: number;
  readonly anonMiB: number;
}

export function summarise(result: TargetResult): Summary {
  const of = (pick: (sample: Sample) => number): number => median(result.samples.map(pick));
  return {
    name: result.name,
    cpuMicrosPerRequest: of((sample) => sample.cpuMicrosPerRequest),
    userMicrosPerRequest: of((sample) => sample.userMicrosPerRequest),
    requestsPerSecond: of((sample) => sample.requestsPerSecond),
    p50Micros: median(result.latencies.map((latency) => latency.p50)),
    p99Micros: median(result.latencies.map((latency) => latency.p99)),
    rssMiB: result.memory.rssKiB / 1024,
    anonMiB: result.memory.anonKiB / 1024,
  };
}

/** One row per target; CPU and requests also relative to `base`, when it ran. */
export function markdownTable(summaries: readonly Summary[], base: string): string {
  const reference = summaries.find((summary) => summary.name === base);
  const head = [
    "proxy",
    "CPU µs/request",
    `× ${base}`,
    "user µs",
    "requests/s on one core",
    "p50 µs",
    "p99 µs",
    "RSS MiB",
    "RssAnon MiB",
  ];
  const rows = summaries.map((summary) => [
    summary.name === "naru" ? "**naru**" : summary.name,
    summary.cpuMicrosPerRequest.toFixed(1),
    reference === undefined ? "–" : (summary.cpuMicrosPerRequest / reference.cpuMicrosPerRequest).toFixed(2),
    summary.userMicrosPerRequest.toFixed(1),
    Math.round(summary.requestsPerSecond).toLocaleString("en-US"),
    Number.isNaN(summary.p50Micros) ? "–" : String(summary.p50Micros),
    Number.isNaN(summary.p99Micros) ? "–" : String(summary.p99Micros),
    summary.rssMiB.toFixed(0),
    summary.anonMiB.toFixed(0),
  ]);
  const align = head.map((_, index) => (index === 0 ? "---" : "--:"));
  return [head, align, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
