// SPDX-License-Identifier: Apache-2.0
// Metrics, logs and admin pages. Only roles and main.ts see this; everybody else records to port.ts.

export { createAccessLog, type AccessLogOptions, type BufferedAccessLog } from "./access-log/access-log.ts";
export { createByteSink, type ByteSink, type ByteSinkOptions } from "./access-log/byte-sink.ts";
export type { AdminDeps, ConfigView, GatewayDeps, Readiness } from "./admin/admin-pages.ts";
export { createAdminServer, type AdminAddress, type AdminOptions, type AdminServer } from "./admin/admin-server.ts";
export type { View } from "./admin/endpoint.ts";
export { createLogger, type LoggerOptions, type RootLogger } from "./log/logger.ts";
export { bucketBounds as durationBoundsMs, quantile } from "./metrics/buckets.ts";
export { maxOpenFiles, processSamples } from "./metrics/process-metrics.ts";
export { MetricsRegistry } from "./metrics/registry.ts";
export {
  createRequestMetrics,
  type RequestTotals,
  type SeriesSource,
  type StoredRequestMetrics,
} from "./metrics/request-metrics.ts";
export { startSpanExporter, type SpanExporter } from "./tracing/span-exporter.ts";
