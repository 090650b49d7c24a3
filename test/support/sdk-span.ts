// SPDX-License-Identifier: Apache-2.0
// A recorded span as OpenTelemetry's own serializers read it, to compare what they write with what naru writes.

import { SpanKind, SpanStatusCode, TraceFlags, type SpanContext } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

import type { SpanRecord } from "../../src/telemetry/port.ts";
import type { Origin } from "../../src/telemetry/tracing/otel.ts";
import { putIdentity, RecordedSpan, type AttributeSink } from "../../src/telemetry/tracing/span-attributes.ts";

export class SdkSpan extends RecordedSpan implements ReadableSpan, SpanContext {
  readonly #origin: Origin;
  readonly traceFlags = TraceFlags.SAMPLED;
  readonly ended = true;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;

  constructor(record: SpanRecord, isCall: boolean, origin: Origin) {
    super(record, isCall);
    this.#origin = origin;
  }

  get traceId(): string {
    return this.record.traceId;
  }

  spanContext(): SpanContext {
    return this;
  }

  get parentSpanContext(): SpanContext {
    const { traceId, parentSpanId, hasRemoteParent: isRemote } = this;
    return { traceId, spanId: parentSpanId ?? "", traceFlags: TraceFlags.SAMPLED, isRemote };
  }

  get name(): string {
    return this.record.operation;
  }

  get kind(): SpanKind {
    return this.isServer ? SpanKind.SERVER : SpanKind.CLIENT;
  }

  get duration(): [number, number] {
    const [startSeconds, startNanos] = this.startTime;
    const [seconds, nanos] = this.endTime;
    return nanos < startNanos
      ? [seconds - startSeconds - 1, nanos - startNanos + 1e9]
      : [seconds - startSeconds, nanos - startNanos];
  }

  get status(): { code: SpanStatusCode } {
    return { code: this.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET };
  }

  get attributes(): Record<string, string> {
    const attributes: Record<string, string> = {};
    const sink: AttributeSink = { attribute: (key, value) => void (attributes[key] = value) };
    this.putAttributes(sink);
    if (!this.isCall) putIdentity(this.#origin.identity, sink);
    return attributes;
  }

  get links(): [] {
    return [];
  }

  get events(): [] {
    return [];
  }

  get resource(): Resource {
    return this.#origin.resource;
  }

  get instrumentationScope(): Origin["scope"] {
    return this.#origin.scope;
  }
}
