// SPDX-License-Identifier: Apache-2.0
// The bars as data: what is held against what, and how much is allowed. `npm run bench -- --bars` measures them all.

import { figure, markdownTable } from "./load/report.ts";

interface Bar {
  readonly name: string;
  readonly limit: number;
  readonly unit: "×" | "µs" | "MB" | "kB" | "%";
  /** Default: at most. */
  readonly atLeast?: true;
}

/** MB and kB are powers of ten. What each figure is stands in docs/performance.md. */
export const bars = {
  cpu: { name: "CPU per request, 1 kB, 64 connections, to HAProxy's", limit: 1.2, unit: "×" },
  cpuWithLog: { name: "the same with the text access log", limit: 1.35, unit: "×" },
  tail: { name: "p99 at half of HAProxy's top rate, to HAProxy's", limit: 1.5, unit: "×" },
  cpu64k: { name: "CPU per byte, 64 KiB bodies, to nginx's", limit: 1.2, unit: "×" },
  cpu1m: { name: "CPU per byte, 1 MiB bodies, to nginx's", limit: 1.2, unit: "×" },
  added: { name: "p50 added over direct, 1 connection, to HAProxy's", limit: 1.5, unit: "×" },
  telemetry: { name: "telemetry of one request", limit: 0.5, unit: "µs" },
  reuse: { name: "requests on a connection the upstream already had", limit: 99.9, unit: "%", atLeast: true },
  scaling: { name: "requests per CPU time, two workers on two cores to one", limit: 1.8, unit: "×", atLeast: true },
  idle: { name: "RssAnon, idle, after the first scrape", limit: 25, unit: "MB" },
  loaded: { name: "RssAnon, 1,000 services, 5,000 endpoints and routes", limit: 40, unit: "MB" },
  connection: { name: "RssAnon of an idle client connection", limit: 10, unit: "kB" },
} satisfies Readonly<Record<string, Bar>>;

export type BarName = keyof typeof bars;
/** By bar; what was not measured is absent. */
export type Figures = Readonly<Partial<Record<BarName, number>>>;

/** Bars that a figure misses. One without a figure is missed, too: nobody has seen it hold. */
export function missedBars(figures: Figures): readonly BarName[] {
  return (Object.keys(bars) as BarName[]).filter((name) => !holds(bars[name], figures[name]));
}

export function barTable(figures: Figures): string {
  const rows = Object.entries(bars).map(([name, bar]) => {
    const value = figures[name as BarName];
    const sign = "atLeast" in bar ? "≥" : "≤";
    const verdict = value === undefined ? "not measured" : holds(bar, value) ? "pass" : "**miss**";
    return [bar.name, `${sign} ${bar.limit} ${bar.unit}`, figure(value ?? Number.NaN, 2), verdict];
  });
  return markdownTable(["bar", "limit", "measured", "verdict"], rows);
}

function holds(bar: Bar, value: number | undefined): boolean {
  if (value === undefined || Number.isNaN(value)) return false;
  return bar.atLeast === true ? value >= bar.limit : value <= bar.limit;
}
