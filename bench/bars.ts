// SPDX-License-Identifier: Apache-2.0
// The bars as data: what is held against what, and how much is allowed on each transport. `npm run bench -- --bars`
// measures those of one.

import type { Transport } from "./load/naru.ts";
import { figure, markdownTable } from "./load/report.ts";

/** With a limit for each transport that it is a bar of. */
interface Bar extends Readonly<Partial<Record<Transport, number>>> {
  readonly name: string;
  readonly unit: "×" | "µs" | "MB" | "kB" | "%";
  /** Default: at most. */
  readonly atLeast?: true;
}

/** MB and kB are powers of ten. What each figure is stands in docs/performance.md. */
export const bars = {
  cpu: { name: "CPU per request, 1 kB, 64 connections, to HAProxy's", unit: "×", node: 1.2, uring: 0.95 },
  cpuWithLog: { name: "the same with the text access log", unit: "×", node: 1.35 },
  cpuMany: { name: "CPU per request, 1 kB, 512 connections, to HAProxy's", unit: "×", uring: 0.75 },
  cpuFew: { name: "CPU per request, 1 kB, 8 connections, to HAProxy's", unit: "×", uring: 1.1 },
  cpuOne: { name: "CPU per request, 1 kB, 1 connection, to HAProxy's", unit: "×", uring: 1.1 },
  tail: { name: "p99 at half of HAProxy's top rate, to HAProxy's", unit: "×", node: 1.5, uring: 1.1 },
  cpu64k: { name: "CPU per byte, 64 KiB bodies, to nginx's", unit: "×", node: 1.2, uring: 1 },
  cpu1m: { name: "CPU per byte, 1 MiB bodies, to nginx's", unit: "×", node: 1.2, uring: 1 },
  added: { name: "p50 added over direct, 1 connection, to HAProxy's", unit: "×", node: 1.5 },
  telemetry: { name: "telemetry of one request", unit: "µs", node: 0.5 },
  reuse: { name: "requests on a connection the upstream already had", unit: "%", atLeast: true, node: 99.9 },
  scaling: { name: "requests per CPU time, two workers on two cores to one", unit: "×", atLeast: true, node: 1.8 },
  idle: { name: "RssAnon, idle, after the first scrape", unit: "MB", node: 25 },
  idleOverNode: { name: "RssAnon, idle, after the first scrape, above that on node", unit: "MB", uring: 10 },
  loaded: { name: "RssAnon, 1,000 services, 5,000 endpoints and routes", unit: "MB", node: 40 },
  connection: { name: "RssAnon of an idle client connection", unit: "kB", node: 10, uring: 6 },
} satisfies Readonly<Record<string, Bar>>;

export type BarName = keyof typeof bars;
/** By bar; what was not measured is undefined. */
export type Figures = { readonly [Name in BarName]?: number | undefined };

/** Whether `transport` has this bar. */
export function hasBar(transport: Transport, name: BarName): boolean {
  return transport in bars[name];
}

/** Bars of `transport` that a figure misses. One without a figure is missed, too: nobody has seen it hold. */
export function missedBars(transport: Transport, figures: Figures): readonly BarName[] {
  return barsOf(transport).flatMap(([name, bar, limit]) => (holds(bar, limit, figures[name]) ? [] : [name]));
}

/** The bars of `transport` with their verdicts. */
export function barTable(transport: Transport, figures: Figures): string {
  const rows = barsOf(transport).map(([name, bar, limit]) => {
    const value = figures[name];
    const sign = bar.atLeast === true ? "≥" : "≤";
    const verdict = value === undefined ? "not measured" : holds(bar, limit, value) ? "pass" : "**miss**";
    return [bar.name, `${sign} ${limit} ${bar.unit}`, figure(value ?? Number.NaN, 2), verdict];
  });
  return markdownTable(["bar", "limit", "measured", "verdict"], rows);
}

function barsOf(transport: Transport): readonly (readonly [BarName, Bar, number])[] {
  return (Object.keys(bars) as BarName[]).flatMap((name) => {
    const bar: Bar = bars[name];
    const limit = bar[transport];
    return limit === undefined ? [] : [[name, bar, limit] as const];
  });
}

function holds(bar: Bar, limit: number, value: number | undefined): boolean {
  if (value === undefined || Number.isNaN(value)) return false;
  return bar.atLeast === true ? value >= limit : value <= limit;
}
