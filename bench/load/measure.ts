// SPDX-License-Identifier: Apache-2.0
// One measurement of one target: closed loop for cost and throughput, fixed rate for latency.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

import type { Origin } from "./origin.ts";
import { loadCore, type Child } from "./processes.ts";

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** Cores of the load generator, as taskset takes them; default: `loadCore`. */
  readonly cores?: string;
}

export interface Sample {
  readonly requestsPerSecond: number;
  /** NaN without a process of its own (direct). */
  readonly cpuMicrosPerRequest: number;
  readonly userMicrosPerRequest: number;
  /** From a write to its answer, in closed loop: what a client sees that waits before it asks again. */
  readonly p50Micros: number;
  /** Connections that the origin accepted, per request. */
  readonly connectsPerRequest: number;
}

export interface Latency {
  /** Microseconds from the planned time of each request to its answer. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Microseconds by which the generator itself was late. */
  readonly lateP50: number;
  readonly lateP99: number;
  readonly requests: number;
  /** Of them, those that had to wait for a free connection. */
  readonly backlogged: number;
  /** What was answered; less than the rate when the generator or the target could not hold it. */
  readonly perSecond: number;
}

const fixedRate = new URL("fixed-rate.ts", import.meta.url).pathname;
const generatorFlags = ["--single-threaded", "--min-semi-space-size=16", "--max-semi-space-size=16"];

/** As many requests as the target answers; its CPU time over the run, per request. */
export async function measureThroughput(target: Child | null, origin: Origin, options: LoadOptions): Promise<Sample> {
  const acceptedBefore = await origin.accepted();
  const before = target?.cpu();
  const { requests, p50Micros } = await runWrk(options);
  const after = target?.cpu();
  const accepted = (await origin.accepted()) - acceptedBefore;
  const perRequest = (from: number | undefined, to: number | undefined): number =>
    from === undefined || to === undefined ? Number.NaN : (to - from) / requests;
  return {
    requestsPerSecond: requests / options.seconds,
    cpuMicrosPerRequest: perRequest(before?.cpuMicroseconds, after?.cpuMicroseconds),
    userMicrosPerRequest: perRequest(before?.userMicroseconds, after?.userMicroseconds),
    p50Micros,
    connectsPerRequest: accepted / requests,
  };
}

/** What the generator of `fixed-rate.ts` is asked for. */
export interface RateOrder {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Requests per second. */
  readonly rate: number;
  /** That count; a moment before them does not. */
  readonly seconds: number;
}

/**
 * The open-loop generator, one process for all rounds. It spins so that it is never late for want of a fine timer; with the
 * idle policy of the scheduler it still leaves its core to the origin as soon as that has something to do. V8 has no
 * threads of its own in it: they would be of the same policy, and on the one core each takes a tick or two (4 to 8 ms)
 * from the thread that sends and from the clock of what it measures.
 */
export class RateGenerator implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor() {
    const node = [process.execPath, ...generatorFlags, fixedRate];
    const command = ["-c", String(loadCore), "chrt", "--idle", "0", ...node];
    this.#process = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#exit = once(this.#process, "exit");
  }

  /** One order at a time. */
  async measure(order: RateOrder): Promise<Latency> {
    const answer = once(this.#process, "message");
    this.#process.send(order);
    const exit = this.#exit.then(() => {
      throw new Error(`the load generator ended while it asked port ${order.port} for ${order.path}; see above`);
    });
    const [latency] = (await Promise.race([answer, exit])) as [Latency];
    return latency;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill();
    await this.#exit;
  }
}

async function runWrk(options: LoadOptions): Promise<{ readonly requests: number; readonly p50Micros: number }> {
  const { port, path, connections, seconds, cores = String(loadCore) } = options;
  const url = `http://127.0.0.1:${port}${path}`;
  const output = await run(cores, ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", url]);
  const bad = /Non-2xx.*|Socket errors:.*/.exec(output);
  if (bad !== null) throw new Error(`wrk: ${bad[0]}`);
  const p50 = /50% +([\d.]+)(us|ms|s)\n/.exec(output)!;
  const micros = { us: 1, ms: 1_000, s: 1_000_000 }[p50[2] as "us" | "ms" | "s"];
  return { requests: Number(/(\d+) requests in/.exec(output)![1]), p50Micros: Number(p50[1]) * micros };
}

async function run(cores: string, command: readonly string[]): Promise<string> {
  const child = spawn("taskset", ["-c", cores, ...command], { stdio: ["ignore", "pipe", "pipe"] });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), promise]);
  if (code !== 0) throw new Error(`${command.join(" ")} failed with ${code}: ${errors}${output}`);
  return output;
}
