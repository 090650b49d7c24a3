// SPDX-License-Identifier: Apache-2.0
// Distributed tracing of exchanges: whether one is sampled, which ids it gets, and what is recorded of it at its end.
// Exists only when there is somewhere to send spans to. An exchange that is not sampled passes its trace on and leaves
// nothing behind.

import type { Clock, Random } from "../core/index.ts";
import type { SpanRecord, SpanSink } from "../telemetry/port.ts";
import type { Exchange } from "./exchange.ts";
import { HeaderId, type RequestHead } from "./http1/index.ts";
import type { RandomPool } from "./random-pool.ts";
import { decision, spanIdAt, spanIdDigits, traceIdAt, traceIdDigits, TraceContext, TraceIds } from "./trace-context.ts";

export interface TracingDeps {
  readonly spans: SpanSink;
  /** Of the requests that come without a decision, 0 to 100. */
  readonly samplingPercent: number;
}

/** Envoy's max_path_tag_length; other texts that a client chooses are cut alike. */
const maxTextLength = 256;
/** Place of the version in a UUID, where Envoy notes why a request is traced. */
const traceReasonAt = 14;
const notTraced = 0x34;
const sampledReason = 0x39;

export class Tracing {
  readonly #spans: SpanSink;
  readonly #samplingPercent: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: TraceIds;

  constructor({ spans, samplingPercent }: TracingDeps, clock: Clock, random: Random, pool: RandomPool) {
    this.#spans = spans;
    this.#samplingPercent = samplingPercent;
    this.#clock = clock;
    this.#random = random;
    this.#ids = new TraceIds(pool);
  }

  /** HOT: once per request, after its id is made. Joins the request's trace or begins one. */
  begin(exchange: Exchange): void {
    const context = (exchange.trace ??= new TraceContext());
    const wanted = context.read(exchange.requestParser.head);
    const sampled =
      wanted === decision.none ? this.#random() * 100 < this.#samplingPercent : wanted === decision.sample;
    context.decide(sampled);
    if (!context.hasParent) this.#ids.write(context.traceparent, traceIdAt, traceIdDigits);
    this.#ids.write(context.traceparent, spanIdAt, spanIdDigits);
    if (sampled && exchange.downstream!.listener.role === "gateway") {
      context.hasServerSpan = true;
      this.#ids.write(context.serverSpanId, 0, spanIdDigits);
    }
    exchange.requestId[traceReasonAt] = sampled ? sampledReason : notTraced;
  }

  /** Once per exchange, at its end. */
  record(exchange: Exchange, durationMs: number): void {
    const context = exchange.trace;
    if (context === null || !context.sampled) return;
    this.#spans.write(spanOf(exchange, context, this.#clock.wallMs() - durationMs, durationMs));
  }
}

function spanOf(exchange: Exchange, context: TraceContext, startWallMs: number, durationMs: number): SpanRecord {
  const head = exchange.requestParser.head;
  const downstream = exchange.downstream!;
  const passedId = downstream.listener.role === "mesh" ? textOf(head, HeaderId.xRequestId) : null;
  return {
    traceId: context.traceparent.toString("latin1", traceIdAt, traceIdAt + traceIdDigits),
    parentSpanId: context.hasParent ? context.parentId.toString("latin1", 0, spanIdDigits) : null,
    serverSpanId: context.hasServerSpan ? context.serverSpanId.toString("latin1", 0, spanIdDigits) : null,
    clientSpanId: context.traceparent.toString("latin1", spanIdAt, spanIdAt + spanIdDigits),
    operation: operationOf(exchange),
    startWallMs,
    durationMs,
    method: head.method,
    url: urlOf(exchange, head),
    protocol: head.minorVersion === 1 ? "HTTP/1.1" : "HTTP/1.0",
    requestId: passedId ?? exchange.requestId.toString("latin1"),
    userAgent: textOf(head, HeaderId.userAgent),
    downstreamAddress: downstream.connection.remoteAddress,
    requestBytes: exchange.requestBody.payloadBytes,
    responseBytes: exchange.responseStarted ? exchange.responseBody.payloadBytes : exchange.replyBodyBytes,
    responseCode: exchange.responseCode,
    responseFlags: exchange.flags,
    upstreamCluster: exchange.clusterName,
    upstreamAddress: exchange.endpoint?.key ?? null,
    attempts: exchange.attempts,
    retries: exchange.retries,
  };
}

/** Istio's name for what a route does: its service where there is one destination, else its resource. */
function operationOf(exchange: Exchange): string {
  const { route, cluster, action } = exchange;
  // Envoy's name where no route has another.
  if (route === null) return "egress";
  const { match, origin } = route.spec;
  const path =
    match.uri?.kind === "exact" ? match.uri.value : match.uri?.kind === "prefix" ? `${match.uri.value}*` : "/*";
  if (cluster !== null && action!.targets.length === 1)
    return `${cluster.spec.service.host}:${cluster.spec.port}${path}`;
  const { configuredPort, role } = exchange.downstream!.listener;
  const port = role === "mesh" && cluster !== null ? cluster.spec.port : configuredPort;
  return `${origin.resource.name}:${port}${path}`;
}

function urlOf(exchange: Exchange, head: RequestHead): string {
  const query = head.query();
  const path = query === "" ? head.path() : `${head.path()}?${query}`;
  return `${exchange.scheme}://${cut(exchange.authority())}${cut(path)}`;
}

function textOf(head: RequestHead, id: number): string | null {
  const line = head.find(id);
  return line < 0 ? null : cut(head.value(line));
}

function cut(text: string): string {
  return text.length <= maxTextLength ? text : text.slice(0, maxTextLength);
}
