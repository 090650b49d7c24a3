// SPDX-License-Identifier: Apache-2.0
// Spans on their way to a collector: a bounded queue in front of OpenTelemetry, what is counted about it, and what is said
// when the collector cannot be reached.

import type { Clock } from "../../core/index.ts";
import type { ProxyIdentity } from "../../model/index.ts";
import type { Logger, Sample, SampleSource, SpanRecord, SpanSink } from "../port.ts";
import { droppedSpans } from "./dropped-spans.ts";
import type { Otel, OtelOptions } from "./otel.ts";
import { spanCountOf } from "./span-attributes.ts";

export interface SpanExporterOptions {
  /** URL of the collector's traces path, `http://collector:4318/v1/traces`. */
  readonly endpoint: string;
  readonly identity: ProxyIdentity;
  readonly version: string;
  /** So long a span waits for others to be sent with. */
  readonly delayMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface SpanExporter extends SpanSink {
  /** `naru_spans_total`, `naru_spans_dropped_total`, `naru_span_export_failures_total`. */
  readonly samples: SampleSource;
  /** Sends what is waiting, for at most three seconds. Later spans are dropped. */
  close(): Promise<void>;
}

const closeTimeoutMs = 3_000;

/** Loads OpenTelemetry and starts it; one at a time in a process. */
export async function startSpanExporter(options: SpanExporterOptions): Promise<SpanExporter> {
  const { maxQueuedSpans, startOtel } = await import("./otel.ts");
  return new QueuedExporter(options, maxQueuedSpans, startOtel);
}

class QueuedExporter implements SpanExporter {
  readonly samples: SampleSource;
  readonly #options: SpanExporterOptions;
  /** The endpoint without what may be a secret in it. */
  readonly #collector: string;
  readonly #maxQueued: number;
  readonly #otel: Otel;
  /** Spans that OpenTelemetry holds and has not begun to send. */
  #queued = 0;
  /** Spans on their way. */
  #sending = 0;
  #closed = false;
  /** The last export failed. */
  #failing = false;
  #spans = 0;
  #droppedByQueue = 0;
  #droppedByExport = 0;
  #failures = 0;

  constructor(options: SpanExporterOptions, maxQueued: number, start: (options: OtelOptions) => Otel) {
    this.#options = options;
    const { origin, pathname } = new URL(options.endpoint);
    this.#collector = origin + pathname;
    this.#maxQueued = maxQueued;
    this.#otel = start({
      ...options,
      onTaken: (spans) => {
        this.#queued -= spans;
        this.#sending += spans;
      },
      onExported: (spans, error) => this.#onExported(spans, error),
    });
    this.samples = () => this.#samples();
  }

  write(record: SpanRecord): void {
    const count = spanCountOf(record);
    this.#spans += count;
    if (this.#closed || this.#queued + count > this.#maxQueued) {
      this.#droppedByQueue += count;
      return;
    }
    // Counted first: a full batch may leave from within the call.
    this.#queued += count;
    this.#otel.queue(record);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { logger, clock } = this.#options;
    const { promise: timeout, resolve: onTimeout } = Promise.withResolvers<void>();
    const cancel = clock.after(closeTimeoutMs, onTimeout);
    // What fails was said and counted by batch.
    const shutdown = this.#otel.shutdown().catch(() => undefined);
    await Promise.race([shutdown, timeout]);
    cancel();
    const lost = this.#queued + this.#sending;
    if (lost > 0)
      logger.warning("spans are lost: the collector did not take them in time", {
        collector: this.#collector,
        spans: lost,
      });
  }

  #onExported(spans: number, error: Error | null): void {
    this.#sending -= spans;
    const { logger } = this.#options;
    const collector = this.#collector;
    if (error !== null) {
      this.#failures++;
      this.#droppedByExport += spans;
      if (!this.#failing) logger.warning("spans cannot be exported", { collector, error: describe(error) });
    } else if (this.#failing) {
      logger.info("spans are exported again", { collector, dropped: this.#droppedByQueue + this.#droppedByExport });
    }
    this.#failing = error !== null;
  }

  #samples(): readonly Sample[] {
    return [
      {
        name: "naru_spans_total",
        help: "Spans made of sampled requests.",
        type: "counter",
        labels: {},
        value: this.#spans,
      },
      droppedSpans("queue", this.#droppedByQueue),
      droppedSpans("export", this.#droppedByExport),
      {
        name: "naru_span_export_failures_total",
        help: "Batches of spans that the collector did not take.",
        type: "counter",
        labels: {},
        value: this.#failures,
      },
    ];
  }
}

/** Of a connection that fails on several addresses, Node says why in the first of several errors. */
function describe(error: Error): string {
  if (error.message !== "") return error.message;
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error.name;
}
