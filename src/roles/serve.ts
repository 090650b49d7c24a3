// SPDX-License-Identifier: Apache-2.0
// The composition root of everything that serves: logger, metrics, access log, data plane, configuration. Owns what it
// starts and stops it in the reverse order. Signals are main.ts's.

import { randomFillSync } from "node:crypto";
import { lookup } from "node:dns/promises";
import { CliError, exitCodes } from "../cli/index.ts";
import { createConfigLoop, createFileSource, type ConfigLoop, type FileSource } from "../config/index.ts";
import { messageOf, systemClock, type Cancel, type Clock } from "../core/index.ts";
import { formatProblem, type EndpointSnapshot, type Problem, type RoutingSnapshot } from "../model/index.ts";
import { createDataPlane, createNodeTransport, defaultDataPlaneOptions, type DataPlane } from "../proxy/index.ts";
import {
  createAccessLog,
  createByteSink,
  createLogger,
  createRequestMetrics,
  MetricsRegistry,
  type BufferedAccessLog,
  type RequestTotals,
  type RootLogger,
  type StoredRequestMetrics,
} from "../telemetry/index.ts";
import type { ListenerStatus, Logger } from "../telemetry/port.ts";
import type { ServeOptions } from "./serve-options.ts";

export interface ServeDeps {
  /** Takes one line of the log, without its line break. */
  readonly writeLog: (line: string) => void;
  /** Whether log levels may be coloured. */
  readonly colour: boolean;
}

/** A process that serves. */
export interface Serving {
  readonly logger: RootLogger;
  readonly dataPlane: DataPlane;
  /** False before everything configured is served, and while draining. */
  ready(): boolean;
  /** What is in force now. */
  routing(): RoutingSnapshot;
  endpoints(): EndpointSnapshot;
  problems(): readonly Problem[];
  /** Requests so far, by labels. */
  requestTotals(): readonly RequestTotals[];
  /** Opens log files again, after they were rotated. */
  reopenLogs(): void;
  /** Stops accepting, finishes what is in flight for at most `deadlineMs`, then stops everything. */
  stopGracefully(deadlineMs: number): Promise<{ readonly abandoned: number }>;
  /** Stops everything at once. Harmless when it is stopped already. */
  stop(): Promise<void>;
}

/** Series of request metrics before new label sets are lumped together. */
const maxMetricSeries = 10_000;
const retryBindMs = 10_000;

/**
 * Starts all of it. Resolves when the first configuration is applied and every listener is bound; rejects with a
 * CliError that says what to do when that is not possible, and leaves nothing running then.
 */
export async function startServing(options: ServeOptions, deps: ServeDeps): Promise<Serving> {
  const serving = new Server(options, createParts(options, deps));
  try {
    await serving.start();
  } catch (error) {
    await serving.stop();
    throw error;
  }
  return serving;
}

/** What needs nothing of the others but what it is given. */
interface Parts {
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly metrics: StoredRequestMetrics;
  readonly accessLog: BufferedAccessLog | null;
  readonly dataPlane: DataPlane;
}

function createParts(options: ServeOptions, deps: ServeDeps): Parts {
  const clock = systemClock;
  const { logLevel: level, logFormat: format, identity, portMap, defaultBind } = options;
  const logger = createLogger({ level, format, colour: deps.colour, write: deps.writeLog, clock });
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: maxMetricSeries });
  const accessLog = openAccessLog(options, logger, clock);
  const dataPlane = createDataPlane(
    {
      transport: createNodeTransport(),
      clock,
      random: Math.random,
      logger: logger.child("proxy"),
      metrics,
      accessLog,
      resolveHost: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      fillRandom: (bytes) => void randomFillSync(bytes),
    },
    { ...defaultDataPlaneOptions, identity, portMap, defaultBind },
  );
  registry.addSource(() => dataPlane.samples());
  if (accessLog !== null) registry.addSource(accessLog.samples);
  return { clock, logger, registry, metrics, accessLog, dataPlane };
}

class Server implements Serving {
  readonly #options: ServeOptions;
  readonly #parts: Parts;
  readonly #configLogger: Logger;
  #loop: ConfigLoop | null = null;
  #source: FileSource | null = null;
  #routing: RoutingSnapshot = { version: "", listeners: [], routeTables: new Map(), clusters: new Map() };
  #endpoints: EndpointSnapshot = { version: "", endpoints: new Map() };
  #problems: readonly Problem[] = [];
  #applied: Promise<void> = Promise.resolve();
  #ready = false;
  #cancelRetry: Cancel | null = null;
  #stopped: Promise<void> | null = null;

  constructor(options: ServeOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#configLogger = parts.logger.child("config");
  }

  get logger(): RootLogger {
    return this.#parts.logger;
  }

  get dataPlane(): DataPlane {
    return this.#parts.dataPlane;
  }

  async start(): Promise<void> {
    await this.#startConfig();
    this.#refuseUnreadablePaths();
    for (const listener of this.dataPlane.listeners()) if (listener.error !== null) throw bindError(listener);
    if (this.#routing.listeners.length === 0) this.#warnOfNothing();
    this.#cancelRetry = this.#parts.clock.every(retryBindMs, () => this.#retryListeners());
    this.#ready = true;
  }

  ready(): boolean {
    return this.#ready;
  }

  routing(): RoutingSnapshot {
    return this.#routing;
  }

  endpoints(): EndpointSnapshot {
    return this.#endpoints;
  }

  problems(): readonly Problem[] {
    return this.#problems;
  }

  requestTotals(): readonly RequestTotals[] {
    return this.#parts.metrics.totals();
  }

  reopenLogs(): void {
    this.#parts.accessLog?.reopen();
    this.logger.info("log files reopened");
  }

  async stopGracefully(deadlineMs: number): Promise<{ readonly abandoned: number }> {
    this.#ready = false;
    this.#stopConfig();
    this.logger.info("draining", { deadline_ms: deadlineMs });
    const { abandoned } = await this.dataPlane.drain(deadlineMs);
    if (abandoned > 0) this.logger.warning("drain deadline passed", { abandoned });
    await this.stop();
    return { abandoned };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#ready = false;
    this.#stopConfig();
    await this.dataPlane.stop();
    await this.#parts.accessLog?.close();
    this.logger.info("stopped");
  }

  /** Resolves when the first configuration is applied. */
  async #startConfig(): Promise<void> {
    const { identity, mesh, paths } = this.#options;
    const deps = { clock: this.#parts.clock, logger: this.#configLogger };
    const loopOptions = { identity, gateway: true, mesh, holdOffMs: 100, maxHoldOffMs: 1000 };
    const loop = createConfigLoop(deps, loopOptions, {
      routing: (snapshot) => this.#applyRouting(snapshot),
      endpoints: (snapshot) => this.#applyEndpoints(snapshot),
      problems: (problems) => this.#takeProblems(problems),
    });
    this.#loop = loop;
    this.#source = createFileSource(paths, deps, loop.onFiles);
    await this.#source.start();
    await this.#applied;
  }

  #stopConfig(): void {
    this.#cancelRetry?.();
    this.#source?.stop();
    this.#loop?.close();
  }

  #applyRouting(snapshot: RoutingSnapshot): void {
    this.#routing = snapshot;
    this.#applied = this.dataPlane.applyRouting(snapshot);
  }

  #applyEndpoints(snapshot: EndpointSnapshot): void {
    this.#endpoints = snapshot;
    this.dataPlane.applyEndpoints(snapshot);
  }

  /** Logs what is new; what is still wrong was said before. */
  #takeProblems(problems: readonly Problem[]): void {
    const known = new Set(this.#problems.map(formatProblem));
    for (const problem of problems) {
      const text = formatProblem(problem);
      if (!known.has(text)) this.#log(problem, text);
    }
    this.#problems = problems;
  }

  #log({ severity }: Problem, problem: string): void {
    this.#configLogger[severity]("problem in the configuration", { problem });
  }

  #refuseUnreadablePaths(): void {
    for (const { code, position, message } of this.#problems) {
      if (code !== "FILE_UNREADABLE" || !this.#options.paths.includes(position.file)) continue;
      throw new CliError(exitCodes.failure, `${position.file}: ${message}`, "Check the path, or leave it out.");
    }
  }

  #warnOfNothing(): void {
    const labels = Object.entries(this.#options.identity.labels).map(([key, value]) => `${key}=${value}`);
    this.logger.warning("no Gateway selects this process, so it listens on nothing yet", { labels: labels.join(",") });
  }

  /** A port that was taken when the configuration asked for it may be free by now. */
  #retryListeners(): void {
    if (this.dataPlane.listeners().every(({ error }) => error === null)) return;
    this.#applyRouting(this.#routing);
  }
}

function openAccessLog({ accessLog }: ServeOptions, logger: RootLogger, clock: Clock): BufferedAccessLog | null {
  if (accessLog === null) return null;
  const { file, format } = accessLog;
  const onError = (message: string, error: Error) =>
    logger.child("access-log").error(message, { error: messageOf(error) });
  try {
    const target = file === null ? ({ kind: "stdout" } as const) : ({ kind: "file", path: file } as const);
    return createAccessLog({ format, clock, sink: createByteSink({ target, clock, onError }) });
  } catch (error) {
    const message = `cannot open the access log ${file}: ${messageOf(error)}`;
    throw new CliError(exitCodes.failure, message, "Name another --access-log-file.", { cause: error });
  }
}

function bindError({ error, configuredPort, role }: ListenerStatus): CliError {
  const option =
    role === "mesh" ? "--mesh-port with another port" : `--listen ${configuredPort}=PORT with another port`;
  const text = error ?? "";
  let hint = `Use ${option}, or --bind with another address.`;
  if (text.includes("EADDRINUSE")) hint = `Another process has this port: stop it, or use ${option}.`;
  if (text.includes("EACCES")) hint = `Low ports need the right to bind them (CAP_NET_BIND_SERVICE); or use ${option}.`;
  return new CliError(exitCodes.failure, text, hint);
}
