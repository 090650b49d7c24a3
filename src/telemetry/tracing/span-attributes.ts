// SPDX-License-Identifier: Apache-2.0
// The spans of an exchange as Istio's proxies make them: names, kinds, and Envoy's tags by Envoy's names. All values are
// texts, as Envoy's are, so that saved queries find them. Everything is read from the record when it is encoded.

import type { ProxyIdentity } from "../../model/index.ts";
import type { SpanRecord } from "../port.ts";

/** Takes tags one by one, so that nobody has to make an object of them. */
export interface AttributeSink {
  /** `key` is ASCII. A key comes once. */
  attribute(key: string, value: string): void;
}

/** Istio's tags about the proxy itself, equal for all spans of which one is about an exchange as a whole. */
export function putIdentity({ workload, clusterDomain }: ProxyIdentity, sink: AttributeSink): void {
  sink.attribute("istio.canonical_service", workload.canonicalService);
  sink.attribute("istio.canonical_revision", workload.canonicalRevision);
  sink.attribute("istio.namespace", workload.namespace);
  sink.attribute("istio.cluster_id", workload.cluster);
  sink.attribute("istio.mesh_id", clusterDomain);
}

/** Istio's default, `<app>.<namespace>` (tracingServiceName APP_LABEL_AND_NAMESPACE). */
export function serviceNameOf({ workload }: ProxyIdentity): string {
  return `${workload.app}.${workload.namespace}`;
}

/** Spans that are made of a record: `RecordedSpan` of the whole exchange, and below it of the call when this is 2. */
export function spanCountOf({ serverSpanId, attempts }: SpanRecord): number {
  return serverSpanId !== null && attempts > 0 ? 2 : 1;
}

/**
 * At a gateway the exchange as served, and below it the call to the upstream when there was one (Envoy's
 * spawn_upstream_span); in the mesh the call alone, for the caller's workload is who makes it.
 */
export class RecordedSpan {
  readonly record: SpanRecord;
  /** The call below a gateway's span of the exchange; it says nothing about the exchange as a whole. */
  readonly isCall: boolean;

  constructor(record: SpanRecord, isCall: boolean) {
    this.record = record;
    this.isCall = isCall;
  }

  /** Of a server; else of a client. */
  get isServer(): boolean {
    return !this.isCall && this.record.serverSpanId !== null;
  }

  get spanId(): string {
    const { serverSpanId, clientSpanId } = this.record;
    return this.isCall ? clientSpanId : (serverSpanId ?? clientSpanId);
  }

  get parentSpanId(): string | null {
    return this.isCall ? this.record.serverSpanId : this.record.parentSpanId;
  }

  /** The parent is somebody else's span. */
  get hasRemoteParent(): boolean {
    return !this.isCall && this.record.parentSpanId !== null;
  }

  /** Seconds and nanoseconds, as OpenTelemetry has times. */
  get startTime(): [number, number] {
    return hrTime(this.record.startWallMs);
  }

  get endTime(): [number, number] {
    return hrTime(this.record.startWallMs + this.record.durationMs);
  }

  get failed(): boolean {
    const { responseCode } = this.record;
    return responseCode === 0 || responseCode >= 500;
  }

  /** All but what `putIdentity` puts. */
  putAttributes(sink: AttributeSink): void {
    const { record } = this;
    this.#putOutcome(sink);
    if (!this.isCall) putExchange(record, sink);
    else if (record.upstreamAddress !== null) {
      sink.attribute("upstream_address", record.upstreamAddress);
      sink.attribute("peer.address", record.upstreamAddress);
    }
    if (!this.isServer && record.retries > 0) sink.attribute("retry.count", String(record.retries));
  }

  #putOutcome(sink: AttributeSink): void {
    const { protocol, responseCode, responseFlags, upstreamCluster } = this.record;
    sink.attribute("component", "proxy");
    sink.attribute("http.protocol", protocol);
    sink.attribute("http.status_code", String(responseCode));
    sink.attribute("response_flags", responseFlags);
    if (upstreamCluster !== null) {
      sink.attribute("upstream_cluster", upstreamCluster);
      sink.attribute("upstream_cluster.name", upstreamCluster);
    }
    if (this.failed) sink.attribute("error", "true");
  }
}

function hrTime(wallMs: number): [number, number] {
  const seconds = Math.floor(wallMs / 1_000);
  return [seconds, Math.floor((wallMs - seconds * 1_000) * 1e6)];
}

function putExchange(record: SpanRecord, sink: AttributeSink): void {
  sink.attribute("guid:x-request-id", record.requestId);
  sink.attribute("http.url", record.url);
  sink.attribute("http.method", record.method);
  // Nobody tells: naru reads no x-envoy-downstream-service-cluster.
  sink.attribute("downstream_cluster", "-");
  sink.attribute("user_agent", record.userAgent ?? "-");
  sink.attribute("peer.address", record.downstreamAddress);
  sink.attribute("request_size", String(record.requestBytes));
  sink.attribute("response_size", String(record.responseBytes));
}
