// SPDX-License-Identifier: Apache-2.0
// The parts of a serving process that need nothing but options: they are made first, and nothing runs in them yet.

import { CliError, exitCodes } from "../cli/index.ts";
import { messageOf, type Clock } from "../core/index.ts";
import { createDataPlane, defaultDataPlaneOptions, type DataPlane, type DataPlaneOptions } from "../proxy/index.ts";
import {
  createAccessLog,
  createByteSink,
  createLogger,
  createRequestMetrics,
  maxOpenFiles,
  MetricsRegistry,
  processSamples,
  startSpanExporter,
  type ByteSink,
  type RootLogger,
  type SpanExporter,
  type StoredRequestMetrics,
} from "../telemetry/index.ts";
import { connectionBudget } from "./connection-budget.ts";
import { LoopWatch } from "./loop-watch.ts";
import type { ServeOptions } from "./serve-options.ts";
import { systemDeps } from "./system-deps.ts";
import { chooseTransport, createTransport, transportSample, type TransportChoice } from "./transport-choice.ts";
import { versionInfo } from "./version.ts";

export interface ServeDeps {
  /** Takes one line of the log, without its line break. */
  readonly writeLog: (line: string) => void;
  /** Whether log levels may be coloured. */
  readonly colour: boolean;
  /** Somebody asked over the admin port that the process ends. */
  readonly onQuit: () => void;
}

/** A log file; what was written before `reopen` goes to the old one. */
interface OpenLog {
  reopen(): void | Promise<void>;
  close(): Promise<void>;
}

interface DataPlaneParts {
  readonly dataPlane: DataPlane;
  readonly accessLog: OpenLog | null;
  /** null = the threads watch each other. */
  readonly loopWatch: LoopWatch | null;
  /** Brings what the data plane says about itself up to date; null = it always is. */
  readonly refresh: (() => Promise<void>) | null;
  /** Of all threads; a worker that could not follow it says so in the log and the metrics. */
  readonly transport: TransportChoice;
  /** Last of all, when the data plane has stopped. */
  readonly closeTransport: () => Promise<void>;
}

export interface Parts extends DataPlaneParts {
  readonly clock: Clock;
  /** Stops the thread for some ten milliseconds. */
  readonly collectGarbage: () => void;
  /** Private memory of the process. */
  readonly usedBytes: () => number;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly metrics: StoredRequestMetrics;
  /** null = tracing is off. */
  readonly spans: SpanExporter | null;
}

/** What both kinds of data plane are made from. */
interface Base {
  readonly options: ServeOptions;
  readonly deps: ServeDeps;
  readonly system: ReturnType<typeof systemDeps>;
  readonly logger: RootLogger;
  readonly metrics: StoredRequestMetrics;
  readonly registry: MetricsRegistry;
  readonly spans: SpanExporter | null;
  readonly transport: TransportChoice;
}

/** Where SO_REUSEPORT spreads connections; elsewhere Node refuses it. */
const canSharePorts = ["linux", "freebsd"].includes(process.platform);

/** Series of request metrics before new label sets are lumped together. */
const maxMetricSeries = 10_000;

/** Throws CliError when the access log cannot be opened, or the transport that was asked for cannot be had. */
export async function createParts(options: ServeOptions, deps: ServeDeps): Promise<Parts> {
  const { logLevel: level, logFormat: format } = options;
  const system = systemDeps();
  const { clock } = system;
  const logger = createLogger({ level, format, colour: deps.colour, write: deps.writeLog, clock });
  const registry = new MetricsRegistry();
  registry.addSource(processSamples(versionInfo().version));
  const metrics = createRequestMetrics(registry, { maxSeries: maxMetricSeries });
  const transport = chooseTransport(options.transport);
  logger.info("transport chosen", { transport: transport.name, reason: transport.reason });
  const spans = await startTracing(options, logger, clock);
  const base = { options, deps, system, logger, registry, metrics, spans, transport };
  try {
    const parts = options.concurrency === 1 ? onThisThread(base) : await onWorkers(base);
    registry.addSource(() => [transportSample(parts.transport), ...parts.dataPlane.samples()]);
    if (spans !== null) registry.addSource(spans.samples);
    const { collectGarbage } = system;
    const usedBytes = () => system.readMemory().processUsed;
    return { clock, collectGarbage, usedBytes, logger, registry, metrics, spans, ...parts };
  } catch (error) {
    await spans?.close();
    throw error;
  }
}

/** OpenTelemetry is loaded here, on the main thread, and only when there is a collector. */
async function startTracing(options: ServeOptions, logger: RootLogger, clock: Clock): Promise<SpanExporter | null> {
  const { tracing, identity } = options;
  if (tracing === null) return null;
  const { endpoint, exportDelayMs: delayMs } = tracing;
  const { version } = versionInfo();
  return await startSpanExporter({ endpoint, delayMs, identity, version, logger: logger.child("tracing"), clock });
}

/** The usual case on small machines: no second heap, no message, no shared memory. */
function onThisThread({ options, system, logger, metrics, registry, spans, transport: wanted }: Base): DataPlaneParts {
  const sink = openSink(options, logger, system.clock);
  const accessLog =
    options.accessLog === null || sink === null
      ? null
      : createAccessLog({ format: options.accessLog.format, clock: system.clock, sink });
  const { transport, choice } = createTransport(wanted, logger);
  const dataPlane = createDataPlane(
    {
      ...system,
      transport,
      logger: logger.child("proxy"),
      metrics,
      accessLog,
      tracing: spans && { spans, samplingPercent: options.tracing!.samplingPercent },
      sharedLimits: null,
    },
    { ...defaultDataPlaneOptions, ...toldOptions(options, logger), reusePort: canSharePorts },
  );
  if (accessLog !== null) registry.addSource(accessLog.samples);
  const loopWatch = new LoopWatch(system.clock, logger);
  registry.addSource(() => loopWatch.samples());
  const closeTransport = () => transport.close();
  return { dataPlane, accessLog, loopWatch, refresh: null, transport: choice, closeTransport };
}

async function onWorkers({ options, deps, system, logger, metrics, spans, transport }: Base): Promise<DataPlaneParts> {
  const { createWorkerPool, SinkQueue, startWorker } = await import("./workers/index.ts");
  const sink = openSink(options, logger, system.clock);
  const accessLog = sink === null ? null : new SinkQueue(sink);
  const pool = createWorkerPool(
    {
      clock: system.clock,
      random: system.random,
      logger,
      writeLog: deps.writeLog,
      metrics,
      accessLog,
      spans,
      start: startWorker,
    },
    {
      threads: options.concurrency,
      options: toldOptions(options, logger),
      accessLogFormat: options.accessLog?.format ?? null,
      traceSamplingPercent: options.tracing?.samplingPercent ?? null,
      transport,
      maxSeries: maxMetricSeries,
      logFormat: options.logFormat,
      logColour: deps.colour,
    },
  );
  const log: OpenLog | null = accessLog && {
    reopen: () => pool.flushAccessLog().then(() => accessLog.reopen()),
    close: () => accessLog.close(),
  };
  // Each worker has a transport of its own, and closes it.
  const closeTransport = () => Promise.resolve();
  const refresh = () => pool.refresh();
  return { dataPlane: pool, accessLog: log, loopWatch: null, refresh, transport, closeTransport };
}

type ToldOptions = ServeOptions["traffic"] &
  Pick<DataPlaneOptions, "identity" | "portMap" | "defaultBind" | "takeOver" | "descriptorsPerSide">;

/** What the data plane is told, with no more connections than there are file descriptors for. */
function toldOptions(
  { identity, portMap, defaultBind, takeOver, traffic, concurrency }: ServeOptions,
  logger: RootLogger,
): ToldOptions {
  const openFiles = maxOpenFiles();
  const { maxConnections, descriptorsPerSide, neededFiles } = connectionBudget(
    traffic.maxConnections,
    openFiles,
    concurrency,
  );
  if (neededFiles !== null) {
    logger.warning("too few file descriptors for the connections asked for; raise 'ulimit -n' (systemd: LimitNOFILE)", {
      connections: traffic.maxConnections,
      allowed: maxConnections,
      open_files: openFiles,
      needed: neededFiles,
    });
  }
  return { ...traffic, maxConnections, descriptorsPerSide, identity, portMap, defaultBind, takeOver };
}

function openSink({ accessLog }: ServeOptions, logger: RootLogger, clock: Clock): ByteSink | null {
  if (accessLog === null) return null;
  const { file } = accessLog;
  const onError = (message: string, error: Error) =>
    logger.child("access-log").error(message, { error: messageOf(error) });
  try {
    const target = file === null ? ({ kind: "stdout" } as const) : ({ kind: "file", path: file } as const);
    return createByteSink({ target, clock, onError });
  } catch (error) {
    const message = `cannot open the access log ${file}: ${messageOf(error)}`;
    throw new CliError(exitCodes.failure, message, "Name another --access-log-file.", { cause: error });
  }
}
