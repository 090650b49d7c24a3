// SPDX-License-Identifier: Apache-2.0
// What telemetry costs an exchange: one metrics record, one lookup of a label set, one access-log line, and a scrape.
// `node bench/micro/telemetry.bench.ts`; verifies what it measured before it prints.

import assert from "node:assert/strict";

import { systemClock } from "../../src/core/index.ts";
import { unknownWorkload } from "../../src/model/index.ts";
import { createAccessLog, createRequestMetrics, MetricsRegistry } from "../../src/telemetry/index.ts";
import type { AccessLogRecord, ByteRange, RequestLabels } from "../../src/telemetry/port.ts";

const labels: RequestLabels = {
  reporter: "source",
  source: { ...unknownWorkload, workload: "naru-gateway", namespace: "edge" },
  destination: { ...unknownWorkload, workload: "reviews-v2", namespace: "default", version: "v2" },
  service: { host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" },
  requestProtocol: "http",
  responseCode: 200,
  responseFlags: "-",
  connectionSecurityPolicy: "unknown",
};

/** Best of `rounds` means: the machine is shared, and noise only adds. */
function nanosecondsEach(rounds: number, times: number, run: (times: number) => void): number {
  run(times);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const startNs = process.hrtime.bigint();
    run(times);
    best = Math.min(best, Number(process.hrtime.bigint() - startNs) / times);
  }
  return best;
}

function show(what: string, ns: number): void {
  console.log(`${what.padEnd(44)} ${ns.toFixed(1).padStart(12)} ns`);
}

function benchRecord(): void {
  const metrics = createRequestMetrics(new MetricsRegistry(), { maxSeries: 10_000 });
  const series = Array.from({ length: 64 }, (_, code) => metrics.series({ ...labels, responseCode: code }));
  // Values that differ from call to call, so that no branch is predicted by rote.
  const durations = Float64Array.from({ length: 1024 }, (_, index) => ((index * 7919) % 1009) / 7);
  const sizes = Float64Array.from({ length: 1024 }, (_, index) => 100 + ((index * 104_729) % 30_011));
  let recorded = 0;
  const ns = nanosecondsEach(7, 1_000_000, (times) => {
    for (let index = 0; index < times; index++) {
      const at = index & 1023;
      metrics.record(series[index & 63]!, durations[at]!, sizes[at]!, sizes[1023 - at]!);
    }
    recorded += times;
  });
  assert.equal(
    metrics.totals().reduce((sum, { requests }) => sum + requests, 0),
    recorded,
  );
  show("record: 3 histograms and a counter", ns);
  show(
    "series: known labels, same objects",
    nanosecondsEach(5, 200_000, (times) => {
      for (let index = 0; index < times; index++) metrics.series(labels);
    }),
  );
}

async function benchScrape(): Promise<void> {
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: 10_000 });
  for (let code = 0; code < 500; code++) metrics.record(metrics.series({ ...labels, responseCode: code }), 1, 1, 1);
  for (const pass of ["first", "second"]) {
    let longestMs = 0;
    let bytes = 0;
    const startMs = performance.now();
    let turnMs = startMs;
    for await (const piece of registry.expose()) {
      bytes += piece.length;
      longestMs = Math.max(longestMs, performance.now() - turnMs);
      turnMs = performance.now();
    }
    assert.ok(bytes > 500 * 60 * 500);
    const each = ((performance.now() - startMs) * 1e6) / 500;
    show(`scrape, ${pass}: per series of ${(bytes / 500 / 1000).toFixed(0)} kB`, each);
    show(`scrape, ${pass}: longest piece`, longestMs * 1e6);
  }
}

function received(text: string): ByteRange {
  return { bytes: Buffer.from(text, "latin1"), start: 0, end: text.length, plain: false };
}

const record: AccessLogRecord = {
  startWallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  method: "GET",
  path: received("/api/v1/products/17/reviews?sort=newest&page=3"),
  protocol: "HTTP/1.1",
  responseCode: 200,
  responseFlags: "-",
  responseCodeDetails: "via_upstream",
  connectionTerminationDetails: null,
  upstreamTransportFailureReason: null,
  bytesReceived: 0,
  bytesSent: 1024,
  durationMs: 3.7,
  upstreamServiceTimeMs: 3,
  xForwardedFor: received("198.51.100.7"),
  userAgent: received("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
  requestId: received("f47ac10b-58cc-4372-a567-0e02b2c3d479"),
  authority: received("shop.example.com"),
  upstreamHost: "10.244.3.12:8080",
  upstreamCluster: "outbound|8080||reviews.default.svc.cluster.local",
  upstreamLocalAddress: received("10.244.1.5:54321"),
  downstreamLocalAddress: received("10.96.45.67:8080"),
  downstreamRemoteAddress: received("198.51.100.7:33210"),
  requestedServerName: null,
  routeName: "default",
};

function benchAccessLog(format: "text" | "json"): void {
  let bytes = 0;
  const sink = {
    write(chunk: Buffer, done: (error: Error | null) => void): void {
      bytes += chunk.length;
      done(null);
    },
    reopen: () => {},
    close: () => {},
  };
  const log = createAccessLog({ format, sink, clock: systemClock });
  // What differs from line to line, as in the proxy: bytes of a head.
  const heads = Array.from({ length: 256 }, (_, index) => ({
    ...record,
    startWallMs: record.startWallMs + (index >> 4),
    path: received(`/api/v1/products/${index}/reviews?sort=newest&page=3`),
    upstreamLocalAddress: received(`10.244.1.5:${54_000 + index}`),
    downstreamRemoteAddress: received(`198.51.100.7:${33_000 + index}`),
  }));
  const ns = nanosecondsEach(7, 100_000, (times) => {
    for (let index = 0; index < times; index++) log.write(heads[index & 255]!);
  });
  assert.ok(bytes > 700_000 * 400);
  show(`access log: one ${format} line`, ns);
}

benchRecord();
benchAccessLog("text");
benchAccessLog("json");
await benchScrape();
