// SPDX-License-Identifier: Apache-2.0
// What telemetry costs a request, all of it: the trace it joins or begins and the header about it, its metric series, its
// record, and the spans of one in a hundred on their way to a collector. Exit code 1 when that is more than the budget.
//
//   node bench/micro/record.bench.ts

import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";

import { systemClock } from "../../src/core/index.ts";
import { unknownWorkload, type ProxyIdentity } from "../../src/model/index.ts";
import type { DownstreamConnection } from "../../src/proxy/downstream-connection.ts";
import { Endpoint } from "../../src/proxy/endpoint.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import { complete, headLimits } from "../../src/proxy/http1/index.ts";
import { RandomPool } from "../../src/proxy/random-pool.ts";
import { ExchangeRecorder } from "../../src/proxy/recorder.ts";
import { traceHeadersBytes, writeTraceHeaders } from "../../src/proxy/trace-headers.ts";
import { Tracing } from "../../src/proxy/tracing.ts";
import { createLogger, createRequestMetrics, MetricsRegistry, startSpanExporter } from "../../src/telemetry/index.ts";
import type { SpanSink } from "../../src/telemetry/port.ts";
import { Child, freePort, loadCore } from "../load/processes.ts";

const budgetMicros = 0.5;
const requests = 300_000;
/** The first are those in which the code of sampled requests is compiled. */
const rounds = 3;
/** Requests between two turns of the event loop, in which spans leave. */
const slice = 2_000;
/** More than a core serves; without a pace the exporter would be asked for a hundred times as many spans. */
const requestsPerMs = 100;
const sink = new URL("../load/otlp-sink.ts", import.meta.url).pathname;
const logger = createLogger({
  level: "warning",
  format: "text",
  colour: false,
  write: (line) => console.log(line),
  clock: systemClock,
});

const identity: ProxyIdentity = {
  workload: { ...unknownWorkload, workload: "naru-gateway", namespace: "edge" },
  labels: {},
  namespace: "edge",
  clusterDomain: "cluster.local",
};

const loop = await measure("the loop itself", null);
const metricsOnly = await measure("metrics", { samplingPercent: null, exports: false });
const passedOn = await measure("metrics, traces passed on", { samplingPercent: 0, exports: false });
const recorded = await measure("metrics, 1 % of the traces recorded", { samplingPercent: 1, exports: false });
const all = await measure("metrics, 1 % of the traces exported", { samplingPercent: 1, exports: true });
const micros = all - loop;
console.log(`telemetry of one request: ${micros.toFixed(3)} µs`);
// Neighbours differ by less than a busy machine does.
assert.ok(loop < passedOn && metricsOnly < recorded && passedOn < all, "work is not free");
process.exitCode = micros > budgetMicros ? 1 : 0;

interface Work {
  /** null = without tracing. */
  readonly samplingPercent: number | null;
  /** By OpenTelemetry to a collector; else spans are counted and dropped. */
  readonly exports: boolean;
}

/** µs of CPU time of this process per request, garbage collection and export included: the best of the rounds. */
async function measure(name: string, work: Work | null): Promise<number> {
  const port = await freePort();
  await using _ = await Child.start("sink", String(loadCore), port, [process.execPath, sink, String(port)]);
  const endpoint = `http://127.0.0.1:${port}/v1/traces`;
  const exporter = await startSpanExporter({
    endpoint,
    delayMs: 5_000,
    identity,
    version: "0",
    logger,
    clock: systemClock,
  });
  let sampled = 0;
  const exports = work?.exports ?? false;
  const spans: SpanSink = {
    write(span) {
      sampled++;
      if (exports) exporter.write(span);
    },
  };
  const metrics = createRequestMetrics(new MetricsRegistry(), { maxSeries: 10_000 });
  const samplingPercent = work?.samplingPercent ?? null;
  const tracing =
    samplingPercent === null
      ? null
      : new Tracing(
          { spans, samplingPercent },
          systemClock,
          Math.random,
          new RandomPool((bytes) => void randomFillSync(bytes)),
        );
  const recorder = new ExchangeRecorder(metrics, null, tracing, identity);
  const exchanges = Array.from({ length: 64 }, finishedExchange);
  const out = Buffer.alloc(traceHeadersBytes);
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    const startMs = performance.now();
    for (let done = 0; done < requests; done++) {
      const exchange = exchanges[done & 63]!;
      exchange.startedMs = done & 1023;
      if (work !== null) {
        if (tracing !== null) {
          tracing.begin(exchange);
          writeTraceHeaders(exchange.trace!, out, 0);
        }
        recorder.record(exchange, 1_024);
      }
      if (done % slice === 0) await wait(Math.max(1, startMs + done / requestsPerMs - performance.now()));
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / requests);
  }
  const counted = metrics.totals().reduce((sum, total) => sum + total.requests, 0);
  assert.equal(counted, work === null ? 0 : rounds * requests);
  assert.ok(Math.abs((100 * sampled) / (rounds * requests) - (samplingPercent ?? 0)) < 0.1, `${sampled} were sampled`);
  await exporter.close();
  for (const { name: sample, value } of exporter.samples())
    if (sample !== "naru_spans_total") assert.equal(value, 0, `what is dropped costs too little: ${sample} ${value}`);
  console.log(`${name.padEnd(44)} ${(best * 1_000).toFixed(1).padStart(12)} ns`);
  return best;
}

/** As the proxy has it when the answer is sent. */
function finishedExchange(): Exchange {
  const ignore = (): void => undefined;
  const timers = { onRouteTimeout: ignore, onTryTimeout: ignore, onBackoffEnd: ignore };
  const exchange = new Exchange({ ...headLimits, underscores: "allow" }, timers);
  const head = Buffer.from(
    "GET /productpage?x=1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: wrk/4.1.0\r\nAccept: */*\r\n\r\n",
  );
  assert.equal(exchange.requestParser.parse(head, 0, head.length), complete);
  exchange.requestId.write("f47ac10b-58cc-4372-a567-0e02b2c3d479", "latin1");
  exchange.downstream = {
    listener: { role: "gateway", configuredPort: 80 },
    connection: { remoteAddress: "198.51.100.7" },
  } as unknown as DownstreamConnection;
  exchange.clusterName = "outbound|80||reviews.default.svc.cluster.local";
  exchange.endpoint = new Endpoint({
    address: "10.0.0.1",
    port: 80,
    weight: 1,
    ready: true,
    workload: unknownWorkload,
  });
  exchange.responseCode = 200;
  exchange.responseStarted = true;
  exchange.attempts = 1;
  exchange.requestHeadBytes = head.length;
  exchange.responseHeadBytes = 150;
  return exchange;
}
