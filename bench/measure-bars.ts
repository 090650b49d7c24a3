// SPDX-License-Identifier: Apache-2.0
// Measures what the bars speak of, part by part, with the targets they name and no others.

import { spawnSync } from "node:child_process";

import { hasBar, type Figures } from "./bars.ts";
import { compareAt } from "./compare.ts";
import { Contest, type Progress, type Rounds } from "./load/contest.ts";
import type { Transport } from "./load/naru.ts";
import { proxyCore } from "./load/processes.ts";
import { addedMicros, comparisonSection, cpuRatio, p99Ratio, reuse } from "./load/report.ts";
import { targets } from "./load/targets.ts";
import { measureMemory, memoryTable } from "./memory.ts";
import { measureWorkers, workersTable } from "./workers.ts";

export interface BarMeasurement {
  readonly figures: Figures;
  /** What the figures were taken from, as Markdown. */
  readonly parts: readonly string[];
}

const withLog = "naru + access log";
const telemetryBench = new URL("micro/record.bench.ts", import.meta.url).pathname;

/** Those of `transport`, with naru on it. */
export async function measureBars(
  transport: Transport,
  rounds: number,
  seconds: number,
  progress: Progress,
): Promise<BarMeasurement> {
  const { busy, alone, few, many, bodies64k, bodies1m } = await compareProxies(transport, rounds, seconds, progress);
  const workers = hasBar(transport, "scaling") ? await measureWorkers(transport, rounds, seconds, progress) : null;
  const memory = await measureMemory(transport, progress);
  if (hasBar(transport, "telemetry")) progress("telemetry of one request");
  const figures: Figures = {
    cpu: cpuRatio(busy, "naru", "haproxy"),
    cpuWithLog: cpuRatio(busy, withLog, "haproxy"),
    cpuMany: many === null ? undefined : cpuRatio(many, "naru", "haproxy"),
    cpuFew: few === null ? undefined : cpuRatio(few, "naru", "haproxy"),
    cpuOne: cpuRatio(alone, "naru", "haproxy"),
    tail: p99Ratio(busy, "naru", "haproxy"),
    cpu64k: cpuRatio(bodies64k, "naru", "nginx"),
    cpu1m: cpuRatio(bodies1m, "naru", "nginx"),
    added: addedMicros(alone, "naru") / addedMicros(alone, "haproxy"),
    telemetry: hasBar(transport, "telemetry") ? telemetryMicros() : undefined,
    reuse: reuse(busy, "naru"),
    scaling: workers?.scaling,
    idle: memory.idle.scrapedMB,
    idleOverNode: memory.idleOnNode === null ? undefined : memory.idle.scrapedMB - memory.idleOnNode.scrapedMB,
    loaded: memory.loaded.settledMB,
    connection: memory.perConnectionKB,
  };
  const comparisons = [busy, alone, few, many, bodies64k, bodies1m].filter((part) => part !== null);
  const others = [...(workers === null ? [] : [workersTable(workers)]), memoryTable(memory)];
  return { figures, parts: [...comparisons.map(comparisonSection), ...others] };
}

async function compareProxies(transport: Transport, rounds: number, seconds: number, progress: Progress) {
  const proxies = ["direct", "naru", ...(hasBar(transport, "cpuWithLog") ? [withLog] : []), "haproxy"];
  const chosen = targets.filter(({ name }) => [...proxies, "nginx"].includes(name));
  await using contest = await Contest.start(chosen, transport, progress);
  const at = async (load: Partial<Rounds>, rate: number | null) =>
    await compareAt(contest, { path: "/1k", connections: 64, rounds, seconds, ...load }, rate, progress);
  const noLatencies = 0;
  const pair = ["naru", "haproxy"];
  const busy = await at({ only: proxies }, null);
  const alone = await at({ connections: 1, only: ["direct", ...pair] }, noLatencies);
  const few = hasBar(transport, "cpuFew") ? await at({ connections: 8, only: pair }, noLatencies) : null;
  const many = hasBar(transport, "cpuMany") ? await at({ connections: 512, only: pair }, noLatencies) : null;
  const bodies = [...pair, "nginx"];
  const bodies64k = await at({ path: "/64k", only: bodies }, noLatencies);
  const bodies1m = await at({ path: "/1m", only: bodies }, noLatencies);
  return { busy, alone, few, many, bodies64k, bodies1m };
}

/** Of the bench that measures it; its line is the only one in µs. */
function telemetryMicros(): number {
  // It exits with 1 when it is beyond its budget, which the bar says, too.
  const { stdout } = spawnSync("taskset", ["-c", String(proxyCore), process.execPath, telemetryBench], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return Number(/([\d.]+) µs/.exec(stdout)?.[1]);
}
