// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { unknownWorkload } from "../../../src/model/index.ts";
import { trafficLine, trafficTableLines } from "../../../src/roles/demo/traffic-table.ts";
import { TrafficWindow, type TrafficRow } from "../../../src/roles/demo/traffic-window.ts";
import { durationBoundsMs, type RequestTotals } from "../../../src/telemetry/index.ts";

/** `durations[i]` requests fell into bucket i. */
function totals(
  service: string,
  version: string,
  responseCode: number,
  durations: readonly number[],
  responseFlags = "-",
): RequestTotals {
  let sum = 0;
  const durationBuckets = [...durationBoundsMs, Infinity].map((_, index) => (sum += durations[index] ?? 0));
  return {
    labels: {
      reporter: "source",
      source: unknownWorkload,
      destination: { ...unknownWorkload, version },
      service: { host: `${service}.default.svc.cluster.local`, name: service, namespace: "default" },
      requestProtocol: "http",
      responseCode,
      responseFlags,
      connectionSecurityPolicy: "unknown",
    },
    requests: sum,
    durationBuckets,
  };
}

const reviews = { service: "reviews", version: "v1" };

describe("the traffic window", () => {
  test("adds up response codes and tells rates from the difference", () => {
    const window = new TrafficWindow(10_000, [reviews]);
    window.add(1000, [totals("reviews", "v1", 200, [0, 4])]);
    const rows = window.add(3000, [totals("reviews", "v1", 200, [0, 10]), totals("reviews", "v1", 503, [2])]);
    assert.deepEqual(rows, [
      {
        ...reviews,
        requests: 12,
        requestsPerSecond: 4,
        errorsPerSecond: 1,
        p50Ms: 2 / 3,
        p99Ms: 0.5 + 0.5 * (5.92 / 6),
      },
    ]);
  });

  test("forgets what is older than the window", () => {
    const window = new TrafficWindow(2000, [reviews]);
    window.add(0, [totals("reviews", "v1", 200, [])]);
    window.add(1000, [totals("reviews", "v1", 200, [100])]);
    assert.equal(window.add(2000, [totals("reviews", "v1", 200, [100])])[0]?.requestsPerSecond, 50);
    const [row] = window.add(3000, [totals("reviews", "v1", 200, [100])]);
    assert.equal(row?.requestsPerSecond, 0);
    assert.equal(row?.p50Ms, null);
    assert.equal(row?.requests, 100);
  });

  test("keeps the order that was asked for, shows silent services, and adds what turns up", () => {
    const window = new TrafficWindow(10_000, [{ service: "productpage", version: "v1" }, reviews]);
    window.add(0, []);
    const rows = window.add(1000, [totals("unknown", "unknown", 404, [3]), totals("reviews", "unknown", 503, [1])]);
    assert.deepEqual(
      rows.map(({ service, version, requestsPerSecond, errorsPerSecond }) => [
        service,
        version,
        requestsPerSecond,
        errorsPerSecond,
      ]),
      [
        ["productpage", "v1", 0, 0],
        ["reviews", "v1", 0, 0],
        ["(no route)", "", 3, 0],
        ["reviews", "", 1, 1],
      ],
    );
  });

  test("blames nobody when a client leaves", () => {
    const window = new TrafficWindow(10_000, []);
    window.add(0, []);
    const [row] = window.add(1000, [totals("reviews", "v1", 0, [2], "DC"), totals("reviews", "v1", 0, [1], "UC")]);
    assert.equal(row?.errorsPerSecond, 1);
  });

  test("has no rates before a second sample", () => {
    const [row] = new TrafficWindow(10_000, []).add(5000, [totals("reviews", "v1", 200, [7])]);
    assert.deepEqual([row?.requestsPerSecond, row?.p50Ms], [0, null]);
  });
});

const rows: readonly TrafficRow[] = [
  {
    service: "productpage",
    version: "v1",
    requests: 1200,
    requestsPerSecond: 20,
    errorsPerSecond: 0,
    p50Ms: 3.04,
    p99Ms: 12.34,
  },
  {
    service: "reviews",
    version: "v2",
    requests: 400,
    requestsPerSecond: 6.66,
    errorsPerSecond: 1.25,
    p50Ms: 2.5,
    p99Ms: 2500.4,
  },
  { service: "ratings", version: "", requests: 0, requestsPerSecond: 0, errorsPerSecond: 0, p50Ms: null, p99Ms: null },
];
const plain = (_tone: string, text: string) => text;

describe("the traffic table", () => {
  test("stands in columns where there is room", () => {
    assert.deepEqual(trafficTableLines(rows, 80, plain), [
      "SERVICE      VERSION  REQUESTS  REQ/S  ERR/S  P50 MS  P99 MS",
      "productpage  v1           1200   20.0    0.0    3.04    12.3",
      "reviews      v2            400    6.7    1.3    2.50    2500",
      "ratings      -               0    0.0    0.0       -       -",
    ]);
  });

  test("gives up columns one by one as the terminal becomes narrow, then cuts", () => {
    const titles = (width: number) => trafficTableLines(rows, width, plain)[0];
    assert.equal(titles(60), "SERVICE      VERSION  REQUESTS  REQ/S  ERR/S  P50 MS  P99 MS");
    assert.equal(titles(59), "SERVICE      VERSION  REQ/S  ERR/S  P50 MS  P99 MS");
    assert.equal(titles(49), "SERVICE      VERSION  REQ/S  ERR/S  P99 MS");
    assert.equal(titles(41), "SERVICE      VERSION  REQ/S  ERR/S");
    assert.equal(titles(33), "SERVICE      VERSION  REQ/S");
    assert.equal(titles(20), "SERVICE      VERSION");
    for (let width = 1; width < 70; width++) {
      for (const line of trafficTableLines(rows, width, plain)) assert.ok(line.length <= width, `${width}: ${line}`);
    }
  });

  test("tells titles, errors and silence apart", () => {
    const tones = trafficTableLines(rows, 80, (tone, text) => `${tone}:${text}`).map((line) => line.split(/[: ]/)[0]);
    assert.deepEqual(tones, ["strong", "productpage", "bad", "dim"]);
  });

  test("has a form for logs", () => {
    assert.equal(trafficLine(rows[1]!), "reviews v2  6.7 req/s  1.3 err/s  p50 2.50 ms  p99 2500 ms");
    assert.equal(trafficLine(rows[2]!), "ratings  0.0 req/s  0.0 err/s  p50 - ms  p99 - ms");
  });
});
