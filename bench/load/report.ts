// SPDX-License-Identifier: Apache-2.0
// What was measured, as Markdown: one table per number of connections, with ratios to HAProxy.

import type { Latency, Sample } from "./measure.ts";
import type { Memory } from "./processes.ts";

export interface Comparison {
  readonly path: string;
  readonly connections: number;
  /** Requests per second at which latencies were taken; 0 = they were not. */
  readonly rate: number;
  readonly costs: ReadonlyMap<string, Sample>;
  readonly latencies: ReadonlyMap<string, Latency>;
  readonly memory: ReadonlyMap<string, Memory>;
}

export const reference = "haproxy";
export const direct = "direct";

interface Column {
  readonly head: string;
  /** NaN is shown as a dash, and a column of dashes not at all. */
  readonly of: (comparison: Comparison, name: string) => number;
  readonly digits?: number;
}

const columns: readonly Column[] = [
  { head: "CPU µs/request", of: cpu, digits: 1 },
  { head: `× ${reference}`, of: relative(cpu), digits: 2 },
  { head: "user µs", of: ({ costs }, name) => get(costs, name, "userMicrosPerRequest"), digits: 1 },
  { head: "requests/s", of: ({ costs }, name) => get(costs, name, "requestsPerSecond") },
  { head: "reuse %", of: reuse, digits: 2 },
  {
    head: "p50 µs, one at a time",
    of: (comparison, name) => onlyAlone(comparison, alone(comparison, name)),
    digits: 1,
  },
  { head: "added µs", of: (comparison, name) => onlyAlone(comparison, addedMicros(comparison, name)), digits: 1 },
  {
    head: `added × ${reference}`,
    of: (comparison, name) => onlyAlone(comparison, relative(addedMicros)(comparison, name)),
    digits: 2,
  },
  { head: "p50 µs", of: ({ latencies }, name) => get(latencies, name, "p50") },
  { head: "p99 µs", of: p99 },
  { head: `p99 × ${reference}`, of: relative(p99), digits: 2 },
  { head: "generator late, p99 µs", of: ({ latencies }, name) => get(latencies, name, "lateP99") },
  { head: "RSS MiB", of: ({ memory }, name) => get(memory, name, "rssKiB") / 1024 },
  { head: "RssAnon MiB", of: ({ memory }, name) => get(memory, name, "anonKiB") / 1024 },
];

/** A heading and one row per target. */
export function comparisonSection(comparison: Comparison): string {
  const { path, connections, rate } = comparison;
  const latencies = rate > 0 ? `, latencies at ${rate} requests/s` : "";
  return `${path}, ${connections} connection${connections === 1 ? "" : "s"}${latencies}:\n\n${comparisonTable(comparison)}`;
}

function comparisonTable(comparison: Comparison): string {
  const names = [...comparison.costs.keys()];
  const shown = columns.filter(({ of }) => names.some((name) => !Number.isNaN(of(comparison, name))));
  const rows = names.map((name) => [
    name === "naru" ? "**naru**" : name,
    ...shown.map(({ of, digits = 0 }) => figure(of(comparison, name), digits)),
  ]);
  return markdownTable(["proxy", ...shown.map(({ head }) => head)], rows);
}

/** The first column is text, the others are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const align = head.map((_, index) => (index === 0 ? "---" : "--:"));
  return [head, align, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** CPU of `name` relative to that of `base`. */
export function cpuRatio(comparison: Comparison, name: string, base: string): number {
  return cpu(comparison, name) / cpu(comparison, base);
}

export function p99Ratio(comparison: Comparison, name: string, base: string): number {
  return p99(comparison, name) / p99(comparison, base);
}

/** What a proxy adds to the time of a request that is alone. */
export function addedMicros(comparison: Comparison, name: string): number {
  const added = alone(comparison, name) - alone(comparison, direct);
  return name === direct ? Number.NaN : added;
}

/** Requests that needed no new connection to the origin, in percent. */
export function reuse({ costs }: Comparison, name: string): number {
  return name === direct ? Number.NaN : 100 * (1 - get(costs, name, "connectsPerRequest"));
}

export function figure(value: number, digits: number): string {
  if (Number.isNaN(value)) return "–";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function cpu({ costs }: Comparison, name: string): number {
  return get(costs, name, "cpuMicrosPerRequest");
}

function p99({ latencies }: Comparison, name: string): number {
  return get(latencies, name, "p99");
}

function alone({ costs }: Comparison, name: string): number {
  return get(costs, name, "p50Micros");
}

/** With more connections than one, a closed loop measures its own queue. */
function onlyAlone({ connections }: Comparison, value: number): number {
  return connections === 1 ? value : Number.NaN;
}

function relative(of: Column["of"]): Column["of"] {
  return (comparison, name) => of(comparison, name) / of(comparison, reference);
}

function get<T extends object>(records: ReadonlyMap<string, T>, name: string, field: keyof T & string): number {
  const record = records.get(name);
  return record === undefined ? Number.NaN : Number(record[field]);
}
