// SPDX-License-Identifier: Apache-2.0
// A pool of real worker threads behind one port. Time stands still on the main thread until a test moves it; the workers
// have their own.

import assert from "node:assert/strict";
import type { Worker } from "node:worker_threads";

import {
  unknownWorkload,
  type ClusterSpec,
  type RouteSpec,
  type RoutingSnapshot,
  type TrafficOptions,
} from "../../../src/model/index.ts";
import { createWorkerPool, SinkQueue, startWorker, type WorkerPool } from "../../../src/roles/workers/index.ts";
import { createLogger, createRequestMetrics, MetricsRegistry } from "../../../src/telemetry/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/load.ts";
import { defaultCluster, endpoint, eventually, route, webCluster } from "../../support/proxy-under-test.ts";
import { connectRaw, type RawPeer } from "../../support/raw-peer.ts";
import { transportUnderTest, uringCheck, type Transport } from "../../support/transport-under-test.ts";

export interface PoolSetup {
  readonly threads?: number;
  readonly origin?: number;
  readonly cluster?: Partial<ClusterSpec>;
  readonly options?: Partial<TrafficOptions>;
  /** Default: everything goes to the origin. */
  readonly routes?: readonly RouteSpec[];
  readonly start?: typeof startWorker;
  /** Other than the one under test. */
  readonly transport?: Transport["name"];
  /** The transport was not asked for by name: a thread may go on without it. */
  readonly auto?: boolean;
}

export class PoolUnderTest implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly registry = new MetricsRegistry();
  readonly metrics = createRequestMetrics(this.registry, { maxSeries: 100 });
  readonly logger = createLogger({
    level: "info",
    format: "text",
    colour: false,
    write: (line) => this.log.push(line),
    clock: this.clock,
  });
  /** Threads in the order they were started. */
  readonly started: Worker[] = [];
  /** The access log, one string per write. */
  readonly written: string[] = [];
  readonly #writes: (() => void)[] = [];
  /** While true, the access log's file takes nothing. */
  holdsWrites = false;
  readonly pool: WorkerPool;
  readonly #setup: PoolSetup;

  constructor(setup: PoolSetup) {
    this.#setup = setup;
    const start = setup.start ?? startWorker;
    const accessLog = new SinkQueue({
      write: (bytes, done) => {
        const write = () => {
          this.written.push(bytes.toString("latin1"));
          done(null);
        };
        if (this.holdsWrites) this.#writes.push(write);
        else write();
      },
      reopen: () => {},
      close: () => {},
    });
    this.pool = createWorkerPool(
      {
        clock: this.clock,
        random: seededRandom(1),
        logger: this.logger,
        writeLog: (line) => this.log.push(line),
        metrics: this.metrics,
        accessLog,
        spans: null,
        start: (workerSetup) => {
          const worker = start(workerSetup);
          this.started.push(worker);
          return worker;
        },
      },
      {
        threads: setup.threads ?? 2,
        options: {
          identity: { workload: unknownWorkload, labels: {}, namespace: "default", clusterDomain: "cluster.local" },
          portMap: new Map([[80, { host: "127.0.0.1", port: 0 }]]),
          defaultBind: "127.0.0.1",
          takeOver: false,
          ...setup.options,
        },
        accessLogFormat: "json",
        traceSamplingPercent: null,
        transport: {
          wanted: setup.auto === true ? "auto" : (setup.transport ?? transportUnderTest.name),
          name: setup.transport ?? transportUnderTest.name,
          reason: "under test",
          uringBufferBytes: 2 ** 20,
          uringCoalesces: true,
          uringCheck,
        },
        maxSeries: 100,
        logFormat: "text",
        logColour: false,
      },
    );
  }

  get port(): number {
    const [listener] = this.pool.listeners();
    assert.ok(listener, "no worker listens");
    return listener.port;
  }

  snapshot(): RoutingSnapshot {
    const spec: ClusterSpec = { ...defaultCluster, ...this.#setup.cluster };
    const routes = this.#setup.routes ?? [route({ uri: { kind: "prefix", value: "/" } })];
    return {
      version: "test",
      listeners: [{ name: "gateway_80", role: "gateway", bind: "", port: 80, tables: new Map([[80, "http.80"]]) }],
      routeTables: new Map([["http.80", { name: "http.80", hosts: [{ name: "*:80", domains: ["*"], routes }] }]]),
      clusters: new Map([[spec.name, spec]]),
    };
  }

  setOrigin(port: number): void {
    this.pool.applyEndpoints({ version: String(port), endpoints: new Map([[webCluster, [endpoint(port)]]]) });
  }

  /** After `refresh`: the sum of the samples of that name, or of those with these labels. */
  sample(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.pool
      .samples()
      .filter((sample) => sample.name === name && Object.entries(labels).every(([key, v]) => sample.labels[key] === v))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Connections open to each worker, by its number. */
  async connectionsByWorker(): Promise<readonly number[]> {
    await this.pool.refresh();
    return this.started
      .slice(0, this.#setup.threads ?? 2)
      .map((_, thread) => this.sample("naru_worker_connections_active", { worker: String(thread) }));
  }

  /** Opens connections until each worker has at least `each`. */
  async connectToAll(each: number): Promise<RawPeer[]> {
    const peers: RawPeer[] = [];
    for (;;) {
      peers.push(...(await Promise.all(Array.from({ length: 8 }, () => connectRaw(this.port)))));
      const counts = await this.connectionsByWorker();
      if (counts.every((count) => count >= each)) return peers;
      assert.ok(peers.length < 400, `the kernel gives some worker nothing: ${counts.join(", ")}`);
    }
  }

  /** The file of the access log takes bytes again. */
  releaseWrites(): void {
    this.holdsWrites = false;
    for (const write of this.#writes.splice(0)) write();
  }

  /** Ends a thread from outside, as running out of memory would, and lets its replacement start. */
  async replace(worker: Worker): Promise<void> {
    const deaths = this.#deaths();
    void worker.terminate();
    await eventually(() => this.#deaths() > deaths, "the death is noticed");
    this.clock.advance(0);
    // Answered after the replacement has applied the snapshot.
    await this.pool.applyRouting(this.snapshot());
  }

  #deaths(): number {
    return this.log.filter((line) => line.includes("worker ended")).length;
  }

  /** Not orderly: time stands still here, so a worker that does not stop would be waited for for ever. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.pool.stop();
    await Promise.all(this.started.map((worker) => worker.terminate()));
    await stopped;
  }
}

export async function startPool(setup: PoolSetup = {}): Promise<PoolUnderTest> {
  const started = new PoolUnderTest(setup);
  if (setup.origin !== undefined) started.setOrigin(setup.origin);
  try {
    await started.pool.applyRouting(started.snapshot());
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  return started;
}

/** Disposes of them together. */
export async function closeAll(peers: readonly RawPeer[]): Promise<void> {
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
}
