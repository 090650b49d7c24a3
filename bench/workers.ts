// SPDX-License-Identifier: Apache-2.0
// Two workers on two cores against one on one. Load and origin need the same two cores, so requests per second cannot
// double; what a second core brings is told by requests per CPU time of naru, and by whether both workers share the work.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { medians, type Progress } from "./load/contest.ts";
import { measureThroughput } from "./load/measure.ts";
import { naruCommand, naruConfig, type Transport } from "./load/naru.ts";
import { Origin } from "./load/origin.ts";
import { Child, freePort, loadCore, openFolder, proxyCore, type Thread } from "./load/processes.ts";
import { figure, markdownTable } from "./load/report.ts";

export interface WorkerSample {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  /** Of the busiest thread and of the next one, in percent of a core. */
  readonly busiestPercent: number;
  readonly secondPercent: number;
}

export interface WorkerFigures {
  readonly one: WorkerSample;
  readonly two: WorkerSample;
  /** Capacity of two cores to that of one: 2 × CPU per request with one worker / with two. */
  readonly scaling: number;
}

const connectionsPerWorker = 64;
const warmUpSeconds = 2;

export async function measureWorkers(
  transport: Transport,
  rounds: number,
  seconds: number,
  progress: Progress,
): Promise<WorkerFigures> {
  await using owned = new AsyncDisposableStack();
  const directory = openFolder(owned);
  const bothCores = `${loadCore},${proxyCore}`;
  const origin = owned.use(await Origin.start(directory, bothCores));
  const config = join(directory, "naru.yaml");
  writeFileSync(config, naruConfig(origin.port));
  const contenders = [];
  for (const workers of [1, 2]) {
    const port = await freePort();
    const command = naruCommand(config, port, ["--concurrency", String(workers), "--transport", transport]);
    const child = owned.use(await Child.start(`naru with ${workers}`, bothCores, port, command));
    contenders.push({ workers, port, child, samples: [] as WorkerSample[] });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { workers, port, child, samples } of contenders) {
      const connections = connectionsPerWorker * workers;
      const load = { port, path: "/1k", connections, seconds: round === 0 ? warmUpSeconds : seconds, cores: bothCores };
      const before = child.threads();
      const { requestsPerSecond, cpuMicrosPerRequest } = await measureThroughput(child, origin, load);
      const [busiestPercent = 0, secondPercent = 0] = busiest(before, child.threads(), load.seconds);
      progress(
        `workers: ${workers}, ${round === 0 ? "warm-up" : `round ${round}/${rounds}`}: ` +
          `${cpuMicrosPerRequest.toFixed(1)} µs/request, ${Math.round(requestsPerSecond)} requests/s, ` +
          `threads ${Math.round(busiestPercent)} % and ${Math.round(secondPercent)} %`,
      );
      if (round > 0) samples.push({ requestsPerSecond, cpuMicrosPerRequest, busiestPercent, secondPercent });
    }
  }
  const [one, two] = contenders.map(({ samples }) => medians(samples));
  return { one: one!, two: two!, scaling: (2 * one!.cpuMicrosPerRequest) / two!.cpuMicrosPerRequest };
}

export function workersTable({ one, two, scaling }: WorkerFigures): string {
  const rows = [one, two].map((sample, index) => [
    index === 0 ? "1 worker" : "2 workers",
    figure(sample.cpuMicrosPerRequest, 1),
    figure(sample.requestsPerSecond, 0),
    figure(sample.busiestPercent, 0),
    figure(sample.secondPercent, 0),
  ]);
  const head = ["naru", "CPU µs/request", "requests/s beside load and origin", "busiest thread %", "next thread %"];
  const raw = two.requestsPerSecond / one.requestsPerSecond;
  return (
    `${markdownTable(head, rows)}\n\nRequests per CPU time of two workers on two cores to one on one: ` +
    `${figure(scaling, 2)}; requests per second, with load and origin on the same two cores: ${figure(raw, 2)}.`
  );
}

/** Percent of a core, busiest thread first. */
function busiest(before: readonly Thread[], after: readonly Thread[], seconds: number): readonly number[] {
  const earlier = new Map(before.map(({ id, cpuMicroseconds }) => [id, cpuMicroseconds]));
  return after
    .map(({ id, cpuMicroseconds }) => (cpuMicroseconds - (earlier.get(id) ?? 0)) / (seconds * 10_000))
    .toSorted((left, right) => right - left);
}
