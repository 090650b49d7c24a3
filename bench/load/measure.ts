// SPDX-License-Identifier: Apache-2.0
// One measurement of one target: closed loop for cost and throughput, fixed rate for latency.

import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

import { hasTool, loadCore, type Child } from "./processes.ts";

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface Sample {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  readonly userMicrosPerRequest: number;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

const fixedRate = new URL("fixed-rate.ts", import.meta.url).pathname;
const autocannon = new URL("../node_modules/autocannon/autocannon.js", import.meta.url).pathname;

/** As many requests as the target answers; its CPU time over the run, per request. */
export async function measureThroughput(target: Child, options: LoadOptions): Promise<Sample> {
  const before = target.cpu();
  const requests = hasTool("wrk") ? await runWrk(options) : await runAutocannon(options);
  const after = target.cpu();
  return {
    requestsPerSecond: requests / options.seconds,
    cpuMicrosPerRequest: (after.cpuMicroseconds - before.cpuMicroseconds) / requests,
    userMicrosPerRequest: (after.userMicroseconds - before.userMicroseconds) / requests,
  };
}

/** Microseconds from the planned time of each request to its answer. */
export async function measureLatency(options: LoadOptions, rate: number): Promise<Latency> {
  const { port, path, seconds, connections } = options;
  const output = await run(process.execPath, [
    fixedRate,
    String(port),
    path,
    String(rate),
    String(seconds),
    String(connections),
  ]);
  return JSON.parse(output) as Latency;
}

async function runWrk({ port, path, connections, seconds }: LoadOptions): Promise<number> {
  const output = await run("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}${path}`]);
  const bad = /Non-2xx.*|Socket errors:.*/.exec(output);
  if (bad !== null) throw new Error(`wrk: ${bad[0]}`);
  return Number(/(\d+) requests in/.exec(output)![1]);
}

async function runAutocannon({ port, path, connections, seconds }: LoadOptions): Promise<number> {
  const output = await run(process.execPath, [
    autocannon,
    "--json",
    "--no-progress",
    "-c",
    String(connections),
    "-d",
    String(seconds),
    `http://127.0.0.1:${port}${path}`,
  ]);
  const result = JSON.parse(output) as { readonly "2xx": number; readonly non2xx: number; readonly errors: number };
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`autocannon: ${result.non2xx} bad answers, ${result.errors} errors`);
  return result["2xx"];
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn("taskset", ["-c", String(loadCore), program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), promise]);
  if (code !== 0) throw new Error(`${program} failed with ${code}: ${errors}${output}`);
  return output;
}
