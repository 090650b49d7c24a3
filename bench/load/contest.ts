// SPDX-License-Identifier: Apache-2.0
// Targets side by side in one run: one origin, each target on the same core, measured in turn round after round, so that
// a noisy minute hits all of them. What is shown are medians over the rounds.

import { measureThroughput, RateGenerator, type Latency, type Sample } from "./measure.ts";
import type { Transport } from "./naru.ts";
import { body, Origin } from "./origin.ts";
import { Child, freePort, loadCore, openFolder, proxyCore, type Memory } from "./processes.ts";
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
/** Of latencies, whatever was asked for: they are of the host's worst moments, so it takes many of them to see through. */
export const latencyRounds = 40;
export const latencySeconds = 0.25;
/** Where less of the rate than this is answered, or more of it has to wait for a connection, a queue is what is measured. */
const held = 0.98;
const waiting = 0.1;
const sink = new URL("otlp-sink.ts", import.meta.url).pathname;

export class Contest implements AsyncDisposable {
  readonly #origin: Origin;
  readonly #generator: RateGenerator;
  readonly #contenders: readonly Contender[];
  readonly #progress: Progress;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    origin: Origin,
    generator: RateGenerator,
    contenders: readonly Contender[],
    progress: Progress,
    owned: AsyncDisposableStack,
  ) {
    this.#origin = origin;
    this.#generator = generator;
    this.#contenders = contenders;
    this.#progress = progress;
    this.#owned = owned;
  }

  /** Starts them all, naru on `transport`; those that are not installed are left out, and those that answer wrongly throw. */
  static async start(targets: readonly Target[], transport: Transport, progress: Progress): Promise<Contest> {
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
      const line = command({ directory, port, originPort: origin.port, sinkPort, transport });
      const child = owned.use(await Child.start(name, String(proxyCore), port, line));
      await verify(name, port, body("/1k"));
      progress(`${name} answers rightly`);
      contenders.push({ name, port, child });
    }
    const generator = owned.use(new RateGenerator());
    return new Contest(origin, generator, contenders, progress, owned.move());
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

  /**
   * Open loop at one rate for all, in many short rounds with the order turned round from one to the next: a disturbance of
   * the host then spoils a round or two of each, which a median does not see. Warm-up comes first and is not counted.
   */
  async latency({ path, connections, only }: Rounds, rate: number): Promise<ReadonlyMap<string, Latency>> {
    const latencies = new Map<string, Latency[]>();
    const chosen = this.#chosen(only);
    const load = { path, connections, rounds: latencyRounds };
    for (let round = 0; round <= latencyRounds; round++) {
      for (const { name, port } of round % 2 === 0 ? chosen : chosen.toReversed()) {
        const seconds = round === 0 ? warmUpSeconds : latencySeconds;
        const latency = await this.#generator.measure({ path, connections, port, rate, seconds });
        this.#progress(
          `${describe(load, round)}, ${name} at ${rate}/s: p50 ${latency.p50} µs, p99 ${latency.p99} µs, ` +
            `answered ${Math.round(latency.perSecond)}/s, generator late by ${latency.lateP99} µs (p99)`,
        );
        if (round > 0) append(latencies, name, latency);
      }
    }
    return mapValues(latencies, medians);
  }

  /** The highest rate up to `wanted` that the generator holds against `name`, which could take twice as much. */
  async attainableRate({ path, connections }: Rounds, name: string, wanted: number): Promise<number> {
    const { port } = this.#contenders.find((contender) => contender.name === name)!;
    const trial = { path, connections, port, seconds: warmUpSeconds };
    // Whose code is not compiled yet the first time.
    await this.#generator.measure({ ...trial, rate: wanted });
    for (let rate = wanted; ; rate = Math.round(rate * 0.9)) {
      const { perSecond, backlogged, requests } = await this.#generator.measure({ ...trial, rate });
      if (perSecond >= rate * held && backlogged <= requests * waiting) return rate;
      this.#progress(
        `load and origin do not hold ${rate} requests/s: ${Math.round(perSecond)} answered, ` +
          `${Math.round((100 * backlogged) / requests)} % waited for a connection`,
      );
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

function describe(
  { path, connections, rounds }: Pick<Rounds, "path" | "connections" | "rounds">,
  round: number,
): string {
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
