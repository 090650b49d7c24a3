// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's SDK as naru uses it: recorded spans wait in its queue and are sent in batches by OTLP over HTTP, in bytes of
// our own. The only file that knows the SDK; it is imported when tracing is on and never otherwise, for it takes some 10 MB
// and a fifth of a second.

import { diag, DiagLogLevel, trace, TraceFlags } from "@opentelemetry/api";
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http";
import { ProtobufTraceSerializer, TraceExporterMetricsHelper } from "@opentelemetry/otlp-transformer";
import {
  detectResources,
  envDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
  type Resource,
} from "@opentelemetry/resources";
import { NodeSDK } from "@opentelemetry/sdk-node";
import {
  BatchSpanProcessor,
  StackContextManager,
  type ReadableSpan,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";

import { messageOf } from "../../core/index.ts";
import type { ProxyIdentity } from "../../model/index.ts";
import type { Logger, SpanRecord } from "../port.ts";
import { OtlpWriter, type EncodedSpan } from "./otlp-writer.ts";
import { putIdentity, RecordedSpan, serviceNameOf, spanCountOf } from "./span-attributes.ts";

export interface OtelOptions {
  /** URL of the collector's traces path. */
  readonly endpoint: string;
  readonly identity: ProxyIdentity;
  readonly version: string;
  /** A batch that is not full leaves after this time. */
  readonly delayMs: number;
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
/** The data plane may share this thread, so a batch is no more than some 300 kB to hand over. */
const spansPerBatch = 512;
/** ExportResultCode.FAILED. */
const failedCode = 1;
/** At the end all that waits leaves at once, beside the batch that is on its way. */
const maxBatches = Math.ceil(maxQueuedSpans / spansPerBatch) + 1;

/** Starts the SDK, of which there can be one in a process. */
export function startOtel(options: OtelOptions): Otel {
  const resource = resourceFromAttributes({ "service.name": serviceNameOf(options.identity) }).merge(
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before what we say about ourselves.
    detectResources({ detectors: [serviceInstanceIdDetector, envDetector] }),
  );
  const scope = { name: "naru", version: options.version };
  const writer = writerFor({ resource, scope, identity: options.identity });
  const processor = new BatchSpanProcessor({
    exporter: watched(exporterTo(options.endpoint, serializerFor(writer)), options),
    maxExportBatchSize: spansPerBatch,
    maxQueueSize: maxQueuedSpans,
    scheduledDelayMillis: options.delayMs,
  });
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
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
  const end = (span: RecordedSpan): void => {
    processor.onEnd(new QueuedSpan(writer.encode(span), resource) as unknown as ReadableSpan);
  };
  return {
    queue(record) {
      // Decided, identified and measured in the data plane: a tracer of the SDK would do it all again.
      end(new RecordedSpan(record, false));
      if (spanCountOf(record) === 2) end(new RecordedSpan(record, true));
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

/** What OpenTelemetry's `OTLPTraceExporter` does, environment variables and retries included, with another serializer. */
function exporterTo(url: string, serializer: TraceSerializer): SpanExporter {
  const required = { "Content-Type": "application/x-protobuf" };
  const config = convertLegacyHttpOptions({ url, concurrencyLimit: maxBatches }, "TRACES", "v1/traces", required);
  const type = "otlp_http_span_exporter";
  return new OTLPExporterBase(
    createOtlpHttpExportDelegate(config, serializer, type, TraceExporterMetricsHelper, undefined),
  );
}

type TraceSerializer = typeof ProtobufTraceSerializer;

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

/** What all spans of this process have in common. */
export interface Origin {
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
  readonly identity: ProxyIdentity;
}

/**
 * An encoded span in the SDK's queue, which asks each for its flags and its resource, and nothing else. The record is gone
 * by then: hundreds of them would outlive the young generation of the heap, and encoding all at once would stall what
 * shares the thread.
 */
class QueuedSpan implements EncodedSpan {
  readonly bytes: Buffer;
  readonly resource: Resource;
  readonly traceFlags = TraceFlags.SAMPLED;

  constructor(bytes: Buffer, resource: Resource) {
    this.bytes = bytes;
    this.resource = resource;
  }

  spanContext(): this {
    return this;
  }
}

/** For spans of that origin. */
export function writerFor({ resource, scope, identity }: Origin): OtlpWriter {
  return new OtlpWriter({
    putResource(sink) {
      // All of them are texts: the detectors that are used know no others.
      for (const [key, value] of Object.entries(resource.attributes)) sink.attribute(key, String(value));
    },
    scopeName: scope.name,
    scopeVersion: scope.version,
    putIdentity: (sink) => putIdentity(identity, sink),
  });
}

/** For spans that `writer` encoded. Answers are read by the SDK. */
function serializerFor(writer: OtlpWriter): TraceSerializer {
  return {
    // What the SDK's queue was given.
    serializeRequest: (spans) => writer.request(spans as unknown as readonly QueuedSpan[]),
    deserializeResponse: (bytes) => ProtobufTraceSerializer.deserializeResponse(bytes),
  };
}
