// SPDX-License-Identifier: Apache-2.0
// The last stage of every exchange, exactly once: metrics and access log. The common case finds its metric series by
// one lookup on the endpoint; strings are made only when an access log wants them.

import { unknownWorkload, type ProxyIdentity, type ServiceIdentity } from "../model/index.ts";
import type { AccessLog, AccessLogRecord, RequestMetrics } from "../telemetry/port.ts";
import { messageState, type Exchange } from "./exchange.ts";
import { HeaderId, type RequestHead } from "./http1/index.ts";

const unknownService: ServiceIdentity = { host: "unknown", name: "unknown", namespace: "unknown" };

export class ExchangeRecorder {
  readonly #metrics: RequestMetrics;
  readonly #accessLog: AccessLog | null;
  readonly #identity: ProxyIdentity;

  constructor(metrics: RequestMetrics, accessLog: AccessLog | null, identity: ProxyIdentity) {
    this.#metrics = metrics;
    this.#accessLog = accessLog;
    this.#identity = identity;
  }

  record(exchange: Exchange, nowMs: number): void {
    const durationMs = nowMs - exchange.startedMs;
    const received = exchange.requestHeadBytes + exchange.requestBody.payloadBytes;
    const sent = exchange.responseHeadBytes + exchange.replyBytes + exchange.responseBody.payloadBytes;
    this.#metrics.record(this.#series(exchange), durationMs, received, sent);
    if (this.#accessLog !== null) this.#accessLog.write(accessLogRecord(exchange, durationMs));
  }

  #series(exchange: Exchange): number {
    const endpoint = exchange.endpoint;
    if (endpoint === null || exchange.flags !== "-") return this.#resolve(exchange);
    // Listeners of both roles may share an endpoint, and who called differs.
    const key = exchange.downstream!.listener.role === "gateway" ? exchange.responseCode : -exchange.responseCode;
    const known = endpoint.series.get(key);
    if (known !== undefined) return known;
    const series = this.#resolve(exchange);
    endpoint.series.set(key, series);
    return series;
  }

  #resolve(exchange: Exchange): number {
    // The gateway speaks for itself; who called the mesh listener is not known without captured connections.
    const atEdge = exchange.downstream!.listener.role === "gateway";
    return this.#metrics.series({
      reporter: "source",
      source: atEdge ? this.#identity.workload : unknownWorkload,
      destination: exchange.endpoint?.workload ?? unknownWorkload,
      service: exchange.cluster?.spec.service ?? unknownService,
      requestProtocol: "http",
      responseCode: exchange.responseCode,
      responseFlags: exchange.flags,
      connectionSecurityPolicy: "unknown",
    });
  }
}

function accessLogRecord(exchange: Exchange, durationMs: number): AccessLogRecord {
  const head = exchange.requestParser.head;
  const downstream = exchange.downstream!;
  const parsed = exchange.requestState !== messageState.head;
  const atEdge = downstream.listener.role === "gateway";
  const forwardedFor = parsed ? valueOf(head, HeaderId.xForwardedFor) : null;
  const requestId = atEdge || !parsed ? null : valueOf(head, HeaderId.xRequestId);
  return {
    startWallMs: exchange.startedWallMs,
    method: parsed ? head.method : null,
    path: parsed ? head.target() : null,
    protocol: parsed ? (head.minorVersion === 1 ? "HTTP/1.1" : "HTTP/1.0") : null,
    responseCode: exchange.responseCode,
    responseFlags: exchange.flags,
    responseCodeDetails: exchange.details,
    connectionTerminationDetails: null,
    upstreamTransportFailureReason: exchange.failureReason,
    bytesReceived: exchange.requestBody.payloadBytes,
    bytesSent: exchange.responseStarted ? exchange.responseBody.payloadBytes : exchange.replyBodyBytes,
    durationMs,
    upstreamServiceTimeMs: exchange.upstreamServiceMs < 0 ? null : exchange.upstreamServiceMs,
    // The value as forwarded, which is what operators follow from hop to hop.
    xForwardedFor: atEdge ? joined(forwardedFor, downstream.connection.remoteAddress) : forwardedFor,
    userAgent: parsed ? valueOf(head, HeaderId.userAgent) : null,
    requestId: parsed ? (requestId ?? exchange.requestId.toString("latin1")) : null,
    authority: parsed ? exchange.authority() : null,
    upstreamHost: exchange.endpoint?.key ?? null,
    upstreamCluster: exchange.clusterName,
    upstreamLocalAddress: exchange.upstreamLocal,
    downstreamLocalAddress: downstream.localText,
    downstreamRemoteAddress: downstream.remoteText,
    requestedServerName: null,
    routeName: exchange.route === null ? null : exchange.route.spec.name || "default",
  };
}

function valueOf(head: RequestHead, id: number): string | null {
  const index = head.find(id);
  return index < 0 ? null : head.value(index);
}

function joined(list: string | null, last: string): string {
  return list === null ? last : `${list},${last}`;
}
