// SPDX-License-Identifier: Apache-2.0
// The main thread's end of one worker, from its start to its end. A replacement is a new one.

import type { Worker } from "node:worker_threads";
import type { Logger, RequestLabels, Sample, SpanRecord } from "../../telemetry/port.ts";
import type { FromWorker, ToWorker, WorkerAnswer, WorkerRequest } from "./protocol.ts";

/** What a worker makes happen on the main thread. */
export interface WorkerEvents {
  onSeries(row: number, labels: RequestLabels | null): void;
  onLog(line: string): void;
  /** `done` is to be called once, with the error or null. */
  onAccessLog(bytes: Uint8Array<ArrayBuffer>, done: (error: Error | null) => void): void;
  onSpans(spans: readonly SpanRecord[]): void;
  onMainStalled(): void;
  /** Last call, exactly once. What was asked and not answered is settled already. */
  onEnd(): void;
}

export class WorkerHandle {
  /** What it last said about itself. */
  latest: WorkerAnswer | null = null;
  /** Its counters, at most a second old. */
  counters: readonly Sample[] = [];
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #logger: Logger;
  readonly #asked = new Map<number, (answer: WorkerAnswer | null) => void>();
  readonly #ended = Promise.withResolvers<void>();
  #lastId = 0;

  constructor(worker: Worker, logger: Logger, events: WorkerEvents) {
    this.#worker = worker;
    this.#logger = logger;
    this.#events = events;
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.on("error", (error: unknown) => this.#onError(error));
    worker.on("exit", () => this.#onExit());
  }

  /** Resolves with the answer, or null when the worker ends before it gives one. */
  request(request: WorkerRequest): Promise<WorkerAnswer | null> {
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer | null>();
    const id = ++this.#lastId;
    this.#asked.set(id, resolve);
    this.post({ kind: "request", id, request });
    return promise;
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Ends it at once, whatever it does. */
  async terminate(): Promise<void> {
    void this.#worker.terminate();
    await this.#ended.promise;
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "answer":
        this.latest = message.answer;
        this.counters = message.answer.samples.filter(({ type }) => type === "counter");
        this.#asked.get(message.id)?.(message.answer);
        this.#asked.delete(message.id);
        break;
      case "counters":
        this.counters = message.samples;
        break;
      case "series":
        this.#events.onSeries(message.row, message.labels);
        break;
      case "log":
        this.#events.onLog(message.line);
        break;
      case "access-log":
        this.#events.onAccessLog(message.bytes, (error) => this.post({ kind: "written", error }));
        break;
      case "spans":
        this.#events.onSpans(message.spans);
        this.post({ kind: "spans-taken" });
        break;
      case "main-stalled":
        this.#events.onMainStalled();
        break;
    }
  }

  /** An exception that nothing in the worker caught, or no memory left; `exit` follows. */
  #onError(error: unknown): void {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    this.#logger.error("worker failed", { error: message, stack });
  }

  #onExit(): void {
    for (const resolve of this.#asked.values()) resolve(null);
    this.#asked.clear();
    this.#events.onEnd();
    this.#ended.resolve();
  }
}
