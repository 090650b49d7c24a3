// SPDX-License-Identifier: Apache-2.0
// All that a serving process records with, put together once: log, metrics, access log. Pages that show it are in admin/.

import type { Clock } from "../core/index.ts";
import { createAccessLog, type BufferedAccessLog } from "./access-log/access-log.ts";
import { createByteSink, type ByteSinkOptions } from "./access-log/byte-sink.ts";
import type { RootLogger } from "./log/logger.ts";
import { processSamples } from "./metrics/process-metrics.ts";
import { MetricsRegistry } from "./metrics/registry.ts";
import { createRequestMetrics, type StoredRequestMetrics } from "./metrics/request-metrics.ts";

export interface TelemetryOptions {
  /** Made before everything else, because the command line has its level and format; not closed here. */
  readonly logger: RootLogger;
  readonly clock: Clock;
  /** Label `tag` of istio_build. */
  readonly version: string;
  /** Label sets of requests kept apart. */
  readonly maxSeries: number;
  /** null = off, and then nothing is spent on it. */
  readonly accessLog: { readonly format: "text" | "json"; readonly target: ByteSinkOptions["target"] } | null;
}

export interface Telemetry {
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly requests: StoredRequestMetrics;
  readonly accessLog: BufferedAccessLog | null;
  /** Opens log files again, for rotation (SIGHUP). */
  reopen(): void;
  /** Flushes the access log, for at most a second. Call it last, when nothing records any more. */
  close(): Promise<void>;
}

/** Default of `maxSeries`: Envoy has none, but every label a client can choose would fill memory. */
export const defaultMaxSeries = 10_000;

/** Throws the system's error when the access log cannot be opened. */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { logger, clock, version, maxSeries } = options;
  const accessLog = openAccessLog(options);
  const registry = new MetricsRegistry();
  const requests = createRequestMetrics(registry, { maxSeries });
  registry.addSource(processSamples(version));
  if (accessLog !== null) registry.addSource(accessLog.samples);
  return {
    logger,
    registry,
    requests,
    accessLog,
    reopen: () => accessLog?.reopen(),
    close: async () => accessLog?.close(),
  };

  function openAccessLog({ accessLog: wanted }: TelemetryOptions): BufferedAccessLog | null {
    if (wanted === null) return null;
    const log = logger.child("access-log");
    const onError = (message: string, error: Error) => log.error(message, { error: error.message });
    const sink = createByteSink({ target: wanted.target, clock, onError });
    return createAccessLog({ format: wanted.format, sink, clock });
  }
}
