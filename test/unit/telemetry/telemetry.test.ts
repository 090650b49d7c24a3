// SPDX-License-Identifier: Apache-2.0
// What a process says of itself in its metrics: its memory, time and files, and how its access log does.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { createAccessLog, createByteSink, MetricsRegistry, processSamples } from "../../../src/telemetry/index.ts";
import { accessLogRecord } from "../../support/access-log-record.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { parseExposition } from "./exposition.ts";

const record = accessLogRecord({
  startWallMs: 0,
  method: "GET",
  path: "/",
  protocol: "HTTP/1.1",
  responseCode: 204,
  responseFlags: "-",
  responseCodeDetails: "via_upstream",
  connectionTerminationDetails: null,
  upstreamTransportFailureReason: null,
  bytesReceived: 0,
  bytesSent: 0,
  durationMs: 0,
  upstreamServiceTimeMs: null,
  xForwardedFor: null,
  userAgent: null,
  requestId: null,
  authority: null,
  upstreamHost: null,
  upstreamCluster: null,
  upstreamLocalAddress: null,
  downstreamLocalAddress: null,
  downstreamRemoteAddress: null,
  requestedServerName: null,
  routeName: null,
});

test("the process reports what Prometheus clients report", async () => {
  const registry = new MetricsRegistry();
  registry.addSource(processSamples("9.9"));
  // Node counts from the loop's first turn.
  await setImmediate();
  const families = parseExposition(await registry.metrics());
  const value = (name: string) => families.get(name)!.samples[0]!.value;
  assert.ok(value("process_cpu_seconds_total") >= value("process_cpu_user_seconds_total"));
  assert.ok(Math.abs(value("process_start_time_seconds") - performance.timeOrigin / 1000) < 1);
  assert.ok(value("nodejs_eventloop_active_seconds_total") > 0);
  if (process.platform === "linux") {
    assert.ok(value("process_anonymous_memory_bytes") < value("process_resident_memory_bytes"));
    assert.ok(value("process_open_fds") > 2 && value("process_open_fds") < value("process_max_fds"));
  }
  assert.equal(families.get("istio_build")!.samples[0]!.labels.get("tag"), "9.9");
});

test("the access log goes to its file and says in the metrics how it does", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "naru-telemetry-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "access.log");
  const clock = new FakeClock();
  const sink = createByteSink({ target: { kind: "file", path }, clock, onError: assert.fail });
  const accessLog = createAccessLog({ format: "json", sink, clock });
  const registry = new MetricsRegistry();
  registry.addSource(accessLog.samples);
  accessLog.write(record);
  accessLog.reopen();
  accessLog.write(record);
  await accessLog.close();
  accessLog.write(record);

  const codes = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    codes.map((line) => (JSON.parse(line) as { response_code: number }).response_code),
    [204, 204],
  );
  const families = parseExposition(await registry.metrics());
  assert.equal(families.get("naru_access_log_lines_total")!.samples[0]!.value, 3);
  assert.equal(families.get("naru_access_log_dropped_total")!.samples[0]!.value, 1);
});
