// SPDX-License-Identifier: Apache-2.0
// The bounds on spans: what a worker keeps for the main thread, what waits for a collector, how long the end may take.

import assert from "node:assert/strict";
import { test } from "node:test";

import { unknownWorkload } from "../../../src/model/index.ts";
import { createLogger, startSpanExporter } from "../../../src/telemetry/index.ts";
import type { Sample, SpanRecord } from "../../../src/telemetry/port.ts";
import { SpanBatches } from "../../../src/telemetry/recording.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startCollector } from "../../support/otlp-collector.ts";
import { RawOrigin } from "../../support/raw-peer.ts";

const record: SpanRecord = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  parentSpanId: null,
  serverSpanId: "1".repeat(16),
  clientSpanId: "2".repeat(16),
  operation: "web:80/*",
  startWallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  durationMs: 12.5,
  method: "GET",
  url: "http://a/",
  protocol: "HTTP/1.1",
  requestId: "id",
  userAgent: null,
  downstreamAddress: "127.0.0.1",
  requestBytes: 0,
  responseBytes: 0,
  responseCode: 200,
  responseFlags: "-",
  upstreamCluster: null,
  upstreamAddress: "127.0.0.1:80",
  attempts: 1,
  retries: 2,
};

function valueOf(samples: readonly Sample[], name: string, reason?: string): number {
  const found = samples.filter((sample) => sample.name === name && sample.labels["reason"] === reason);
  assert.equal(found.length, 1, name);
  return found[0]!.value;
}

async function startExporter(endpoint: string) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const logger = createLogger({ level: "info", format: "text", colour: false, write, clock });
  const identity = { workload: unknownWorkload, labels: {}, namespace: "default", clusterDomain: "cluster.local" };
  const exporter = await startSpanExporter({ endpoint, delayMs: 5_000, identity, version: "1", logger, clock });
  return { clock, lines, exporter };
}

test("a worker's batch leaves when it is full or after 200 ms, and one at a time", () => {
  const clock = new FakeClock();
  const sent: number[] = [];
  const batches = new SpanBatches(clock, (spans) => void sent.push(spans.length));
  batches.write(record);
  clock.advance(199);
  assert.deepEqual(sent, []);
  clock.advance(1);
  assert.deepEqual(sent, [1]);
  for (let count = 0; count < 64; count++) batches.write(record);
  clock.advance(1_000);
  assert.deepEqual(sent, [1], "the first is not taken yet");
  batches.onTaken();
  assert.deepEqual(sent, [1, 64]);
  batches.onTaken();
  for (let count = 0; count < 64; count++) batches.write(record);
  assert.deepEqual(sent, [1, 64, 64], "a full one does not wait for the time");
  assert.equal(clock.pending, 0);
});

test("a main thread that takes nothing costs a worker spans, not memory", () => {
  const sent: number[] = [];
  const batches = new SpanBatches(new FakeClock(), (spans) => void sent.push(spans.length));
  for (let count = 0; count < 64 + 1_024 + 10; count++) batches.write(record);
  assert.deepEqual(sent, [64]);
  assert.equal(valueOf(batches.samples(), "naru_spans_dropped_total", "worker"), 20, "two spans for each");
  batches.flush();
  assert.deepEqual(sent, [64, 1_024], "the end of the thread does not wait");
});

test("spans are sent as they are, and counted", async () => {
  await using collector = await startCollector();
  const { exporter } = await startExporter(`${collector.url}/v1/traces`);
  exporter.write(record);
  exporter.write({ ...record, serverSpanId: null, responseCode: 0 });
  exporter.write({ ...record, attempts: 0, userAgent: "x" });
  await exporter.close();
  const spans = collector.spans();
  assert.deepEqual(
    spans.map(({ kind, spanId, parentSpanId, failed }) => [kind, spanId, parentSpanId, failed]),
    [
      ["server", record.serverSpanId, "", false],
      ["client", record.clientSpanId, record.serverSpanId, false],
      ["client", record.clientSpanId, "", true],
      ["server", record.serverSpanId, "", false],
    ],
  );
  const startNs = BigInt(record.startWallMs) * 1_000_000n;
  for (const span of spans) assert.deepEqual([span.startNs, span.endNs], [startNs, startNs + 12_500_000n]);
  assert.equal(spans[1]?.attributes["retry.count"], "2");
  assert.equal(spans[0]?.attributes["retry.count"], undefined);
  assert.equal(spans[2]?.attributes["error"], "true");
  assert.equal(valueOf(exporter.samples(), "naru_spans_total"), 4);
  for (const reason of ["queue", "export"]) {
    assert.equal(valueOf(exporter.samples(), "naru_spans_dropped_total", reason), 0);
  }
  exporter.write(record);
  assert.equal(valueOf(exporter.samples(), "naru_spans_dropped_total", "queue"), 2, "after the end");
});

test("a collector that never answers: the queue is bounded, and so is the end", async () => {
  // What is on its way at the end is given up on after this time, and keeps the test's process alive until then.
  process.env["OTEL_EXPORTER_OTLP_TIMEOUT"] = "3000";
  await using silent = await RawOrigin.start();
  const { clock, lines, exporter } = await startExporter(`http://127.0.0.1:${silent.port}/v1/traces?key=secret`);
  for (let count = 0; count < 3_000; count++) exporter.write(record);
  const first = await silent.connection();
  await first.takeThrough("\r\n\r\n");
  const dropped = valueOf(exporter.samples(), "naru_spans_dropped_total", "queue");
  // 4,096 wait, and one batch of 512 is on its way.
  assert.equal(dropped, 6_000 - 4_096 - 512);
  const closed = exporter.close();
  clock.advance(2_999);
  assert.equal(await Promise.race([closed, Promise.resolve("still waiting")]), "still waiting");
  clock.advance(1);
  await closed;
  assert.match(lines.at(-1) ?? "", /spans are lost: .* spans=4608/);
  assert.ok(!lines.join().includes("secret"));
});
