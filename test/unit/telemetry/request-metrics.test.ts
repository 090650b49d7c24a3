// SPDX-License-Identifier: Apache-2.0
// Istio's standard metrics as Prometheus reads them: names, labels, buckets, the limit of series, and a scrape while
// requests go on.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { unknownWorkload, type WorkloadIdentity } from "../../../src/model/index.ts";
import { createRequestMetrics, durationBoundsMs, MetricsRegistry, quantile } from "../../../src/telemetry/index.ts";
import type { RequestLabels } from "../../../src/telemetry/port.ts";
import { findTool } from "../../support/tools.ts";
import { parseExposition } from "./exposition.ts";

const gateway: WorkloadIdentity = {
  workload: "naru-gateway",
  namespace: "edge",
  principal: "unknown",
  app: "gateway",
  version: "v7",
  cluster: "Kubernetes",
  canonicalService: "naru-gateway",
  canonicalRevision: "latest",
};

const reviews: WorkloadIdentity = {
  workload: "reviews-v2",
  namespace: "default",
  principal: "spiffe://cluster.local/ns/default/sa/reviews",
  app: "reviews",
  version: "v2",
  cluster: "Kubernetes",
  canonicalService: "reviews",
  canonicalRevision: "v2",
};

const toReviews: RequestLabels = {
  reporter: "source",
  source: gateway,
  destination: reviews,
  service: { host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" },
  requestProtocol: "http",
  responseCode: 200,
  responseFlags: "-",
  connectionSecurityPolicy: "unknown",
};

function setUp(maxSeries = 10_000) {
  const registry = new MetricsRegistry();
  return { registry, metrics: createRequestMetrics(registry, { maxSeries }) };
}

async function exposed(registry: MetricsRegistry): Promise<string> {
  return (await Array.fromAsync(registry.expose())).join("");
}

test("a request is counted under Istio's labels, in Istio's order, in all four metrics", async () => {
  const { registry, metrics } = setUp();
  metrics.record(metrics.series(toReviews), 42, 180, 2048);
  const text = await registry.metrics();
  const labels =
    'reporter="source",source_workload="naru-gateway",source_canonical_service="naru-gateway",' +
    'source_canonical_revision="latest",source_workload_namespace="edge",source_principal="unknown",' +
    'source_app="gateway",source_version="v7",source_cluster="Kubernetes",destination_workload="reviews-v2",' +
    'destination_workload_namespace="default",destination_principal="spiffe://cluster.local/ns/default/sa/reviews",' +
    'destination_app="reviews",destination_version="v2",destination_service="reviews.default.svc.cluster.local",' +
    'destination_canonical_service="reviews",destination_canonical_revision="v2",destination_service_name="reviews",' +
    'destination_service_namespace="default",destination_cluster="Kubernetes",request_protocol="http",' +
    'response_code="200",grpc_response_status="",response_flags="-",connection_security_policy="unknown"';
  for (const line of [
    `istio_requests_total{${labels}} 1`,
    `istio_request_duration_milliseconds_bucket{le="25",${labels}} 0`,
    `istio_request_duration_milliseconds_bucket{le="50",${labels}} 1`,
    `istio_request_duration_milliseconds_bucket{le="+Inf",${labels}} 1`,
    `istio_request_duration_milliseconds_sum{${labels}} 42`,
    `istio_request_duration_milliseconds_count{${labels}} 1`,
    `istio_request_bytes_bucket{le="250",${labels}} 1`,
    `istio_request_bytes_sum{${labels}} 180`,
    `istio_response_bytes_bucket{le="1000",${labels}} 0`,
    `istio_response_bytes_bucket{le="2500",${labels}} 1`,
    `istio_response_bytes_sum{${labels}} 2048`,
  ]) {
    assert.ok(text.split("\n").includes(line), `missing: ${line}\n${text}`);
  }
});

test("the bounds are Istio's", async () => {
  const { registry, metrics } = setUp();
  metrics.record(metrics.series(toReviews), 1, 1, 1);
  const expected = "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000 +Inf";
  for (const name of ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"]) {
    const family = parseExposition(await registry.metrics()).get(name)!;
    const bounds = family.samples
      .filter((sample) => sample.name.endsWith("_bucket"))
      .map(({ labels }) => labels.get("le"));
    assert.equal(bounds.join(" "), expected);
  }
});

test("every value falls into the first bucket whose bound is not below it", () => {
  const values = [0, 0.1, 0.25, 4_294_967_295, 4_294_967_296, 2 ** 40, 1e300];
  for (const bound of durationBoundsMs) {
    values.push(bound, bound * (1 - 1e-12), bound * (1 + 1e-12), bound + 1, bound - 0.25);
  }
  for (let power = 0; power < 34; power++) values.push(2 ** power, 2 ** power + 0.5, 2 ** power - 0.5);
  for (const value of values) {
    const { metrics } = setUp();
    metrics.record(metrics.series(toReviews), value, 0, 0);
    const [totals] = metrics.totals();
    const expected = [...durationBoundsMs, Infinity].map((bound) => (value <= bound ? 1 : 0));
    assert.deepEqual(totals!.durationBuckets, expected, `value ${value}`);
  }
});

test("a value that makes no sense cannot poison a sum", async () => {
  const { registry, metrics } = setUp();
  metrics.record(metrics.series(toReviews), Number.NaN, -5, Number.NaN);
  metrics.record(metrics.series(toReviews), 3, 4, 5);
  const families = parseExposition(await registry.metrics());
  const sums = [...families.values()].flatMap(({ samples }) => samples.filter(({ name }) => name.endsWith("_sum")));
  assert.deepEqual(
    sums.map(({ value }) => value),
    [3, 4, 5],
  );
});

test("equal labels give the same number, whichever objects carry them; any difference gives another", () => {
  const { metrics } = setUp();
  const first = metrics.series(toReviews);
  assert.equal(metrics.series(structuredClone(toReviews)), first);
  const variants: RequestLabels[] = [
    { ...toReviews, reporter: "destination" },
    { ...toReviews, responseCode: 503 },
    { ...toReviews, responseFlags: "UF" },
    { ...toReviews, requestProtocol: "grpc" },
    { ...toReviews, connectionSecurityPolicy: "mutual_tls" },
    { ...toReviews, source: reviews, destination: gateway },
  ];
  for (const key of Object.keys(reviews) as (keyof WorkloadIdentity)[]) {
    variants.push({ ...toReviews, source: { ...gateway, [key]: "x" } });
    variants.push({ ...toReviews, destination: { ...reviews, [key]: "x" } });
  }
  for (const key of ["host", "name", "namespace"] as const) {
    variants.push({ ...toReviews, service: { ...toReviews.service, [key]: "x" } });
  }
  assert.equal(new Set([first, ...variants.map((labels) => metrics.series(labels))]).size, variants.length + 1);
});

test("empty values become unknown, latest or -, and join the series that says so", async () => {
  const { registry, metrics } = setUp();
  const empty = Object.fromEntries(Object.keys(reviews).map((key) => [key, ""])) as unknown as WorkloadIdentity;
  const labels: RequestLabels = { ...toReviews, source: empty, destination: empty, responseFlags: "" };
  const said: RequestLabels = { ...labels, source: unknownWorkload, destination: unknownWorkload, responseFlags: "-" };
  assert.equal(metrics.series(labels), metrics.series(said));
  const [sample] = parseExposition(await registry.metrics()).get("istio_requests_total")!.samples;
  for (const [name, value] of sample!.labels) assert.equal(value === "", name === "grpc_response_status", name);
  assert.equal(sample!.labels.get("destination_canonical_revision"), "latest");
});

test("hostile label values stay one valid value, and different series stay different", async () => {
  const { registry, metrics } = setUp();
  const hosts = ['a"} 1\nforged 2', "back\\slash", "nul\u0000x", "\ud800", "é中", "x".repeat(100_000)];
  for (const host of hosts) metrics.series({ ...toReviews, service: { host, name: host, namespace: "n" } });
  const text = await registry.metrics();
  const { samples } = parseExposition(text).get("istio_requests_total")!;
  assert.equal(samples.length, hosts.length);
  assert.equal(samples[0]!.labels.get("destination_service"), hosts[0]);
  assert.ok(samples.every(({ labels }) => labels.get("destination_service")!.length <= 1024));
});

test("beyond the limit everything is counted under overflow, and the counter says how often", async () => {
  const { registry, metrics } = setUp(3);
  for (let responseCode = 200; responseCode < 210; responseCode++) {
    metrics.record(metrics.series({ ...toReviews, responseCode }), 1, 1, 1);
  }
  const families = parseExposition(await registry.metrics());
  const { samples } = families.get("istio_requests_total")!;
  assert.deepEqual(
    samples.map(({ value }) => value),
    [1, 1, 1, 7],
  );
  const { labels } = samples[3]!;
  assert.equal(labels.get("destination_service"), "overflow");
  assert.equal(labels.get("reporter"), "unknown");
  assert.equal(labels.get("response_code"), "unknown");
  assert.equal(families.get("naru_metric_series_dropped_total")!.samples[0]!.value, 7);
  assert.equal(metrics.totals().length, 4);
  metrics.record(metrics.series({ ...toReviews, responseCode: 200 }), 1, 1, 1);
  assert.equal(metrics.totals()[0]!.requests, 2, "known series stay reachable");
});

test("counts survive growth, and the pieces of a scrape make the same text as the whole", async () => {
  const { registry, metrics } = setUp();
  for (let code = 1; code <= 300; code++) {
    const series = metrics.series({ ...toReviews, responseCode: code });
    for (let times = 0; times < code % 5; times++) metrics.record(series, code, code * 10, code * 100);
  }
  const whole = await registry.metrics();
  assert.equal(await exposed(registry), whole);
  const { samples } = parseExposition(whole).get("istio_requests_total")!;
  assert.equal(samples.length, 300);
  for (const { labels, value } of samples) assert.equal(value, Number(labels.get("response_code")) % 5);
});

test("a scrape in pieces lets others run, and records in between never tear a histogram", async () => {
  const { registry, metrics } = setUp();
  const numbers = Array.from({ length: 200 }, (_, code) => metrics.series({ ...toReviews, responseCode: code }));
  let text = "";
  let turns = 0;
  for await (const piece of registry.expose()) {
    text += piece;
    turns++;
    for (const series of numbers) metrics.record(series, turns * 7, turns, turns);
  }
  assert.ok(turns > 10, `${turns} pieces`);
  // The parser asserts that each histogram's count is its last bucket.
  const families = parseExposition(text);
  const count = (name: string) => families.get(name)!.samples.find((sample) => sample.name.endsWith("_count"))!.value;
  assert.ok(count("istio_response_bytes") > count("istio_request_duration_milliseconds"), "records went on in between");
});

test("promtool accepts the exposition (where it is installed)", async () => {
  const { registry, metrics } = setUp();
  metrics.record(metrics.series(toReviews), 12, 100, 1000);
  const text = await registry.metrics();
  parseExposition(text);
  const promtool = findTool("promtool");
  if (promtool === null) return;
  const { status, stdout, stderr } = spawnSync(promtool, ["check", "metrics"], { input: text, encoding: "utf8" });
  // Its linter wants base units in names; the names are Istio's. A text it cannot parse is status 1.
  assert.notEqual(status, 1, `${stdout}${stderr}`);
  const broken = spawnSync(promtool, ["check", "metrics"], { input: `${text}not a metric\n`, encoding: "utf8" });
  assert.equal(broken.status, 1, "promtool would have noticed");
});

test("sources are read at each scrape, may change their families, and can be removed", async () => {
  const { registry } = setUp();
  let open = 3;
  const remove = registry.addSource(() => [
    { name: "naru_open", help: "Open things.", type: "gauge", labels: { kind: 'a"b' }, value: open },
    { name: "naru_open", help: "Open things.", type: "gauge", labels: { kind: "c" }, value: 1 },
    { name: `naru_seen_${open}`, help: "Seen.", type: "counter", labels: {}, value: 9 },
  ]);
  const values = async (name: string) =>
    parseExposition(await exposed(registry))
      .get(name)
      ?.samples.map(({ value }) => value);
  assert.deepEqual(await values("naru_open"), [3, 1]);
  open = 4;
  assert.deepEqual(await values("naru_open"), [4, 1]);
  assert.deepEqual(await values("naru_seen_4"), [9]);
  assert.equal(await values("naru_seen_3"), undefined);
  remove();
  assert.equal(await values("naru_open"), undefined);
});

test("a registry takes the request metrics once", () => {
  const { registry } = setUp();
  assert.throws(
    () => createRequestMetrics(registry, { maxSeries: 1 }),
    /istio_requests_total has already been registered/,
  );
});

test("totals show labels, counts and cumulative durations", () => {
  const { metrics } = setUp();
  const series = metrics.series(toReviews);
  for (const ms of [2, 3, 30, 4000]) metrics.record(series, ms, 1, 1);
  const [totals] = metrics.totals();
  assert.equal(totals!.labels.destination.workload, "reviews-v2");
  assert.equal(totals!.requests, 4);
  assert.deepEqual(totals!.durationBuckets.slice(0, 6), [0, 0, 2, 2, 2, 3]);
  assert.equal(totals!.durationBuckets.length, durationBoundsMs.length + 1);
});

test("quantile follows Prometheus' histogram_quantile", () => {
  const bounds = [10, 20, 40];
  assert.equal(quantile(bounds, [0, 10, 10, 10], 0.5), 15);
  assert.equal(quantile(bounds, [4, 8, 8, 8], 0.25), 5);
  assert.equal(quantile(bounds, [4, 8, 8, 8], 1), 20);
  assert.equal(quantile(bounds, [0, 0, 0, 5], 0.5), 40, "the highest finite bound");
  assert.equal(quantile(bounds, [0, 0, 0, 0], 0.5), Number.NaN);
  assert.equal(quantile(bounds, [1, 1, 1, 1], -1), Number.NEGATIVE_INFINITY);
  assert.equal(quantile(bounds, [1, 1, 1, 1], 2), Number.POSITIVE_INFINITY);
});
