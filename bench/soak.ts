// SPDX-License-Identifier: Apache-2.0
// `node bench/soak.ts`: naru under load for a long time while its configuration changes. Every answer is checked; what
// matters is that none is lost or routed by a version that is over, that memory does not climb, and that nothing is left.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";

import { lostRequests, seededRandom, startLoad, type Load, type LoadResult } from "../test/support/load.ts";
import { measureThroughput } from "./load/measure.ts";
import { buildNaru, naruCommand, parseTransport, scrape } from "./load/naru.ts";
import { Origin } from "./load/origin.ts";
import { Child, freePort, openFolder, proxyCore } from "./load/processes.ts";
import { Faults } from "./soak/faults.ts";
import { openFiles, waitForLeftovers } from "./soak/leftovers.ts";
import { Versions } from "./soak/versions.ts";
import { amountOf, countOf, durationOf, parsed } from "./usage.ts";

const help = `Usage: node bench/soak.ts [options]

Keeps naru busy: connections whose answers are checked one by one, and wrk beside them for the rest of the core. Prints
memory, requests and failures as it goes. Exit code 1 when a request failed, an answer came by a wrong route, memory
is not given back, or something is left when the load has stopped.

  --minutes N            how long (10)
  --reload-every MS      a change of routes, services and endpoints each so many milliseconds; 0 = never (1000)
  --faults               also restart origins and abort requests at random
  --connections N        connections whose answers are checked (16)
  --wrk N                connections of wrk (64); 0 = none
  --concurrency N        data-plane threads (1)
  --transport NAME       of naru: auto, uring or node (auto)
  --sample-every S       seconds between two lines (10)

NARU_PROGRAM=FILE runs another build of naru than this checkout's.

Examples:
  node bench/soak.ts --minutes 10
  node bench/soak.ts --minutes 1 --reload-every 200
  node bench/soak.ts --minutes 30 --faults
  node bench/soak.ts --minutes 30 --faults --transport uring
`;

/** naru collects what a change left behind 5 s after the last one, when nothing is in flight. */
const restMs = 8_000;
/** Compiled code, pools and label sets are more at the end than before the first request. */
const maxRestedGrowthKiB = 16 * 1_024;

const config = {
  options: {
    minutes: { type: "string", default: "10" },
    "reload-every": { type: "string", default: "1000" },
    faults: { type: "boolean", default: false },
    connections: { type: "string", default: "16" },
    wrk: { type: "string", default: "64" },
    concurrency: { type: "string", default: "1" },
    transport: { type: "string", default: "auto" },
    "sample-every": { type: "string", default: "10" },
    help: { type: "boolean", short: "h", default: false },
  },
} as const;
const { values } = parsed(() => parseArgs(config));
const wanted = {
  minutes: durationOf("--minutes", values.minutes),
  reloadEveryMs: amountOf("--reload-every", values["reload-every"]),
  connections: countOf("--connections", values.connections),
  wrk: amountOf("--wrk", values.wrk),
  concurrency: countOf("--concurrency", values.concurrency),
  transport: parseTransport(values.transport),
  sampleEveryS: durationOf("--sample-every", values["sample-every"]),
};

if (values.help) process.stdout.write(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const seconds = wanted.minutes * 60;
  buildNaru();
  await using owned = new AsyncDisposableStack();
  const directory = openFolder(owned);
  const folder = join(directory, "config");
  mkdirSync(folder);
  const origin = owned.use(await Origin.start(directory));
  const versions = owned.use(new Versions(folder, origin.port));
  await versions.start();
  const [port, statsPort] = [await freePort(), await freePort()];
  const { concurrency, transport } = wanted;
  const options = ["--stats-port", String(statsPort), "--concurrency", String(concurrency), "--transport", transport];
  const command = naruCommand(join(folder, "config.yaml"), port, options);
  const naru = owned.use(await Child.start("naru", String(proxyCore), port, command));

  await scrape(statsPort);
  const beforeKiB = naru.memory().anonKiB;
  const filesBefore = openFiles(naru.pid);
  const load = owned.use(
    startLoad({
      port: () => port,
      connections: wanted.connections,
      requestsPerConnection: 5_000,
      request: (sequence) => versions.request(sequence),
      check: (answer, request, connection) => versions.check(answer, request, connection),
    }),
  );
  const wrk = { port, path: "/1k", connections: wanted.wrk, seconds };
  // Its errors, if any, are thrown when it is over.
  const beside = wrk.connections > 0 ? measureThroughput(naru, origin, wrk) : Promise.resolve(null);
  const besideDone = Promise.allSettled([beside]);
  const failures = (): number => load.failures.length;
  const faults = new Faults({ port, versions, random: seededRandom(1), failures });
  if (values.faults) faults.start();

  const samples = await watch({ naru, load, versions, faults, statsPort, seconds });
  await faults[Symbol.asyncDispose]();
  const result = await load.stop();
  const [wrkOutcome] = await besideDone;
  const left = await waitForLeftovers(naru.pid, filesBefore, () => scrape(statsPort));
  await wait(restMs);
  const restedKiB = naru.memory().anonKiB;
  print("");
  if (wrkOutcome.status === "fulfilled" && wrkOutcome.value !== null)
    print(`wrk beside: ${Math.round(wrkOutcome.value.requestsPerSecond * seconds)} requests, none failed`);
  const broken = [
    ...(wrkOutcome.status === "rejected" ? [`wrk beside: ${String(wrkOutcome.reason)}`] : []),
    ...judgeRequests(result, faults),
    ...judgeVersions(versions),
    ...judgeMemory(samples, beforeKiB, restedKiB),
    ...left.map((line) => `left when the load has stopped: ${line}`),
  ];
  for (const line of broken) print(`MISS  ${line}`);
  print(broken.length === 0 ? "all is well" : `${broken.length} misses`);
  return broken.length === 0 ? 0 : 1;
}

interface Watched {
  readonly naru: Child;
  readonly load: Load;
  readonly versions: Versions;
  readonly faults: Faults;
  readonly statsPort: number;
  readonly seconds: number;
}

/** Changes the configuration and looks at memory until the time is up; KiB per sample. */
async function watch({ naru, load, versions, faults, statsPort, seconds }: Watched): Promise<readonly number[]> {
  const reloadMs = wanted.reloadEveryMs;
  const sampleMs = wanted.sampleEveryS * 1_000;
  const samples: number[] = [];
  const startMs = performance.now();
  print("     s  RssAnon KiB  CPU %  checked/s  failures  versions  in force  restarts  aborts");
  let reloadAtMs = reloadMs > 0 ? reloadMs : Infinity;
  let answeredBefore = 0;
  let cpuBefore = naru.cpu().cpuMicroseconds;
  for (let sampleAtMs = sampleMs; sampleAtMs <= seconds * 1_000;) {
    const nextMs = Math.min(reloadAtMs, sampleAtMs);
    await wait(Math.max(0, startMs + nextMs - performance.now()));
    if (nextMs === reloadAtMs) {
      versions.write(versions.written + 1);
      reloadAtMs += reloadMs;
    }
    if (nextMs !== sampleAtMs) continue;
    sampleAtMs += sampleMs;
    // As Prometheus would.
    await scrape(statsPort);
    const { anonKiB } = naru.memory();
    const { cpuMicroseconds } = naru.cpu();
    samples.push(anonKiB);
    const perSecond = (load.answered - answeredBefore) / (sampleMs / 1_000);
    const cpuPercent = (cpuMicroseconds - cpuBefore) / (sampleMs * 10);
    const counts = [versions.written, versions.seen.size, faults.restarts, faults.aborts];
    const numbers = [nextMs / 1_000, anonKiB, cpuPercent, perSecond, load.failures.length - faults.excused, ...counts];
    const widths = [6, 13, 7, 11, 10, 10, 10, 10, 8];
    print(numbers.map((value, index) => String(Math.round(value)).padStart(widths[index]!)).join(""));
    answeredBefore = load.answered;
    cpuBefore = cpuMicroseconds;
  }
  return samples;
}

function judgeRequests(result: LoadResult, faults: Faults): readonly string[] {
  print(`${result.answered} of ${result.requests} checked requests answered, ${result.connectionsOpened} connections`);
  if (values.faults)
    print(
      `${faults.restarts} origins restarted, ${faults.excused} requests lost that they had; ${faults.aborts} aborts`,
    );
  const failed = result.failures.length - faults.excused;
  for (const [reason, count] of Object.entries(lostRequests(result))) print(`${count} × ${reason}`);
  return failed > 0 ? [`${failed} requests failed that no fault explains`] : [];
}

/** Two changes may become one; if most do, the run has shown nothing. */
function judgeVersions({ written, seen }: Versions): readonly string[] {
  print(`${seen.size} of ${written + 1} versions answered requests`);
  return seen.size < (written + 1) / 2 ? ["most changes of the configuration never took effect"] : [];
}

/**
 * V8 lets a heap grow while it is busy, up to its limit, so a slope under load alone tells little. What is still held when
 * all is quiet again is what leaks.
 */
function judgeMemory(samples: readonly number[], beforeKiB: number, restedKiB: number): readonly string[] {
  const half = samples.slice(samples.length >> 1);
  const slope = slopePerMinute(half, wanted.sampleEveryS);
  print(
    `RssAnon ${beforeKiB} KiB before the load, ${samples[0]} → ${samples.at(-1)} in it, ${restedKiB} after it; ` +
      `${Math.round(slope)} KiB per minute over the second half`,
  );
  return restedKiB > beforeKiB + maxRestedGrowthKiB ? ["memory is not given back"] : [];
}

/** Least squares over samples that are `periodSeconds` apart. */
function slopePerMinute(samples: readonly number[], periodSeconds: number): number {
  const meanX = (samples.length - 1) / 2;
  const meanY = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of samples.entries()) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return variance === 0 ? 0 : (covariance / variance) * (60 / periodSeconds);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
