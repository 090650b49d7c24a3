// SPDX-License-Identifier: Apache-2.0
// Several data planes, one per worker thread, that look like one: the kernel spreads connections over their listeners,
// everything else goes through here. A worker that dies is replaced; its connections are the only loss.

import { Worker } from "node:worker_threads";
import { messageOf, type Cancel, type Clock, type Random } from "../../core/index.ts";
import { buildId, type EndpointSnapshot, type RoutingSnapshot } from "../../model/index.ts";
import { closeLeftFiles, createLedgerMemory } from "../../platform/index.ts";
import { LimitTable, type DataPlane, type DrainResult } from "../../proxy/index.ts";
import type { RootLogger, StoredRequestMetrics } from "../../telemetry/index.ts";
import type { ClusterStatus, ListenerStatus, Logger, Sample, SpanSink } from "../../telemetry/port.ts";
import { allocateSharedRows, openSharedRows } from "../../telemetry/recording.ts";
import { stallSample } from "../loop-watch.ts";
import { allocateHeartbeats, forgetBeats, mainThread, positionOf, watchEventLoops } from "./heartbeat.ts";
import { mergeClusters, mergeListeners, mergeSamples } from "./merge.ts";
import type { WorkerAnswer, WorkerSetup } from "./protocol.ts";
import type { SinkQueue } from "./sink-queue.ts";
import { WorkerHandle, type WorkerEvents } from "./worker-handle.ts";

export interface WorkerPoolDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: RootLogger;
  /** Takes a finished line of a worker's log. */
  readonly writeLog: (line: string) => void;
  readonly metrics: StoredRequestMetrics;
  /** null = no access log. */
  readonly accessLog: SinkQueue | null;
  /** null = tracing is off. */
  readonly spans: SpanSink | null;
  /** Starts the thread (`startWorker`). */
  readonly start: (setup: WorkerSetup) => Worker;
}

type SharedSetup = "threads" | "options" | "accessLogFormat" | "traceSamplingPercent" | "transport" | "maxSeries";

export interface WorkerPoolOptions extends Pick<WorkerSetup, SharedSetup> {
  readonly logFormat: "text" | "json";
  readonly logColour: boolean;
}

export interface WorkerPool extends DataPlane {
  /** Asks all workers, so that what this says about them is exact. Gives up on those that do not answer soon. */
  refresh(): Promise<void>;
  /** Resolves when all lines of the access log made so far are written, or lost, or it takes too long. */
  flushAccessLog(): Promise<void>;
}

const answerTimeoutMs = 500;
/** Then the others go on without it; it applies what it was sent as soon as it can. */
const applyTimeoutMs = 30_000;
/** What a worker may need beyond its drain deadline, or to stop. */
const stopGraceMs = 3_000;
const firstBackoffMs = 100;
const maxBackoffMs = 30_000;
/** A worker that lived so long did not fail because of how it was started. */
const stableMs = 60_000;

/** The worker's file lies beside this one, from source and in the bundle alike. */
export function startWorker(setup: WorkerSetup): Worker {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    workerData: setup,
    name: `naru-${setup.thread}`,
  });
}

/** Starts no thread until the first snapshot is applied. */
export function createWorkerPool(deps: WorkerPoolDeps, options: WorkerPoolOptions): WorkerPool {
  return new Pool(deps, options);
}

/** One position among the workers; `handle` changes when a worker is replaced. */
interface Seat {
  readonly thread: number;
  handle: WorkerHandle | null;
  startedMs: number;
  /** Deaths in a row, none of which came after a stable life. */
  failures: number;
  cancelRestart: Cancel | null;
}

class Pool implements WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #options: WorkerPoolOptions;
  readonly #logger: Logger;
  readonly #limits: LimitTable;
  readonly #heartbeats: SharedArrayBuffer;
  readonly #seats: readonly Seat[];
  /** By listener name: where the first worker listens, the others do. */
  readonly #boundPorts = new Map<string, number>();
  #routing: RoutingSnapshot | null = null;
  #endpoints: EndpointSnapshot | null = null;
  /** What all workers were sent last. */
  #sentEndpoints: EndpointSnapshot | null = null;
  #applying: Promise<void> = Promise.resolve();
  /** Routing snapshots that not all workers have yet. */
  #routingsDue = 0;
  #cancelWatch: Cancel | null = null;
  #ending = false;
  #stopped: Promise<void> | null = null;
  #restarts = 0;
  #mainStalls = 0;
  readonly #workerStalls: number[];
  /** Counters of workers that are gone. */
  #retired: readonly Sample[] = [];

  constructor(deps: WorkerPoolDeps, options: WorkerPoolOptions) {
    const { threads } = options;
    this.#deps = deps;
    this.#options = options;
    this.#logger = deps.logger.child("workers");
    this.#limits = new LimitTable(threads, deps.random);
    this.#heartbeats = allocateHeartbeats(threads);
    this.#workerStalls = Array.from({ length: threads }, () => 0);
    this.#seats = Array.from({ length: threads }, (_, thread) => ({
      thread,
      handle: null,
      startedMs: 0,
      failures: 0,
      cancelRestart: null,
    }));
  }

  applyRouting(snapshot: RoutingSnapshot): Promise<void> {
    this.#routing = snapshot;
    this.#cancelWatch ??= this.#start();
    this.#routingsDue++;
    const applied = this.#applying
      .then(() => this.#applyToAll(snapshot))
      .finally(() => {
        this.#routingsDue--;
        this.#sendEndpoints();
      });
    // The next one must not fail because this one did.
    this.#applying = applied.catch(() => {});
    return applied;
  }

  applyEndpoints(snapshot: EndpointSnapshot): void {
    this.#endpoints = snapshot;
    this.#sendEndpoints();
  }

  /** Not before the routes they belong to: those still in force would lose the endpoints that are no longer there. */
  #sendEndpoints(): void {
    const snapshot = this.#endpoints;
    if (snapshot === null || snapshot === this.#sentEndpoints || this.#routingsDue > 0) return;
    this.#sentEndpoints = snapshot;
    for (const handle of this.#handles()) handle.post({ kind: "endpoints", snapshot });
  }

  listeners(): readonly ListenerStatus[] {
    return mergeListeners(this.#latest().flatMap(({ listeners }) => listeners));
  }

  clusters(): readonly ClusterStatus[] {
    return mergeClusters(this.#latest().flatMap(({ clusters }) => clusters));
  }

  samples(): readonly Sample[] {
    return [
      ...mergeSamples([...this.#latest().flatMap(({ samples }) => samples), ...this.#retired]),
      ...this.#ownSamples(),
    ];
  }

  isBusy(): boolean {
    return false;
  }

  async refresh(): Promise<void> {
    await this.#askAll("report");
  }

  async flushAccessLog(): Promise<void> {
    await this.#askAll("flush");
  }

  async drain(deadlineMs: number): Promise<DrainResult> {
    this.#ending = true;
    const drained = this.#handles().map(async (handle) => {
      const before = handle.latest;
      const answer = await this.#within(deadlineMs + stopGraceMs, handle.request({ kind: "drain", deadlineMs }));
      if (answer !== null) return answer.abandoned;
      // It hangs or has died: nothing it had in flight was finished.
      return exchangesActive(before);
    });
    const abandoned = (await Promise.all(drained)).reduce((sum, each) => sum + each, 0);
    await this.stop();
    return { abandoned };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#ending = true;
    this.#cancelWatch?.();
    for (const { cancelRestart } of this.#seats) cancelRestart?.();
    const ended = this.#handles().map(async (handle) => {
      await this.#within(stopGraceMs, handle.request({ kind: "stop" }));
      await handle.terminate();
    });
    await Promise.all(ended);
  }

  #start(): Cancel {
    for (const seat of this.#seats) this.#startWorker(seat);
    this.#deps.logger.onSetLevel((level, scope) => {
      for (const handle of this.#handles()) handle.post({ kind: "level", level, scope });
    });
    const positions = this.#seats.map(({ thread }) => positionOf(thread));
    return watchEventLoops(this.#heartbeats, mainThread, positions, this.#deps.clock, (position) => {
      const thread = position - positionOf(0);
      this.#workerStalls[thread]!++;
      this.#logger.warning("event loop stalls: nothing is served there for more than a second", { worker: thread });
    });
  }

  #startWorker(seat: Seat): WorkerHandle {
    const { logger, metrics, start, clock } = this.#deps;
    const { threads, options, accessLogFormat, traceSamplingPercent, transport, maxSeries, logFormat, logColour } =
      this.#options;
    // The scope's level is the one to begin with; asking for the scope makes it known here, where levels are changed.
    const { scope } = logger.child("proxy");
    const level = logger.levels()[scope] ?? "info";
    const seriesMemory = allocateSharedRows(maxSeries);
    const ledger = transport.name === "uring" ? createLedgerMemory() : null;
    const setup: WorkerSetup = {
      buildId,
      thread: seat.thread,
      threads,
      options,
      accessLogFormat,
      traceSamplingPercent,
      transport,
      ledger,
      log: { level, format: logFormat, colour: logColour },
      maxSeries,
      seriesMemory,
      limitMemory: this.#limits.memory,
      heartbeats: this.#heartbeats,
    };
    const source = metrics.addSource(openSharedRows(seriesMemory));
    const handle: WorkerHandle = new WorkerHandle(start(setup), this.#logger, {
      ...this.#events(),
      onSeries: (row, labels) => source.addSeries(row, labels),
      onEnd: () => {
        source.retire();
        // A listener that nobody accepts at would go on taking its share of the clients.
        if (ledger !== null) closeLeftFiles(ledger);
        this.#onEnd(seat, handle);
      },
    });
    seat.handle = handle;
    seat.startedMs = clock.nowMs();
    return handle;
  }

  #events(): Pick<WorkerEvents, "onLog" | "onAccessLog" | "onSpans" | "onMainStalled"> {
    const { accessLog, spans, writeLog } = this.#deps;
    return {
      onLog: writeLog,
      onAccessLog: (bytes, done) => {
        if (accessLog === null) done(null);
        else accessLog.write(bytes, done);
      },
      onSpans: (records) => {
        for (const record of records) spans?.write(record);
      },
      onMainStalled: () => {
        this.#mainStalls++;
        this.#logger.warning("event loop of the main thread stalled for more than a second");
      },
    };
  }

  async #applyToAll(snapshot: RoutingSnapshot): Promise<void> {
    // A newer one is behind it in the queue, and the endpoints are that one's.
    if (snapshot !== this.#routing) return;
    const endpoints = this.#endpoints;
    const wanted = new Set(snapshot.listeners.map(({ name }) => name));
    // A worker may leave a port that another still has, and that the next snapshot gives to another listener.
    const portsBefore = new Set(this.#boundPorts.values());
    for (const name of this.#boundPorts.keys()) if (!wanted.has(name)) this.#boundPorts.delete(name);
    const rest = [...this.#seats];
    // One after the other until one has every port: it sees whether another process has them, and which ones "any free
    // port" means. Then all at once.
    while (rest.length > 0 && [...wanted].some((name) => !this.#boundPorts.has(name))) {
      await this.#apply(rest.shift()!, snapshot, endpoints, portsBefore);
    }
    await Promise.all(rest.map((seat) => this.#apply(seat, snapshot, endpoints, portsBefore)));
    this.#sentEndpoints = endpoints;
  }

  /** Throws when the worker ends although it was never any good. */
  async #apply(
    seat: Seat,
    snapshot: RoutingSnapshot,
    endpoints: EndpointSnapshot | null,
    portsBefore: ReadonlySet<number>,
  ): Promise<void> {
    const { handle } = seat;
    // It is being replaced, and the replacement gets the current snapshot.
    if (handle === null) return;
    const limitSlots = this.#limits.slotsOf(snapshot.clusters.values(), snapshot.listeners);
    const siblingPorts = portsBefore.union(new Set(this.#boundPorts.values()));
    const ports = { boundPorts: this.#boundPorts, siblingPorts };
    const request = { kind: "routing", snapshot, endpoints, limitSlots, ...ports } as const;
    const isFirst = handle.latest === null;
    const answer = await this.#within(applyTimeoutMs, handle.request(request));
    if (answer === null) {
      if (isFirst && !this.#ending) throw new Error(`worker ${seat.thread} did not start`);
      if (seat.handle === handle) this.#logger.error("worker does not apply the routes", { worker: seat.thread });
      return;
    }
    for (const { name, port, error } of answer.listeners) if (error === null) this.#boundPorts.set(name, port);
  }

  #onEnd(seat: Seat, handle: WorkerHandle): void {
    this.#retired = mergeSamples([...this.#retired, ...handle.counters]);
    this.#limits.release(seat.thread);
    forgetBeats(this.#heartbeats, positionOf(seat.thread));
    seat.handle = null;
    if (this.#ending) return;
    const { clock } = this.#deps;
    seat.failures = clock.nowMs() - seat.startedMs >= stableMs ? 1 : seat.failures + 1;
    const delayMs = seat.failures === 1 ? 0 : Math.min(firstBackoffMs * 2 ** (seat.failures - 2), maxBackoffMs);
    this.#logger.error("worker ended; starting another", { worker: seat.thread, delay_ms: delayMs });
    seat.cancelRestart = clock.after(delayMs, () => this.#restart(seat));
  }

  #restart(seat: Seat): void {
    seat.cancelRestart = null;
    this.#restarts++;
    this.#startWorker(seat);
    const snapshot = this.#routing!;
    this.#applying = this.#applying
      .then(() => this.#apply(seat, this.#routing ?? snapshot, this.#endpoints, new Set()))
      .catch((error: unknown) => this.#logger.error("worker not replaced yet", { reason: messageOf(error) }));
  }

  #ownSamples(): readonly Sample[] {
    return [
      ...this.#seats.map(({ thread, handle }): Sample => {
        const open = handle?.latest?.listeners.reduce((sum, { connectionsActive }) => sum + connectionsActive, 0);
        return {
          name: "naru_worker_connections_active",
          help: "Open client connections of each worker; the kernel spreads new ones evenly, whatever they ask for.",
          type: "gauge",
          labels: { worker: String(thread) },
          value: open ?? 0,
        };
      }),
      {
        name: "naru_worker_restarts_total",
        help: "Workers that died and were replaced; their connections were lost.",
        type: "counter",
        labels: {},
        value: this.#restarts,
      },
      stallSample("main", this.#mainStalls),
      ...this.#workerStalls.map((count, thread) => stallSample(String(thread), count)),
    ];
  }

  async #askAll(kind: "report" | "flush"): Promise<void> {
    const answers = this.#handles().map((handle) => handle.request({ kind }));
    await this.#within(answerTimeoutMs, Promise.all(answers));
  }

  #handles(): readonly WorkerHandle[] {
    return this.#seats.flatMap(({ handle }) => handle ?? []);
  }

  #latest(): readonly WorkerAnswer[] {
    return this.#handles().flatMap(({ latest }) => latest ?? []);
  }

  /** null when it takes longer. */
  async #within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | null> {
    const { promise: timeout, resolve } = Promise.withResolvers<null>();
    const cancel = this.#deps.clock.after(timeoutMs, () => resolve(null));
    try {
      return await Promise.race([promise, timeout]);
    } finally {
      cancel();
    }
  }
}

/** Requests a worker had in flight when it last said so; at least one, for it did not get to an end. */
function exchangesActive(latest: WorkerAnswer | null): number {
  const sample = latest?.samples.find(({ name }) => name === "naru_exchanges_active");
  return Math.max(1, sample?.value ?? 0);
}
