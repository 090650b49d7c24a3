// SPDX-License-Identifier: Apache-2.0
// The whole telemetry of a process as roles build it: the metrics of the process, and an access log that is in them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { createLogger, createTelemetry, defaultMaxSeries } from "../../../src/telemetry/index.ts";
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

function setUp(accessLog: Parameters<typeof createTelemetry>[0]["accessLog"]) {
  const clock = new FakeClock();
  const logger = createLogger({ level: "off", format: "json", colour: false, write: assert.fail, clock });
  return {
    clock,
    telemetry: createTelemetry({ logger, clock, version: "9.9", maxSeries: defaultMaxSeries, accessLog }),
  };
}

test("the process reports what Prometheus clients report, and keeps no timer for it", async () => {
  const { clock, telemetry } = setUp(null);
  // Node counts from the loop's first turn.
  await setImmediate();
  const families = parseExposition(await telemetry.registry.metrics());
  const value = (name: string) => families.get(name)!.samples[0]!.value;
  assert.ok(value("process_cpu_seconds_total") >= value("process_cpu_user_seconds_total"));
  assert.ok(Math.abs(value("process_start_time_seconds") - performance.timeOrigin / 1000) < 1);
  assert.ok(value("nodejs_eventloop_active_seconds_total") > 0);
  if (process.platform === "linux") {
    assert.ok(value("process_anonymous_memory_bytes") < value("process_resident_memory_bytes"));
    assert.ok(value("process_open_fds") > 2 && value("process_open_fds") < value("process_max_fds"));
  }
  assert.equal(clock.pending, 0);
  await telemetry.close();
});

test("the access log goes to its file and says in the metrics how it does", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "naru-telemetry-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "access.log");
  const { telemetry } = setUp({ format: "json", target: { kind: "file", path } });
  telemetry.accessLog!.write(record);
  telemetry.reopen();
  telemetry.accessLog!.write(record);
  await telemetry.close();
  telemetry.accessLog!.write(record);

  const codes = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    codes.map((line) => (JSON.parse(line) as { response_code: number }).response_code),
    [204, 204],
  );
  const families = parseExposition(await telemetry.registry.metrics());
  assert.equal(families.get("naru_access_log_lines_total")!.samples[0]!.value, 3);
  assert.equal(families.get("naru_access_log_dropped_total")!.samples[0]!.value, 1);
});

test("without an access log there is nothing of it", async () => {
  const { telemetry } = setUp(null);
  assert.equal(telemetry.accessLog, null);
  telemetry.reopen();
  const families = parseExposition(await telemetry.registry.metrics());
  assert.equal(families.has("naru_access_log_lines_total"), false);
});
