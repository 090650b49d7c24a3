// SPDX-License-Identifier: Apache-2.0
// The only file of telemetry that other folders see: what they record to, and what they show about themselves.

import type { ServiceIdentity, WorkloadIdentity } from "../model/index.ts";

export const logLevels = ["trace", "debug", "info", "warning", "error", "off"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Structured log. `message` is a constant sentence; what varies goes into `fields`. Never give it a secret. */
export interface Logger {
  readonly scope: string;
  enabled(level: LogLevel): boolean;
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose level can be changed on its own, e.g. `proxy`, `config`, `admin`. */
  child(scope: string): Logger;
}

/** Labels of Istio's standard HTTP metrics (reference: Istio standard metrics). */
export interface RequestLabels {
  readonly reporter: "source" | "destination";
  readonly source: WorkloadIdentity;
  readonly destination: WorkloadIdentity;
  readonly service: ServiceIdentity;
  readonly requestProtocol: "http" | "grpc";
  /** 0 when no response was sent. */
  readonly responseCode: number;
  /** Envoy short flags, `-` for none. */
  readonly responseFlags: string;
  /** `unknown` on the source reporter (Istio). */
  readonly connectionSecurityPolicy: "mutual_tls" | "none" | "unknown";
}

/** Hot path: `series` once per label set, `record` once per exchange. `record` allocates nothing. */
export interface RequestMetrics {
  /** The number of a label set; equal labels give equal numbers. */
  series(labels: RequestLabels): number;
  /** Sizes in bytes on the wire, heads included. */
  record(series: number, durationMs: number, requestBytes: number, responseBytes: number): void;
}

/** Text as latin1 in somebody's memory: `bytes[start, end)`. */
export interface ByteRange {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Known to be visible ASCII without quotes and backslashes, as what naru itself writes is. */
  readonly plain: boolean;
}

/**
 * One finished exchange, as Envoy's access log names its parts. null = not known, written `-`.
 *
 * A view, which its owner fills anew for every exchange: it and the bytes it points to are valid during `write` only.
 * What many exchanges have in common is a string, so that a log sees by identity that it knows it; what differs from one
 * to the next is bytes where they were received, so that nobody makes strings of them.
 */
export interface AccessLogRecord {
  readonly startWallMs: number;
  readonly method: string | null;
  /** As received, query included. */
  readonly path: ByteRange | null;
  readonly protocol: string | null;
  /** 0 when no response was sent. */
  readonly responseCode: number;
  readonly responseFlags: string;
  readonly responseCodeDetails: string | null;
  readonly connectionTerminationDetails: string | null;
  readonly upstreamTransportFailureReason: string | null;
  /** Body bytes. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  readonly upstreamServiceTimeMs: number | null;
  readonly xForwardedFor: ByteRange | null;
  readonly userAgent: ByteRange | null;
  readonly requestId: ByteRange | null;
  readonly authority: ByteRange | null;
  readonly upstreamHost: string | null;
  readonly upstreamCluster: string | null;
  readonly upstreamLocalAddress: ByteRange | null;
  readonly downstreamLocalAddress: ByteRange | null;
  readonly downstreamRemoteAddress: ByteRange | null;
  readonly requestedServerName: string | null;
  readonly routeName: string | null;
}

/** Hot path: once per exchange. `write` allocates nothing and keeps nothing of the record. */
export interface AccessLog {
  write(record: AccessLogRecord): void;
}

/**
 * One finished exchange of a sampled trace. Ids are hexadecimal digits in lower case, 32 of a trace and 16 of a span; texts
 * that a client chose are cut. Plain data: it crosses threads.
 */
export interface SpanRecord {
  readonly traceId: string;
  /** Of whoever called us; null = the trace begins here. */
  readonly parentSpanId: string | null;
  /** The exchange as served, above the call to the upstream; null = that call is all there is, as in Istio's sidecars. */
  readonly serverSpanId: string | null;
  /** The call to the upstream, and what the upstream was sent as its parent. */
  readonly clientSpanId: string;
  /** Istio's name of what the route does, `reviews.default.svc.cluster.local:9080/*`. */
  readonly operation: string;
  readonly startWallMs: number;
  readonly durationMs: number;
  readonly method: string;
  readonly url: string;
  readonly protocol: string;
  readonly requestId: string;
  readonly userAgent: string | null;
  readonly downstreamAddress: string;
  /** Body bytes. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** 0 when no response was sent. */
  readonly responseCode: number;
  readonly responseFlags: string;
  readonly upstreamCluster: string | null;
  readonly upstreamAddress: string | null;
  /** 0 = the upstream was never asked. */
  readonly attempts: number;
  readonly retries: number;
}

export interface SpanSink {
  /** Never waits and never throws: what there is no room for is dropped and counted. */
  write(span: SpanRecord): void;
}

/** A number somebody else keeps, read when Prometheus asks. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Called at each scrape; must be cheap and must not throw. All samples of one name have the same label names. */
export type SampleSource = () => readonly Sample[];

/** What `/clusters` shows; counters as in Envoy's host statistics. */
export interface ClusterStatus {
  readonly name: string;
  readonly service: ServiceIdentity;
  readonly loadBalancer: string;
  readonly connectionsActive: number;
  readonly requestsActive: number;
  readonly requestsPending: number;
  readonly endpoints: readonly EndpointStatus[];
}

export interface EndpointStatus {
  /** `ip:port`. */
  readonly address: string;
  readonly ready: boolean;
  readonly weight: number;
  readonly workload: string;
  readonly version: string;
  readonly connectionsActive: number;
  readonly connectionsTotal: number;
  readonly connectionsFailed: number;
  readonly requestsActive: number;
  readonly requestsTotal: number;
  readonly requestsSucceeded: number;
  readonly requestsFailed: number;
  readonly requestsTimedOut: number;
}

export interface ListenerStatus {
  readonly name: string;
  /** Address and port it is really bound to. */
  readonly address: string;
  readonly port: number;
  readonly configuredPort: number;
  readonly role: "gateway" | "mesh";
  readonly connectionsActive: number;
  /** Why it could not be bound, or null. */
  readonly error: string | null;
}
