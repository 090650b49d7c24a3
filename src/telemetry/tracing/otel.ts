// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's SDK as naru uses it: spans made from records, sent in batches by OTLP over HTTP. The only file that knows
// the SDK; it is imported when tracing is on and never otherwise, for it takes some 25 MB and a fifth of a second.

import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { envDetector, resourceFromAttributes, serviceInstanceIdDetector } from "@opentelemetry/resources";
import { NodeSDK } from "@opentelemetry/sdk-node";
import {
  BatchSpanProcessor,
  SamplingDecision,
  StackContextManager,
  type ReadableSpan,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";

import { messageOf } from "../../core/index.ts";
import type { ProxyIdentity } from "../../model/index.ts";
import type { Logger, SpanRecord } from "../port.ts";
import { identityAttributes, serviceNameOf, spansOf } from "./span-attributes.ts";

export interface OtelOptions {
  /** URL of the collector's traces path. */
  readonly endpoint: string;
  readonly identity: ProxyIdentity;
  readonly version: string;
  /** Hears what the SDK complains about. */
  readonly logger: Logger;
  /** So many spans have left the queue for a request to the collector. */
  readonly onTaken: (spans: number) => void;
  /** That request is over. */
  readonly onExported: (spans: number, error: Error | null) => void;
}

export interface Otel {
  /** Makes the spans of a record and queues them. */
  queue(record: SpanRecord): void;
  /** Sends what is queued, which may take as long as the collector does. Call it once. */
  shutdown(): Promise<void>;
}

/** Spans waiting to be sent; what more comes must not be queued. */
export const maxQueuedSpans = 4_096;
/** The data plane may share this thread, so a batch is no more than it can encode in some hundred microseconds. */
const spansPerBatch = 128;
const batchDelayMs = 1_000;
/** ExportResultCode.FAILED. */
const failedCode = 1;
/** At the end all that waits leaves at once, beside the batch that is on its way. */
const maxBatches = Math.ceil(maxQueuedSpans / spansPerBatch) + 1;

/** Starts the SDK, of which there can be one in a process. */
export function startOtel(options: OtelOptions): Otel {
  const ids = { traceId: "", spanId: "" };
  const processor = new BatchSpanProcessor({
    exporter: watched(new OTLPTraceExporter({ url: options.endpoint, concurrencyLimit: maxBatches }), options),
    maxExportBatchSize: spansPerBatch,
    maxQueueSize: maxQueuedSpans,
    scheduledDelayMillis: batchDelayMs,
  });
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({ "service.name": serviceNameOf(options.identity) }),
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before what we say about ourselves.
    resourceDetectors: [serviceInstanceIdDetector, envDetector],
    // Decided, identified and propagated in the data plane; the SDK only keeps and sends.
    sampler: { shouldSample: () => ({ decision: SamplingDecision.RECORD_AND_SAMPLED }), toString: () => "naru" },
    idGenerator: { generateTraceId: () => ids.traceId, generateSpanId: () => ids.spanId },
    spanProcessors: [processor],
    metricReaders: [],
    logRecordProcessors: [],
    // Nobody asks for the current context; the default manager would follow every asynchronous call of the process.
    contextManager: new StackContextManager(),
    textMapPropagator: null,
    instrumentations: [],
  });
  sdk.start();
  diag.setLogger(diagTo(options.logger), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const tracer = trace.getTracer("naru", options.version);
  const ofProxy = identityAttributes(options.identity);
  return {
    queue(record) {
      const { traceId, startWallMs, durationMs } = record;
      const start = hrTime(startWallMs);
      const end = hrTime(startWallMs + durationMs);
      for (const spec of spansOf(record, ofProxy)) {
        const { name, kind, spanId, parentSpanId, hasRemoteParent, failed, attributes } = spec;
        ids.traceId = traceId;
        ids.spanId = spanId;
        const parent = {
          traceId,
          spanId: parentSpanId ?? "",
          traceFlags: TraceFlags.SAMPLED,
          isRemote: hasRemoteParent,
        };
        const context = parentSpanId === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
        const spanKind = kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
        const span = tracer.startSpan(name, { kind: spanKind, startTime: start, attributes }, context);
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end(end);
      }
    },
    async shutdown() {
      try {
        await sdk.shutdown();
      } finally {
        trace.disable();
        diag.disable();
      }
    },
  };
}

/** Tells what becomes of each batch, which the SDK itself tells only its own metrics. */
function watched(exporter: SpanExporter, { onTaken, onExported }: OtelOptions): SpanExporter {
  return {
    export(spans: ReadableSpan[], done) {
      onTaken(spans.length);
      const finish: typeof done = (result) => {
        // Every failure of this exporter comes with its error.
        onExported(spans.length, result.error ?? null);
        done(result);
      };
      try {
        exporter.export(spans, finish);
      } catch (error) {
        finish({ code: failedCode, error: error instanceof Error ? error : new Error(messageOf(error)) });
      }
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

/** At level debug: what matters of it is counted and said once by the exporter, and a complaint for each batch helps nobody. */
function diagTo(logger: Logger) {
  const write = (text: string, ...more: readonly unknown[]) => {
    logger.debug("OpenTelemetry", { text: [text, ...more.map(messageOf)].join(" ") });
  };
  return { error: write, warn: write, info: write, debug: write, verbose: write };
}

/** Seconds and nanoseconds. */
function hrTime(wallMs: number): [number, number] {
  const seconds = Math.floor(wallMs / 1_000);
  return [seconds, Math.floor((wallMs - seconds * 1_000) * 1e6)];
}
