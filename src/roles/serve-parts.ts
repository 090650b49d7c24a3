// SPDX-License-Identifier: Apache-2.0
// The parts of a serving process that need nothing but options: they are made first, and nothing runs in them yet.

import { randomFillSync } from "node:crypto";
import { lookup } from "node:dns/promises";
import { CliError, exitCodes } from "../cli/index.ts";
import { messageOf, systemClock, type Clock } from "../core/index.ts";
import { createDataPlane, createNodeTransport, defaultDataPlaneOptions, type DataPlane } from "../proxy/index.ts";
import {
  createAccessLog,
  createByteSink,
  createLogger,
  createRequestMetrics,
  MetricsRegistry,
  type BufferedAccessLog,
  type RootLogger,
  type StoredRequestMetrics,
} from "../telemetry/index.ts";
import type { ServeOptions } from "./serve-options.ts";

export interface ServeDeps {
  /** Takes one line of the log, without its line break. */
  readonly writeLog: (line: string) => void;
  /** Whether log levels may be coloured. */
  readonly colour: boolean;
  /** Somebody asked over the admin port that the process ends. */
  readonly onQuit: () => void;
}

export interface Parts {
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly metrics: StoredRequestMetrics;
  readonly accessLog: BufferedAccessLog | null;
  readonly dataPlane: DataPlane;
}

/** Series of request metrics before new label sets are lumped together. */
const maxMetricSeries = 10_000;

/** Throws CliError when the access log cannot be opened. */
export function createParts(options: ServeOptions, deps: ServeDeps): Parts {
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
      sharedLimits: null,
      resolveHost: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      fillRandom: (bytes) => void randomFillSync(bytes),
    },
    { ...defaultDataPlaneOptions, identity, portMap, defaultBind },
  );
  registry.addSource(() => dataPlane.samples());
  if (accessLog !== null) registry.addSource(accessLog.samples);
  return { clock, logger, registry, metrics, accessLog, dataPlane };
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
