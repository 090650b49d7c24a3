// SPDX-License-Identifier: Apache-2.0
// Entry point of a data-plane worker: one data plane with its own listeners, pools and exchanges. Everything it is told
// and everything it has to say goes over the port to the main thread (pool.ts); the main thread ends it.

import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { systemClock } from "../../core/index.ts";
import { otherBuildProblem } from "../../model/index.ts";
import {
  createDataPlane,
  defaultDataPlaneOptions,
  LimitView,
  type DataPlane,
  type DataPlaneDeps,
} from "../../proxy/index.ts";
import {
  createAccessLog,
  createLogger,
  openSharedRows,
  SeriesRecorder,
  SpanBatches,
  type BufferedAccessLog,
  type ByteSink,
  type RootLogger,
} from "../../telemetry/recording.ts";
import type { SpanRecord } from "../../telemetry/port.ts";
import { MemoryRelease } from "../memory-release.ts";
import { systemDeps } from "../system-deps.ts";
import { createTransport } from "../transport-choice.ts";
import { mainThread, positionOf, watchEventLoops } from "./heartbeat.ts";
import type { FromWorker, ToWorker, WorkerAnswer, WorkerRequest, WorkerSetup } from "./protocol.ts";

const countersMs = 1_000;

class DataPlaneWorker {
  readonly #port: MessagePort;
  readonly #logger: RootLogger;
  readonly #limits: LimitView;
  readonly #boundPorts = new Map<string, number>();
  readonly #siblingPorts = new Set<number>();
  readonly #sink: PortSink;
  readonly #accessLog: BufferedAccessLog | null;
  readonly #spans: SpanBatches | null;
  readonly #transport: DataPlaneDeps["transport"];
  readonly #dataPlane: DataPlane;
  readonly #memoryRelease: MemoryRelease;

  constructor(setup: WorkerSetup, port: MessagePort) {
    const { thread, threads, maxSeries } = setup;
    const write = (line: string) => this.#post({ kind: "log", line });
    this.#port = port;
    this.#logger = createLogger({ ...setup.log, write, clock: systemClock, fields: { worker: thread } });
    this.#limits = new LimitView(setup.limitMemory, threads, thread);
    this.#sink = new PortSink(port);
    const format = setup.accessLogFormat;
    this.#accessLog = format === null ? null : createAccessLog({ format, clock: systemClock, sink: this.#sink });
    const samplingPercent = setup.traceSamplingPercent;
    const sendSpans = (spans: readonly SpanRecord[]) => this.#post({ kind: "spans", spans });
    this.#spans = samplingPercent === null ? null : new SpanBatches(systemClock, sendSpans);
    const onSeries: ConstructorParameters<typeof SeriesRecorder>[2] = (row, labels) =>
      this.#post({ kind: "series", row, labels });
    this.#transport = createTransport(setup.transport, this.#logger, setup.ledger).transport;
    const system = systemDeps();
    this.#memoryRelease = new MemoryRelease({
      ...system,
      usedBytes: () => system.readMemory().processUsed,
      isBusy: () => this.#dataPlane.isBusy(),
    });
    this.#dataPlane = createDataPlane(
      {
        ...system,
        transport: this.#transport,
        logger: this.#logger.child("proxy"),
        metrics: new SeriesRecorder(maxSeries, openSharedRows(setup.seriesMemory), onSeries),
        accessLog: this.#accessLog,
        tracing: samplingPercent === null ? null : { spans: this.#spans!, samplingPercent },
        sharedLimits: this.#limits,
      },
      {
        ...defaultDataPlaneOptions,
        ...setup.options,
        reusePort: true,
        boundPorts: this.#boundPorts,
        siblingPorts: this.#siblingPorts,
      },
    );
  }

  /** Begins to listen to the main thread. */
  start({ thread, heartbeats }: WorkerSetup): void {
    this.#port.on("message", (message: ToWorker) => this.#receive(message));
    // One watcher of the main thread is enough.
    const others = thread === 0 ? [mainThread] : [];
    watchEventLoops(heartbeats, positionOf(thread), others, systemClock, () => this.#post({ kind: "main-stalled" }));
    systemClock.every(countersMs, () => {
      this.#post({ kind: "counters", samples: this.#samples().filter(({ type }) => type === "counter") });
    });
  }

  #receive(message: ToWorker): void {
    switch (message.kind) {
      case "request":
        // A rejection is a bug; unhandled, it ends the worker, and the pool replaces it.
        void this.#answer(message.id, message.request);
        break;
      case "endpoints":
        this.#dataPlane.applyEndpoints(message.snapshot);
        this.#memoryRelease.soon();
        break;
      case "level":
        this.#logger.setLevel(message.level, message.scope);
        break;
      case "written":
        this.#sink.onWritten(message.error);
        break;
      case "spans-taken":
        this.#spans?.onTaken();
        break;
    }
  }

  async #answer(id: number, request: WorkerRequest): Promise<void> {
    const abandoned = await this.#perform(request);
    const answer: WorkerAnswer = {
      listeners: this.#dataPlane.listeners(),
      clusters: this.#dataPlane.clusters(),
      samples: this.#samples(),
      abandoned,
    };
    this.#post({ kind: "answer", id, answer });
  }

  async #perform(request: WorkerRequest): Promise<number> {
    switch (request.kind) {
      case "routing": {
        this.#limits.addSlots(request.limitSlots);
        this.#boundPorts.clear();
        for (const [name, port] of request.boundPorts) this.#boundPorts.set(name, port);
        this.#siblingPorts.clear();
        for (const port of request.siblingPorts) this.#siblingPorts.add(port);
        const applied = this.#dataPlane.applyRouting(request.snapshot);
        if (request.endpoints !== null) this.#dataPlane.applyEndpoints(request.endpoints);
        await applied;
        this.#memoryRelease.soon();
        return 0;
      }
      case "report":
        return 0;
      case "flush":
        await this.#accessLog?.flush();
        return 0;
      case "drain":
        return (await this.#dataPlane.drain(request.deadlineMs)).abandoned;
      case "stop":
        this.#memoryRelease.stop();
        await this.#dataPlane.stop();
        this.#spans?.flush();
        await this.#accessLog?.close();
        await this.#transport.close();
        return 0;
    }
  }

  #samples() {
    return [...this.#dataPlane.samples(), ...(this.#accessLog?.samples() ?? []), ...(this.#spans?.samples() ?? [])];
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

/** The access log's way to the main thread, which writes for all workers. */
class PortSink implements ByteSink {
  readonly #port: MessagePort;
  #done: ((error: Error | null) => void) | null = null;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    this.#done = done;
    // The access log fills its buffers again, so what is handed over is a copy.
    const copy = new Uint8Array(bytes);
    const message: FromWorker = { kind: "access-log", bytes: copy };
    this.#port.postMessage(message, [copy.buffer]);
  }

  onWritten(error: Error | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(error);
  }

  reopen(): void {
    // The main thread has the file.
  }

  close(): void {
    // The main thread has the file.
  }
}

if (parentPort === null) throw new Error("this file is the entry point of a worker thread");
const setup = workerData as WorkerSetup;
const refusal = otherBuildProblem(setup.buildId);
if (refusal !== null) throw new Error(refusal);
new DataPlaneWorker(setup, parentPort).start(setup);
