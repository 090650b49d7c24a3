// SPDX-License-Identifier: Apache-2.0
// Request metrics of several threads: what each records in shared memory is one series per label set at the scrape.

import assert from "node:assert/strict";
import { test } from "node:test";

import { unknownWorkload } from "../../../src/model/index.ts";
import { createRequestMetrics, MetricsRegistry } from "../../../src/telemetry/index.ts";
import type { RequestLabels } from "../../../src/telemetry/port.ts";
import { allocateSharedRows, openSharedRows, SeriesRecorder } from "../../../src/telemetry/recording.ts";
import { parseExposition } from "./exposition.ts";

function labelled(responseCode: number): RequestLabels {
  return {
    reporter: "source",
    source: { ...unknownWorkload },
    destination: { ...unknownWorkload },
    service: { host: "web.example", name: "web", namespace: "default" },
    requestProtocol: "http",
    responseCode,
    responseFlags: "-",
    connectionSecurityPolicy: "unknown",
  };
}

/** A writer as a worker has it, and the reader's end of it. */
function addWorker(metrics: ReturnType<typeof createRequestMetrics>, maxSeries: number) {
  const memory = allocateSharedRows(maxSeries);
  const source = metrics.addSource(openSharedRows(memory));
  const recorder = new SeriesRecorder(maxSeries, openSharedRows(memory), (row, labels) => {
    source.addSeries(row, labels);
  });
  return { source, record: (code: number) => recorder.record(recorder.series(labelled(code)), 42, 100, 1000) };
}

async function scraped(registry: MetricsRegistry) {
  const families = parseExposition(await registry.metrics());
  const requests = families.get("istio_requests_total")!.samples;
  return {
    byCode: Object.fromEntries(requests.map(({ labels, value }) => [labels.get("response_code"), value])),
    dropped: families.get("naru_metric_series_dropped_total")!.samples[0]!.value,
    text: await registry.metrics(),
  };
}

test("equal labels of two workers are one series, whatever their row numbers", async () => {
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: 100 });
  const one = addWorker(metrics, 100);
  const two = addWorker(metrics, 100);
  for (const code of [200, 404, 200]) one.record(code);
  for (const code of [404, 200]) two.record(code);
  const { byCode, text } = await scraped(registry);
  assert.deepEqual(byCode, { 200: 3, 404: 2 });
  assert.match(text, /^istio_request_duration_milliseconds_sum\{.*response_code="200".*\} 126$/m);
  assert.match(text, /^istio_response_bytes_bucket\{le="1000",.*response_code="404".*\} 2$/m);
  assert.deepEqual(
    metrics.totals().map(({ labels, requests }) => [labels.responseCode, requests]),
    [
      [200, 3],
      [404, 2],
    ],
  );
});

test("shared rows grow with the series and keep their counts", async () => {
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: 300 });
  const worker = addWorker(metrics, 300);
  for (let round = 0; round < 2; round++) for (let code = 0; code < 300; code++) worker.record(code);
  const totals = metrics.totals();
  assert.equal(totals.length, 300);
  assert.ok(totals.every(({ requests }) => requests === 2));
});

test("counts of workers that are gone stay, in memory that does not grow with restarts", async () => {
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: 100 });
  for (let generation = 0; generation < 5; generation++) {
    const worker = addWorker(metrics, 100);
    worker.record(200);
    worker.source.retire();
    worker.source.retire();
  }
  addWorker(metrics, 100).record(200);
  assert.deepEqual((await scraped(registry)).byCode, { 200: 6 });
});

test("the limit of series holds for each worker and for all together", async () => {
  const registry = new MetricsRegistry();
  const metrics = createRequestMetrics(registry, { maxSeries: 2 });
  const one = addWorker(metrics, 2);
  const two = addWorker(metrics, 2);
  for (const code of [200, 201, 202, 202]) one.record(code);
  for (const code of [201, 204]) two.record(code);
  const before = await scraped(registry);
  assert.deepEqual(before.byCode, { 200: 1, 201: 2, unknown: 3 });
  assert.equal(before.dropped, 3);
  one.source.retire();
  const after = await scraped(registry);
  assert.deepEqual(after.byCode, before.byCode);
  assert.equal(after.dropped, 3);
});
