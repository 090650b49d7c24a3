// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: naru against its peers in one run, interleaved, each on one core. See --help.

import { execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { measureLatency, measureThroughput, type Latency, type LoadOptions, type Sample } from "./load/measure.ts";
import { Child, freePort, hasTool, loadCore, proxyCore } from "./load/processes.ts";
import { markdownTable, summarise, type Summary, type TargetResult } from "./load/report.ts";
import { originCommand, targets, type Target } from "./load/targets.ts";
import { verify } from "./load/verify.ts";

const help = `Usage: npm run bench -- [options]

Compares naru with HAProxy, nginx, httpxy, http-proxy-3 and node:http + undici. Every target is checked for right
answers first, runs on one core, and is measured in turn with the others, round after round.

  --targets a,b       only these (naru, naru + access log, haproxy, nginx, node:http + undici,
                      httpxy, http-proxy-3)
  --rounds N          measurements of each target (3)
  --seconds N         length of one measurement (5)
  --connections N     client connections (64)
  --path /1k          what is fetched: /1k, /64k or /1m
  --rate N            requests per second for latencies (5000); 0 = skip
  --json FILE         also write everything as JSON
  --micro             only the micro-benches (head parsing, matching, compiling, telemetry)
  --no-micro          only the load benches
  --check             exit 1 when a bar of docs/performance.md is missed

Examples:
  npm run bench
  npm run bench -- --targets naru,haproxy --rounds 5 --json result.json
`;

const { values } = parseArgs({
  options: {
    targets: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "64" },
    path: { type: "string", default: "/1k" },
    rate: { type: "string", default: "5000" },
    json: { type: "string" },
    micro: { type: "boolean" },
    check: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
  allowNegative: true,
});

const root = new URL("..", import.meta.url).pathname;
/** Bars of CPU per request, in the same run. */
const bars = [
  { peer: "haproxy", limit: 1.4 },
  { peer: "node:http + undici", limit: 0.6 },
] as const;

if (values.help) process.stdout.write(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  if (values.micro !== true) {
    const summaries = await runLoad();
    const missed = bars.flatMap(({ peer, limit }) => missedBar(summaries, peer, limit));
    for (const line of missed) progress(line);
    if (values.check && missed.length > 0) return 1;
  }
  if (values.micro !== false) runMicro();
  return 0;
}

async function runLoad(): Promise<readonly Summary[]> {
  if (!hasTool("nginx") || !hasTool("taskset"))
    throw new Error("the origin needs nginx and taskset: apt-get install nginx");
  progress("building dist/");
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: ["ignore", "ignore", "inherit"] });
  const directory = mkdtempSync(join(tmpdir(), "naru-bench-"));
  // nginx runs its worker as another user, who must be able to read the files.
  execFileSync("chmod", ["755", directory]);
  const bodies = { "1k": 1_024, "64k": 65_536, "1m": 1_048_576 };
  for (const [name, bytes] of Object.entries(bodies)) writeFileSync(join(directory, name), "naru".repeat(bytes / 4));
  await using running = new AsyncDisposableStack();
  running.defer(() => rmSync(directory, { recursive: true }));
  const originPort = await freePort();
  running.use(await Child.start("origin", loadCore, originPort, originCommand(directory, originPort)));
  const contenders = [];
  for (const target of selectedTargets()) {
    if (target.missing !== null) {
      progress(`${target.name} left out: ${target.missing}`);
      continue;
    }
    const port = await freePort();
    const child = running.use(
      await Child.start(target.name, proxyCore, port, target.command(directory, port, originPort)),
    );
    await verify(target.name, port, readFileSync(join(directory, "1k")));
    progress(`${target.name} answers rightly`);
    contenders.push({ target, port, child, samples: [] as Sample[], latencies: [] as Latency[] });
  }
  const rounds = Number(values.rounds);
  const load = { path: values.path, connections: Number(values.connections), seconds: Number(values.seconds) };
  // One unmeasured round: JIT, connection pools, page cache.
  for (let round = 0; round <= rounds; round++) {
    for (const { target, port, child, samples, latencies } of contenders) {
      const options: LoadOptions = { ...load, port, seconds: round === 0 ? 2 : load.seconds };
      const sample = await measureThroughput(child, options);
      progress(
        `round ${round}/${rounds} ${target.name}: ${sample.cpuMicrosPerRequest.toFixed(1)} µs/request, ` +
          `${Math.round(sample.requestsPerSecond)} requests/s${round === 0 ? " (warm-up)" : ""}`,
      );
      if (round === 0) continue;
      samples.push(sample);
      const rate = Number(values.rate);
      if (rate > 0) latencies.push(await measureLatency(options, rate));
    }
  }
  const results: TargetResult[] = contenders.map(({ target, child, samples, latencies }) => ({
    name: target.name,
    samples,
    latencies,
    memory: child.memory(),
  }));
  const summaries = results.map(summarise);
  print(`\n${describeRun()}\n\n${markdownTable(summaries, "haproxy")}\n`);
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ ...machine(), options: values, summaries, results }, null, 2)}\n`);
  }
  return summaries;
}

function runMicro(): void {
  for (const file of globSync("bench/micro/*.bench.ts", { cwd: root }).toSorted()) {
    print(`\n## ${file}\n`);
    execFileSync("taskset", ["-c", String(proxyCore), process.execPath, join(root, file)], {
      stdio: "inherit",
      cwd: root,
    });
  }
}

function selectedTargets(): readonly Target[] {
  if (values.targets === undefined) return targets;
  return values.targets.split(",").map((name) => {
    const found = targets.find((target) => target.name === name.trim());
    if (found === undefined)
      throw new Error(`no target ${name}; there are ${targets.map((target) => target.name).join(", ")}`);
    return found;
  });
}

function missedBar(summaries: readonly Summary[], peer: string, limit: number): readonly string[] {
  const cost = (name: string): number | undefined =>
    summaries.find((summary) => summary.name === name)?.cpuMicrosPerRequest;
  const ours = cost("naru");
  const theirs = cost(peer);
  if (ours === undefined || theirs === undefined || ours <= limit * theirs) return [];
  return [`bar missed: ${(ours / theirs).toFixed(2)} × ${peer}, allowed ${limit} ×`];
}

function describeRun(): string {
  const { node, cpu, cores } = machine();
  return (
    `${values.path}, ${values.connections} connections, ${values.rounds} rounds of ${values.seconds} s, latencies at ` +
    `${values.rate} requests/s; Node ${node}, ${cpu}, ${cores} cores; medians.`
  );
}

function machine(): { readonly node: string; readonly cpu: string; readonly cores: number } {
  return { node: process.versions.node, cpu: cpus()[0]?.model.trim() ?? "unknown", cores: cpus().length };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
