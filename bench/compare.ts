// SPDX-License-Identifier: Apache-2.0
// The comparison of targets: costs at each number of connections, then latencies at a rate that all can hold.

import { Contest, type Progress, type Rounds } from "./load/contest.ts";
import type { Transport } from "./load/naru.ts";
import { reference, type Comparison } from "./load/report.ts";
import type { Target } from "./load/targets.ts";

export interface CompareOptions {
  /** Of naru. */
  readonly transport: Transport;
  readonly path: string;
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Requests per second for latencies; 0 = none, null = half of what the reference reaches. */
  readonly rate: number | null;
}

/** One comparison per number of connections. */
export async function compare(
  targets: readonly Target[],
  options: CompareOptions,
  progress: Progress,
): Promise<readonly Comparison[]> {
  await using contest = await Contest.start(targets, options.transport, progress);
  const comparisons: Comparison[] = [];
  for (const connections of options.connections) {
    comparisons.push(await compareAt(contest, { ...options, connections }, options.rate, progress));
  }
  return comparisons;
}

/** At one number of connections. */
export async function compareAt(
  contest: Contest,
  load: Rounds,
  wantedRate: number | null,
  progress: Progress,
): Promise<Comparison> {
  const { path, connections } = load;
  const costs = await contest.cost(load);
  const topRate = costs.get(reference)?.requestsPerSecond ?? 0;
  let rate = wantedRate ?? Math.round(topRate / 2);
  if (wantedRate === null && rate > 0) rate = await contest.attainableRate(load, reference, rate);
  const latencies = rate > 0 ? await contest.latency(load, rate) : new Map();
  if (wantedRate === null && topRate === 0)
    progress(`no latencies: they need --rate, or ${reference} among the targets`);
  return { path, connections, rate, costs, latencies, memory: contest.memory() };
}
