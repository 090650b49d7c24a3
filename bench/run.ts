// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: naru against its peers in one run, interleaved, each on one core; and the bars. See --help.

import { spawnSync } from "node:child_process";
import { globSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { barTable, missedBars } from "./bars.ts";
import { compare } from "./compare.ts";
import { latencyRounds, latencySeconds } from "./load/contest.ts";
import { buildNaru, parseTransport, resolveTransport, type Transport } from "./load/naru.ts";
import { hasTool, proxyCore } from "./load/processes.ts";
import { comparisonSection } from "./load/report.ts";
import { targets, type Target } from "./load/targets.ts";
import { measureBars } from "./measure-bars.ts";
import { measureMemory, memoryTable } from "./memory.ts";
import { amountOf, countOf, durationOf, parsed, usageError } from "./usage.ts";
import { measureWorkers, workersTable } from "./workers.ts";

const help = `Usage: npm run bench -- [options]

Compares naru with HAProxy, nginx, httpxy, http-proxy-3 and node:http + undici. Every target is checked for right
answers first, runs on one core, and is measured in turn with the others, round after round. Latencies are taken at
half of the requests per second that HAProxy reaches with as many connections. "naru" has everything on but the access
log: metrics, request ids, x-forwarded-*, and one request in a hundred traced to a collector.

  --transport NAME     of naru, in every mode: auto, node or uring (auto; for --bars and --check node)

  --targets a,b        only these: ${targets.map(({ name }) => name).join(", ")}
  --connections 1,64   client connections, a table for each number (64)
  --path /1k           what is fetched: /1k, /64k or /1m
  --rate N             requests per second for latencies; 0 = none (half of HAProxy's top rate)
  --rounds N           measurements of each target (3), but for latencies: always ${latencyRounds}
  --seconds N          length of one measurement (5), but for latencies: always ${latencySeconds}
  --json FILE          also write everything as JSON

In place of the comparison:
  --bars               measure the bars of that transport, one table with the verdicts (some 8 minutes);
                       what they are: docs/performance.md
  --check              the same; exit 1 when one is missed
  --memory             only memory: idle, with a large configuration, per connection
  --workers            only two workers against one
  --micro              only the micro-benches: parsing heads, matching, compiling, telemetry

NARU_PROGRAM=FILE measures another build of naru than this checkout's, e.g. /some/where/dist/main.js.

Examples:
  npm run bench
  npm run bench -- --targets direct,naru,haproxy,nginx --connections 1,8,64,512
  npm run bench -- --targets naru,nginx --path /1m --rate 0
  npm run bench -- --bars --rounds 5 --json bars.json
  npm run bench -- --check --transport uring
`;

const config = {
  options: {
    targets: { type: "string" },
    connections: { type: "string", default: "64" },
    path: { type: "string", default: "/1k" },
    rate: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    json: { type: "string" },
    bars: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    memory: { type: "boolean", default: false },
    transport: { type: "string" },
    workers: { type: "boolean", default: false },
    micro: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
} as const;
const { values } = parsed(() => parseArgs(config));

const root = new URL("..", import.meta.url).pathname;
const [rounds, seconds] = [countOf("--rounds", values.rounds), durationOf("--seconds", values.seconds)];
const connections = values.connections.split(",").map((each) => countOf("--connections", each));
const rate = values.rate === undefined ? null : amountOf("--rate", values.rate);

if (values.help) process.stdout.write(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const wanted = parseTransport(values.transport ?? (values.bars || values.check ? "node" : "auto"));
  const selected = selectedTargets();
  if (values.micro) return runMicro();
  for (const tool of ["nginx", "wrk", "taskset", "chrt"]) {
    if (!hasTool(tool)) throw new Error(`${tool} is not installed: apt-get install nginx-light wrk util-linux`);
  }
  progress("building dist/");
  buildNaru();
  // From here on by its name: naru then does not start rather than take the other one.
  const transport = await resolveTransport(wanted);
  const description = describeRun(transport);
  if (values.bars || values.check) {
    const { figures, parts } = await measureBars(transport, rounds, seconds, progress);
    print(`\n${description}\n\n${parts.join("\n\n")}\n\n${barTable(transport, figures)}\n`);
    save({ transport, figures });
    return values.check && missedBars(transport, figures).length > 0 ? 1 : 0;
  }
  if (values.memory) {
    const memory = await measureMemory(transport, progress);
    print(`\n${description}\n\n${memoryTable(memory)}\n`);
    save({ transport, memory });
  } else if (values.workers) {
    const workers = await measureWorkers(transport, rounds, seconds, progress);
    print(`\n${description}\n\n${workersTable(workers)}\n`);
    save({ transport, workers });
  } else {
    await runComparison(transport, selected, description);
  }
  return 0;
}

async function runComparison(transport: Transport, selected: readonly Target[], description: string): Promise<void> {
  const options = { transport, path: values.path, connections, rounds, seconds, rate };
  const comparisons = await compare(selected, options, progress);
  print(`\n${description}`);
  for (const comparison of comparisons) print(`\n${comparisonSection(comparison)}`);
  save({ transport, comparisons });
}

/** All of them, whatever one says; 1 when any is beyond its budget. */
function runMicro(): number {
  let code = 0;
  for (const file of globSync("bench/micro/*.bench.ts", { cwd: root }).toSorted()) {
    print(`\n## ${file}\n`);
    const command = ["-c", String(proxyCore), process.execPath, join(root, file)];
    if (spawnSync("taskset", command, { stdio: "inherit", cwd: root }).status !== 0) code = 1;
  }
  return code;
}

function selectedTargets(): readonly Target[] {
  if (values.targets === undefined) return targets;
  return values.targets.split(",").map((name) => {
    const found = targets.find((target) => target.name === name.trim());
    const all = targets.map((target) => target.name).join(", ");
    return found ?? usageError(`--targets: there is no ${name}, but ${all}`);
  });
}

function describeRun(transport: Transport): string {
  const { node, cpu, cores } = machine();
  return `Medians of ${rounds} rounds of ${seconds} s; naru on the transport ${transport}; Node ${node}, ${cpu}, ${cores} cores.`;
}

function machine(): { readonly node: string; readonly cpu: string; readonly cores: number } {
  return { node: process.versions.node, cpu: cpus()[0]?.model.trim() ?? "unknown", cores: cpus().length };
}

function save(results: object): void {
  if (values.json === undefined) return;
  const plain = (_: string, value: unknown): unknown =>
    value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
  writeFileSync(values.json, `${JSON.stringify({ ...machine(), options: values, ...results }, plain, 2)}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
