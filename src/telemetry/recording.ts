// SPDX-License-Identifier: Apache-2.0
// What a data-plane worker needs of telemetry: all that records and nothing that shows, so that a worker loads neither
// prom-client nor node:http.

export { createAccessLog, type BufferedAccessLog } from "./access-log/access-log.ts";
export type { ByteSink } from "./access-log/byte-sink.ts";
export { createLogger, type RootLogger } from "./log/logger.ts";
export { SpanBatches } from "./tracing/span-batches.ts";
export { allocateSharedRows, openSharedRows, SeriesRecorder } from "./metrics/request-series.ts";
