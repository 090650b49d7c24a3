// SPDX-License-Identifier: Apache-2.0
// The real data plane, started the way the roles start it, on free ports, with the test's clock and chance. When it is
// disposed it must be empty: no exchange, no busy attempt, no deadline left.

import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";

import type { Random } from "../../src/core/index.ts";
import {
  unknownWorkload,
  type ClusterSpec,
  type EndpointSpec,
  type ForwardAction,
  type RouteMatch,
  type RouteSpec,
  type RoutingSnapshot,
} from "../../src/model/index.ts";
import {
  createDataPlane,
  defaultDataPlaneOptions,
  type DataPlane,
  type DataPlaneDeps,
  type DataPlaneOptions,
} from "../../src/proxy/index.ts";
import type { ClusterStatus, Logger, RequestLabels, SpanRecord } from "../../src/telemetry/port.ts";
import { loggedExchange, type LoggedExchange } from "./access-log-record.ts";
import { FakeClock } from "./fake-clock.ts";
import { connectRaw, type RawPeer } from "./raw-peer.ts";
import { transportUnderTest } from "./transport-under-test.ts";

export const webCluster = "outbound|80||web.default.svc.cluster.local";

export interface RecordedExchange {
  readonly labels: RequestLabels;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface ProxySetup {
  /** Ports of the origins behind the only cluster. */
  readonly origins?: readonly number[];
  /** Replaces the single route `/` to the cluster. */
  readonly routes?: readonly RouteSpec[];
  readonly action?: Partial<ForwardAction>;
  readonly cluster?: Partial<ClusterSpec>;
  readonly role?: "gateway" | "mesh";
  readonly options?: Partial<DataPlaneOptions>;
  readonly random?: Random;
  /** Turns tracing on. */
  readonly traceSamplingPercent?: number;
  /** Replaces bytes that are always the same. */
  readonly fillRandom?: (bytes: Uint8Array) => void;
  /** Limits counted together with other data planes. */
  readonly sharedLimits?: DataPlaneDeps["sharedLimits"];
  readonly resolveHost?: (host: string) => Promise<readonly string[]>;
  /** Stands between the data plane and the sockets (support/transports.ts); closed with the data plane. */
  readonly transport?: DataPlaneDeps["transport"];
}

/** How an exchange ended, as operators see it. */
export interface Outcome {
  readonly code: number;
  readonly flags: string;
  readonly details: string | null;
}

export class ProxyUnderTest implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly exchanges: RecordedExchange[] = [];
  readonly accessLog: LoggedExchange[] = [];
  readonly spans: SpanRecord[] = [];
  readonly logs: { readonly level: string; readonly message: string; readonly fields: object }[] = [];
  /** What the data plane finds the next time it looks. */
  memory: ReturnType<DataPlaneDeps["readMemory"]> = { heapUsed: 1, heapLimit: 100, processUsed: 1, processLimit: 100 };
  /** May make `memory` smaller. */
  onCollectGarbage: () => void = () => undefined;
  readonly dataPlane: DataPlane;
  readonly #transport: DataPlaneDeps["transport"];
  readonly #setup: ProxySetup;
  #drained = false;

  constructor(setup: ProxySetup) {
    this.#setup = setup;
    this.#transport = setup.transport ?? transportUnderTest.create();
    const series: RequestLabels[] = [];
    this.dataPlane = createDataPlane(
      {
        transport: this.#transport,
        clock: this.clock,
        random: setup.random ?? (() => 0),
        logger: this.#logger("proxy"),
        metrics: {
          series: (labels) => series.push(labels) - 1,
          record: (index, durationMs, requestBytes, responseBytes) => {
            this.exchanges.push({ labels: series[index]!, durationMs, requestBytes, responseBytes });
          },
        },
        accessLog: { write: (record) => this.accessLog.push(loggedExchange(record)) },
        tracing:
          setup.traceSamplingPercent === undefined
            ? null
            : { spans: { write: (span) => this.spans.push(span) }, samplingPercent: setup.traceSamplingPercent },
        sharedLimits: setup.sharedLimits ?? null,
        resolveHost:
          setup.resolveHost ?? (async (host) => (await lookup(host, { all: true })).map(({ address }) => address)),
        fillRandom: setup.fillRandom ?? ((bytes) => bytes.fill(0x5a)),
        readMemory: () => this.memory,
        collectGarbage: () => this.onCollectGarbage(),
      },
      {
        ...defaultDataPlaneOptions,
        identity: { workload: unknownWorkload, labels: {}, namespace: "default", clusterDomain: "cluster.local" },
        portMap: new Map([[80, { host: "127.0.0.1", port: 0 }]]),
        ...setup.options,
      },
    );
  }

  async start(): Promise<void> {
    this.setEndpoints((this.#setup.origins ?? []).map((port) => endpoint(port)));
    await this.dataPlane.applyRouting(this.snapshot());
    const [listener] = this.dataPlane.listeners();
    assert.equal(listener?.error, null);
  }

  get port(): number {
    return this.dataPlane.listeners()[0]!.port;
  }

  /** The sum of the samples of that name. */
  sample(name: string): number {
    const samples = this.dataPlane.samples().filter((sample) => sample.name === name);
    return samples.reduce((sum, sample) => sum + sample.value, 0);
  }

  cluster(name: string = webCluster): ClusterStatus {
    const found = this.dataPlane.clusters().find((cluster) => cluster.name === name);
    assert.ok(found, `no cluster ${name}`);
    return found;
  }

  /** Every finished exchange, oldest first; the access log and the metrics must agree on each. */
  outcomes(): readonly Outcome[] {
    assert.equal(this.exchanges.length, this.accessLog.length, "metrics and access log record the same exchanges");
    return this.accessLog.map((record, index) => {
      const labels = this.exchanges[index]!.labels;
      assert.equal(labels.responseCode, record.responseCode);
      assert.equal(labels.responseFlags, record.responseFlags);
      return { code: record.responseCode, flags: record.responseFlags, details: record.responseCodeDetails };
    });
  }

  /** The outcome of the last exchange. */
  lastOutcome(): Outcome | null {
    return this.outcomes().at(-1) ?? null;
  }

  setEndpoints(endpoints: readonly EndpointSpec[]): void {
    this.dataPlane.applyEndpoints({ version: "test", endpoints: new Map([[webCluster, endpoints]]) });
  }

  /** The snapshot of the setup, with other routes when given. */
  snapshot(routes: readonly RouteSpec[] | null = null): RoutingSnapshot {
    const { role = "gateway", cluster, action } = this.#setup;
    const spec: ClusterSpec = { ...defaultCluster, ...cluster };
    const served = routes ?? this.#setup.routes ?? [route({ uri: { kind: "prefix", value: "/" } }, action)];
    return {
      version: "test",
      listeners: [{ name: `${role}_80`, role, bind: "", port: 80, tables: new Map([[80, "http.80"]]) }],
      routeTables: new Map([
        ["http.80", { name: "http.80", hosts: [{ name: "*:80", domains: ["*"], routes: served }] }],
      ]),
      clusters: new Map([[spec.name, spec]]),
    };
  }

  connect(): Promise<RawPeer> {
    return connectRaw(this.port);
  }

  /** Waits until every connection is gone, client and upstream side. */
  async drain(deadlineMs = 1_000): Promise<{ readonly abandoned: number }> {
    this.#drained = true;
    const done = this.dataPlane.drain(deadlineMs);
    // The drain looks once a second whether everything is finished; sockets close in between.
    let result: { readonly abandoned: number } | null = null;
    void done.then((value) => (result = value));
    while (result === null) {
      this.clock.advance(100);
      await nextTurn();
    }
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#drained) await this.dataPlane.stop();
    await this.#transport.close();
    // Closing sockets takes turns of the loop, never time.
    for (let turn = 0; turn < 1_000 && this.sample("naru_downstream_connections_active") > 0; turn++) await nextTurn();
    for (const name of ["naru_exchanges_active", "naru_downstream_connections_active", "naru_deadlines_pending"]) {
      assert.equal(this.sample(name), 0, `${name} after the test`);
    }
    for (const cluster of this.dataPlane.clusters()) {
      assert.equal(cluster.requestsActive, 0, `requests in flight to ${cluster.name} after the test`);
      assert.equal(cluster.requestsPending, 0, `requests waiting for ${cluster.name} after the test`);
      assert.equal(cluster.connectionsActive, 0, `connections to ${cluster.name} after the test`);
    }
    assert.equal(this.sample("naru_internal_errors_total"), 0, JSON.stringify(this.logs));
  }

  #logger(scope: string): Logger {
    const write =
      (level: string) =>
      (message: string, fields: object = {}) => {
        this.logs.push({ level, message, fields });
      };
    return {
      scope,
      enabled: () => true,
      trace: write("trace"),
      debug: write("debug"),
      info: write("info"),
      warning: write("warning"),
      error: write("error"),
      child: (name) => this.#logger(name),
    };
  }
}

export async function startProxy(setup: ProxySetup = {}): Promise<ProxyUnderTest> {
  const proxy = new ProxyUnderTest(setup);
  await proxy.start();
  return proxy;
}

export function endpoint(port: number, more: Partial<EndpointSpec> = {}): EndpointSpec {
  return { address: "127.0.0.1", port, weight: 1, ready: true, workload: unknownWorkload, ...more };
}

export const anyMatch: RouteMatch = {
  uri: null,
  ignoreUriCase: false,
  method: null,
  scheme: null,
  authority: null,
  headers: [],
  withoutHeaders: [],
  queryParams: [],
};

export function route(match: Partial<RouteMatch>, action: Partial<ForwardAction> = {}): RouteSpec {
  return {
    name: "",
    match: { ...anyMatch, ...match },
    action: { ...defaultAction, ...action },
    origin: {
      resource: { kind: "VirtualService", namespace: "default", name: "web" },
      position: { file: "test.yaml", line: 1, column: 1 },
      path: "spec.http[0]",
    },
  };
}

/** Istio's default retry policy, as far as HTTP/1.1 knows it. */
export const defaultAction: ForwardAction = {
  kind: "forward",
  destinations: [{ cluster: webCluster, weight: 1 }],
  timeoutMs: 0,
  retries: {
    attempts: 2,
    perTryTimeoutMs: 0,
    on: ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"],
    statusCodes: [],
    backoffMs: 25,
  },
};

const unlimited = 2 ** 32 - 1;

export const defaultCluster: ClusterSpec = {
  name: webCluster,
  service: { host: "web.default.svc.cluster.local", name: "web", namespace: "default" },
  port: 80,
  subset: "",
  loadBalancer: "LEAST_REQUEST",
  connectTimeoutMs: 10_000,
  maxConnections: unlimited,
  maxPendingRequests: unlimited,
  maxRequests: unlimited,
  maxRetries: unlimited,
  maxRequestsPerConnection: 0,
  idleTimeoutMs: 3_600_000,
  discovery: "static",
};

/** Waits for what only takes turns of the event loop, such as bytes between two sockets of this process. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > endMs) assert.fail(`waited too long until ${what}`);
    await nextTurn();
  }
}

/** One turn of the event loop, I/O included. */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}
