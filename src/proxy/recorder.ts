// SPDX-License-Identifier: Apache-2.0
// The last stage of every exchange, exactly once: metrics, access log and spans. The common case finds its metric series by
// one lookup on the endpoint.

import { unknownWorkload, type ProxyIdentity, type ServiceIdentity } from "../model/index.ts";
import type { AccessLog, RequestMetrics } from "../telemetry/port.ts";
import { AccessLogView } from "./access-log-view.ts";
import type { Exchange } from "./exchange.ts";
import type { Tracing } from "./tracing.ts";

const unknownService: ServiceIdentity = { host: "unknown", name: "unknown", namespace: "unknown" };

export class ExchangeRecorder {
  readonly #metrics: RequestMetrics;
  readonly #accessLog: AccessLog | null;
  readonly #view = new AccessLogView();
  readonly #tracing: Tracing | null;
  readonly #identity: ProxyIdentity;

  constructor(metrics: RequestMetrics, accessLog: AccessLog | null, tracing: Tracing | null, identity: ProxyIdentity) {
    this.#metrics = metrics;
    this.#accessLog = accessLog;
    this.#tracing = tracing;
    this.#identity = identity;
  }

  record(exchange: Exchange, nowMs: number): void {
    const durationMs = nowMs - exchange.startedMs;
    const received = exchange.requestHeadBytes + exchange.requestBody.payloadBytes;
    const sent = exchange.responseHeadBytes + exchange.replyBytes + exchange.responseBody.payloadBytes;
    this.#metrics.record(this.#series(exchange), durationMs, received, sent);
    if (this.#accessLog !== null) this.#accessLog.write(this.#view.of(exchange, durationMs));
    if (this.#tracing !== null) this.#tracing.record(exchange, durationMs);
  }

  #series(exchange: Exchange): number {
    const endpoint = exchange.endpoint;
    if (endpoint === null || exchange.flags !== "-") return this.#resolve(exchange);
    // Listeners of both roles may share an endpoint, and who called differs.
    const key = exchange.downstream!.listener.role === "gateway" ? exchange.responseCode : -exchange.responseCode;
    const known = endpoint.series?.get(key);
    if (known !== undefined) return known;
    const series = this.#resolve(exchange);
    (endpoint.series ??= new Map()).set(key, series);
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
