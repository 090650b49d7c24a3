// SPDX-License-Identifier: Apache-2.0
// Targets side by side in one run: one origin, each target on the same core, measured in turn round after round, so that
// a noisy minute hits all of them. What is shown are medians over the rounds.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { measureLatency, measureThroughput, type Latency, type Sample } from "./measure.ts";
import { body, Origin } from "./origin.ts";
import { Child, freePort, loadCore, proxyCore, type Memory } from "./processes.ts";
import type { Target } from "./targets.ts";
import { verify } from "./verify.ts";

export interface Rounds {
  readonly path: string;
  readonly connections: number;
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** Names of the targets that take part; default: all. */
  readonly only?: readonly string[];
}

export type Progress = (line: string) => void;

interface Contender {
  readonly name: string;
  readonly port: number;
  /** null = nothing between load and origin. */
  readonly child: Child | null;
}

const warmUpSeconds = 2;
/** A generator that answers for less of the rate than this is no measure of anything. */
const held = 0.98;
const sink = new URL("otlp-sink.ts", import.meta.url).pathname;

export class Contest implements AsyncDisposable {
  readonly #origin: Origin;
  readonly #contenders: readonly Contender[];
  readonly #progress: Progress;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    origin: Origin,
    contenders: readonly Contender[],
    progress: Progress,
    owned: AsyncDisposableStack,
  ) {
    this.#origin = origin;
    this.#contenders = contenders;
    this.#progress = progress;
    this.#owned = owned;
  }

  /** Starts them all; those that are not installed are left out, and those that answer wrongly throw. */
  static async start(targets: readonly Target[], progress: Progress): Promise<Contest> {
    await using owned = new AsyncDisposableStack();
    const directory = openFolder(owned);
    const origin = owned.use(await Origin.start(directory));
    const sinkPort = await freePort();
    owned.use(await Child.start("sink", String(loadCore), sinkPort, [process.execPath, sink, String(sinkPort)]));
    const contenders: Contender[] = [];
    for (const { name, missing, command } of targets) {
      if (missing !== null) {
        progress(`${name} left out: ${missing}`);
        continue;
      }
      if (command === null) {
        contenders.push({ name, port: origin.port, child: null });
        continue;
      }
      const port = await freePort();
      const line = command({ directory, port, originPort: origin.port, sinkPort });
      const child = owned.use(await Child.start(name, String(proxyCore), port, line));
      await verify(name, port, body("/1k"));
      progress(`${name} answers rightly`);
      contenders.push({ name, port, child });
    }
    return new Contest(origin, contenders, progress, owned.move());
  }

  /** Closed loop: what a request costs each target, and how many it answers. Warm-up comes first and is not counted. */
  async cost(load: Rounds): Promise<ReadonlyMap<string, Sample>> {
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round <= load.rounds; round++) {
      for (const { name, port, child } of this.#chosen(load.only)) {
        const seconds = round === 0 ? warmUpSeconds : load.seconds;
        const sample = await measureThroughput(child, this.#origin, { ...load, port, seconds });
        const { cpuMicrosPerRequest, requestsPerSecond, p50Micros } = sample;
        this.#progress(
          `${describe(load, round)}, ${name}: ${cpuMicrosPerRequest.toFixed(1)} µs/request, ` +
            `${Math.round(requestsPerSecond)} requests/s, p50 ${p50Micros} µs`,
        );
        if (round > 0) append(samples, name, sample);
      }
    }
    return mapValues(samples, medians);
  }

  /** Open loop at one rate for all. */
  async latency(load: Rounds, rate: number): Promise<ReadonlyMap<string, Latency>> {
    const latencies = new Map<string, Latency[]>();
    for (let round = 1; round <= load.rounds; round++) {
      for (const { name, port } of this.#chosen(load.only)) {
        const latency = await measureLatency({ ...load, port }, rate);
        this.#progress(
          `${describe(load, round)}, ${name} at ${rate}/s: p50 ${latency.p50} µs, p99 ${latency.p99} µs, ` +
            `answered ${Math.round(latency.perSecond)}/s, generator late by ${latency.lateP99} µs (p99)`,
        );
        append(latencies, name, latency);
      }
    }
    return mapValues(latencies, medians);
  }

  /** The highest rate up to `wanted` that the generator holds against `name`, which could take twice as much. */
  async attainableRate(load: Rounds, name: string, wanted: number): Promise<number> {
    const { port } = this.#contenders.find((contender) => contender.name === name)!;
    for (let rate = wanted; ; rate = Math.round(rate * 0.9)) {
      const { perSecond } = await measureLatency({ ...load, port, seconds: warmUpSeconds }, rate);
      if (perSecond >= rate * held) return rate;
      this.#progress(`the generator does not hold ${rate} requests/s: ${Math.round(perSecond)}`);
    }
  }

  /** As it is now. */
  memory(): ReadonlyMap<string, Memory> {
    const own = this.#contenders.filter(({ child }) => child !== null);
    return new Map(own.map(({ name, child }) => [name, child!.memory()]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  #chosen(only: readonly string[] | undefined): readonly Contender[] {
    return only === undefined ? this.#contenders : this.#contenders.filter(({ name }) => only.includes(name));
  }
}

/** A folder for configuration and files, removed with `owner`. */
export function openFolder(owner: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), "naru-bench-"));
  owner.defer(() => rmSync(directory, { recursive: true }));
  // nginx runs its worker as another user, who must be able to read the files.
  execFileSync("chmod", ["755", directory]);
  return directory;
}

/** Field by field. */
export function medians<T extends object>(records: readonly T[]): T {
  const names = Object.keys(records[0]!) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, median(records.map((record) => Number(record[name])))])) as T;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function describe({ path, connections, rounds }: Rounds, round: number): string {
  const connectionText = connections === 1 ? "1 connection" : `${connections} connections`;
  return `${path}, ${connectionText}, ${round === 0 ? "warm-up" : `round ${round}/${rounds}`}`;
}

function append<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [value]);
  else list.push(value);
}

function mapValues<T, R>(lists: ReadonlyMap<string, readonly T[]>, reduce: (list: readonly T[]) => R): Map<string, R> {
  return new Map([...lists].map(([name, list]) => [name, reduce(list)]));
}
