// SPDX-License-Identifier: Apache-2.0
// Measures what the bars speak of, part by part, with the targets they name and no others.

import { spawnSync } from "node:child_process";

import type { Figures } from "./bars.ts";
import { compareAt } from "./compare.ts";
import { Contest, type Progress } from "./load/contest.ts";
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

export async function measureBars(rounds: number, seconds: number, progress: Progress): Promise<BarMeasurement> {
  const { busy, alone, bodies64k, bodies1m } = await compareProxies(rounds, seconds, progress);
  const workers = await measureWorkers(rounds, seconds, progress);
  const memory = await measureMemory("auto", progress);
  progress("telemetry of one request");
  const figures: Figures = {
    cpu: cpuRatio(busy, "naru", "haproxy"),
    cpuWithLog: cpuRatio(busy, withLog, "haproxy"),
    tail: p99Ratio(busy, "naru", "haproxy"),
    cpu64k: cpuRatio(bodies64k, "naru", "nginx"),
    cpu1m: cpuRatio(bodies1m, "naru", "nginx"),
    added: addedMicros(alone, "naru") / addedMicros(alone, "haproxy"),
    telemetry: telemetryMicros(),
    reuse: reuse(busy, "naru"),
    scaling: workers.scaling,
    idle: memory.idle.scrapedMB,
    loaded: memory.loaded.settledMB,
    connection: memory.perConnectionKB,
  };
  const parts = [busy, alone, bodies64k, bodies1m].map(comparisonSection);
  return { figures, parts: [...parts, workersTable(workers), memoryTable(memory)] };
}

async function compareProxies(rounds: number, seconds: number, progress: Progress) {
  const names = ["direct", "naru", withLog, "haproxy", "nginx"];
  const chosen = targets.filter(({ name }) => names.includes(name));
  await using contest = await Contest.start(chosen, progress);
  const load = { path: "/1k", connections: 64, rounds, seconds };
  const noLatencies = 0;
  const busy = await compareAt(contest, { ...load, only: ["naru", withLog, "haproxy"] }, null, progress);
  const one = { ...load, connections: 1, only: ["direct", "naru", "haproxy"] };
  const alone = await compareAt(contest, one, noLatencies, progress);
  const bodies = { ...load, only: ["naru", "haproxy", "nginx"] };
  const bodies64k = await compareAt(contest, { ...bodies, path: "/64k" }, noLatencies, progress);
  const bodies1m = await compareAt(contest, { ...bodies, path: "/1m" }, noLatencies, progress);
  return { busy, alone, bodies64k, bodies1m };
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
