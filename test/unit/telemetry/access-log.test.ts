// SPDX-License-Identifier: Apache-2.0
// The access log from outside: the exact lines, what hostile requests can do to them, and what happens when whoever
// reads them is slow, fails or rotates the file.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { createAccessLog, createByteSink, type ByteSink } from "../../../src/telemetry/index.ts";
import { accessLogRecord, type LoggedExchange } from "../../support/access-log-record.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const record: LoggedExchange = {
  startWallMs: Date.parse("2026-01-02T03:04:05.678Z"),
  method: "GET",
  path: "/reviews/0?a=1",
  protocol: "HTTP/1.1",
  responseCode: 200,
  responseFlags: "-",
  responseCodeDetails: "via_upstream",
  connectionTerminationDetails: null,
  upstreamTransportFailureReason: null,
  bytesReceived: 12,
  bytesSent: 375,
  durationMs: 14.9,
  upstreamServiceTimeMs: 13,
  xForwardedFor: "198.51.100.7",
  userAgent: "curl/7.88.1 (x; y)",
  requestId: "f47ac10b-58cc-4372-a567-0e02b2c3d479",
  authority: "shop.example.com",
  upstreamHost: "10.244.3.12:8080",
  upstreamCluster: "outbound|8080|v2|reviews.default.svc.cluster.local",
  upstreamLocalAddress: "10.244.1.5:54321",
  downstreamLocalAddress: "10.96.45.67:80",
  downstreamRemoteAddress: "198.51.100.7:33210",
  requestedServerName: null,
  routeName: "default",
};

const refused: LoggedExchange = {
  ...record,
  startWallMs: record.startWallMs + 322.9,
  method: null,
  path: null,
  protocol: null,
  responseCode: 0,
  responseFlags: "DC",
  responseCodeDetails: "downstream_remote_disconnect",
  bytesSent: 0,
  durationMs: 0.2,
  upstreamServiceTimeMs: null,
  xForwardedFor: null,
  userAgent: null,
  requestId: null,
  authority: null,
  upstreamHost: null,
  upstreamCluster: null,
  upstreamLocalAddress: null,
  routeName: null,
};

/** A sink whose writes finish only when the test says so; it copies, for the bytes are reused afterwards. */
class ManualSink implements ByteSink {
  readonly chunks: string[] = [];
  readonly #done: ((error: Error | null) => void)[] = [];
  reopened = 0;
  closed = 0;

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    this.chunks.push(bytes.toString("latin1"));
    this.#done.push(done);
  }

  finish(error: Error | null = null): void {
    this.#done.shift()!(error);
  }

  get unfinished(): number {
    return this.#done.length;
  }

  reopen(): void {
    this.reopened++;
  }

  close(): void {
    this.closed++;
  }
}

function setUp(format: "text" | "json" = "text") {
  const clock = new FakeClock();
  const sink = new ManualSink();
  const log = createAccessLog({ format, sink, clock });
  const count = (name: string) => log.samples().find((sample) => sample.name === name)!.value;
  return { clock, sink, log, dropped: () => count("naru_access_log_dropped_total") };
}

async function lineOf(format: "text" | "json", written: LoggedExchange): Promise<string> {
  const { log, sink } = setUp(format);
  log.write(accessLogRecord(written));
  const flushed = log.flush();
  sink.finish();
  await flushed;
  return sink.chunks.join("");
}

test("text is Envoy's default format as Istio sets it", async () => {
  assert.equal(
    await lineOf("text", record),
    '[2026-01-02T03:04:05.678Z] "GET /reviews/0?a=1 HTTP/1.1" 200 - via_upstream - "-" 12 375 14 13 ' +
      '"198.51.100.7" "curl/7.88.1 (x; y)" "f47ac10b-58cc-4372-a567-0e02b2c3d479" "shop.example.com" ' +
      '"10.244.3.12:8080" outbound|8080|v2|reviews.default.svc.cluster.local 10.244.1.5:54321 10.96.45.67:80 ' +
      "198.51.100.7:33210 - default\n",
  );
  assert.equal(
    await lineOf("text", refused),
    '[2026-01-02T03:04:06.000Z] "- - -" 0 DC downstream_remote_disconnect - "-" 12 0 0 - "-" "-" "-" "-" "-" - - ' +
      "10.96.45.67:80 198.51.100.7:33210 - -\n",
  );
});

test("JSON is Istio's, with numbers as numbers and null for what is not known", async () => {
  assert.equal(
    await lineOf("json", record),
    '{"start_time":"2026-01-02T03:04:05.678Z","route_name":"default","method":"GET","path":"/reviews/0?a=1",' +
      '"protocol":"HTTP/1.1","response_code":200,"response_flags":"-","response_code_details":"via_upstream",' +
      '"connection_termination_details":null,"bytes_received":12,"bytes_sent":375,"duration":14,' +
      '"upstream_service_time":"13","x_forwarded_for":"198.51.100.7","user_agent":"curl/7.88.1 (x; y)",' +
      '"request_id":"f47ac10b-58cc-4372-a567-0e02b2c3d479","authority":"shop.example.com",' +
      '"upstream_host":"10.244.3.12:8080","upstream_cluster":"outbound|8080|v2|reviews.default.svc.cluster.local",' +
      '"upstream_local_address":"10.244.1.5:54321","downstream_local_address":"10.96.45.67:80",' +
      '"downstream_remote_address":"198.51.100.7:33210","requested_server_name":null,' +
      '"upstream_transport_failure_reason":null}\n',
  );
  const entry = JSON.parse(await lineOf("json", refused)) as Record<string, unknown>;
  assert.equal(entry["method"], null);
  assert.equal(entry["upstream_service_time"], null);
  assert.equal(entry["response_code"], 0);
});

const textFields = Object.entries(record).flatMap(([key, value]) =>
  typeof value === "string" || value === null ? [key as keyof LoggedExchange] : [],
);
const forged = 'a" 200 - x\r\n[2030-01-01T00:00:00.000Z] "GET /forged\u0000\u001b[2J\u0085é\\';
const received = accessLogRecord(record);

/** What was received is bytes; strings may hold any character. */
function hostileIn(field: keyof LoggedExchange): string {
  return typeof received[field] === "object" && received[field] !== null ? forged : `${forged}\u2028`;
}

test("text: no value can end its field or its line, in any field", async () => {
  assert.ok(textFields.length >= 18);
  // Fields between quotes count as one, however many spaces they hold.
  const fieldsOf = (line: string) => line.match(/"[^"]*"|[^ "\n]+/g)!.length;
  const expected = fieldsOf(await lineOf("text", record));
  for (const field of textFields) {
    const line = await lineOf("text", { ...record, [field]: hostileIn(field) });
    assert.match(line, /^[\x20-\x7e]+\n$/, field);
    assert.equal(fieldsOf(line), expected, `${field}: ${line}`);
    assert.ok(line.includes(String.raw`\x0D\x0A`), field);
  }
});

test("json: every value comes back as it was, on one ASCII line", async () => {
  for (const field of textFields) {
    const line = await lineOf("json", { ...record, [field]: hostileIn(field) });
    assert.match(line, /^[\x20-\x7e]+\n$/, field);
    assert.ok(Object.values(JSON.parse(line) as object).includes(hostileIn(field)), field);
  }
});

test("a value that was escaped once does not leak into the next line", async () => {
  const { log, sink } = setUp();
  for (const upstreamHost of ["plain", 'bad"', 'bad"', "plain", null, "plain"]) {
    log.write(accessLogRecord({ ...record, authority: "a", upstreamHost }));
  }
  const flushed = log.flush();
  sink.finish();
  await flushed;
  const shown = sink.chunks[0]!.trimEnd()
    .split("\n")
    .map((line) => /" "a" "([^"]*)"/.exec(line)![1]);
  assert.deepEqual(shown, ["plain", String.raw`bad\x22`, String.raw`bad\x22`, "plain", "-", "plain"]);
});

test("an enormous value is cut", async () => {
  const line = await lineOf("text", { ...record, userAgent: "\n".repeat(1_000_000), path: "x".repeat(1_000_000) });
  assert.ok(line.length < 50_000, `${line.length}`);
  assert.ok(line.endsWith("default\n"));
});

test("lines leave after a second, and nothing ticks while there are none", () => {
  const { clock, log, sink } = setUp();
  assert.equal(clock.pending, 0);
  log.write(accessLogRecord(record));
  log.write(accessLogRecord(record));
  clock.advance(999);
  assert.equal(sink.chunks.length, 0);
  clock.advance(1);
  assert.equal(sink.chunks.length, 1);
  assert.equal(sink.chunks[0]!.split("\n").length, 3);
  sink.finish();
  assert.equal(clock.pending, 0);
});

test("lines leave when 64 KiB are full, whole and in order", () => {
  const { log, sink } = setUp();
  for (let code = 0; sink.chunks.length < 3; code++) {
    log.write(accessLogRecord({ ...record, responseCode: code }));
    if (sink.unfinished > 0) sink.finish();
  }
  for (const chunk of sink.chunks) assert.ok(chunk.length <= 65_536 && chunk.length > 64_000, `${chunk.length}`);
  const codes = sink.chunks
    .join("")
    .trimEnd()
    .split("\n")
    .map((line) => Number(/HTTP\/1.1" (\d+) /.exec(line)![1]));
  assert.deepEqual(
    codes,
    codes.map((_, index) => index),
  );
});

test("a sink that never finishes costs bounded memory, and what is dropped is counted", async () => {
  const { clock, log, sink, dropped } = setUp();
  const lines = 20_000;
  for (let index = 0; index < lines; index++) log.write(accessLogRecord(record));
  assert.equal(sink.chunks.length, 1, "one write at a time");
  const kept = lines - dropped();
  const bytes = kept * (await lineOf("text", record)).length;
  assert.ok(bytes > 4_000_000 && bytes < 4_400_000, `${bytes} bytes kept`);

  for (let index = 0; sink.unfinished > 0 && index < 1000; index++) sink.finish();
  clock.advance(1000);
  while (sink.unfinished > 0) sink.finish();
  assert.equal(sink.chunks.join("").split("\n").length - 1, kept);
  log.write(accessLogRecord(record));
  assert.equal(dropped(), lines - kept, "it goes on afterwards");
});

test("lines of a failed write are counted as dropped, and the next ones are tried", () => {
  const { clock, log, sink, dropped } = setUp();
  log.write(accessLogRecord(record));
  log.write(accessLogRecord(record));
  clock.advance(1000);
  sink.finish(new Error("no space"));
  assert.equal(dropped(), 2);
  log.write(accessLogRecord(record));
  clock.advance(1000);
  sink.finish();
  assert.equal(dropped(), 2);
});

test("close flushes, closes the sink once and leaves no timer; later lines are dropped", async () => {
  const { clock, log, sink, dropped } = setUp();
  log.write(accessLogRecord(record));
  const closed = Promise.all([log.close(), log.close()]);
  assert.equal(sink.chunks.length, 1);
  sink.finish();
  await closed;
  assert.equal(sink.closed, 1);
  assert.equal(clock.pending, 0);
  log.write(accessLogRecord(record));
  assert.equal(dropped(), 1);
});

test("close does not wait for ever for a reader that stands still", async () => {
  const { clock, log, sink } = setUp();
  log.write(accessLogRecord(record));
  const closed = log.close();
  clock.advance(1000);
  await closed;
  assert.equal(sink.closed, 1);
});

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "naru-access-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a file is appended to, not readable by others, and reopened after rotation without losing a line", async (t) => {
  const path = join(temporaryFolder(t), "access.log");
  const errors: string[] = [];
  const open = () =>
    createAccessLog({
      format: "text",
      sink: createByteSink({
        target: { kind: "file", path },
        clock: new FakeClock(),
        onError: (message) => void errors.push(message),
      }),
      clock: new FakeClock(),
    });
  const first = open();
  first.write(accessLogRecord({ ...record, responseCode: 201 }));
  await first.close();

  const log = open();
  log.write(accessLogRecord({ ...record, responseCode: 202 }));
  await log.flush();
  renameSync(path, `${path}.1`);
  log.write(accessLogRecord({ ...record, responseCode: 203 }));
  log.reopen();
  log.write(accessLogRecord({ ...record, responseCode: 204 }));
  await log.close();

  const codes = (file: string) => readFileSync(file, "utf8").match(/(?<=HTTP\/1.1" )\d+/g);
  assert.deepEqual([...codes(`${path}.1`)!, ...codes(path)!], ["201", "202", "203", "204"]);
  assert.ok(codes(path)!.includes("204"), "the new file is in use");
  assert.equal(statSync(path).mode & 0o007, 0);
  assert.deepEqual(errors, []);
});

test("a failed reopen says so and keeps writing to the file there was", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "logs", "access.log");
  mkdirSync(join(folder, "logs"));
  const errors: string[] = [];
  const clock = new FakeClock();
  const onError = (message: string) => void errors.push(message);
  const log = createAccessLog({
    format: "text",
    sink: createByteSink({ target: { kind: "file", path }, clock, onError }),
    clock,
  });
  renameSync(join(folder, "logs"), join(folder, "moved"));
  log.reopen();
  log.write(accessLogRecord(record));
  await log.close();
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /going on with the old file/);
  assert.match(readFileSync(join(folder, "moved", "access.log"), "utf8"), /via_upstream/);
});

test("a failing device is reported once, not once per write", async () => {
  const errors: string[] = [];
  const clock = new FakeClock();
  const onError = (message: string, error: Error) => void errors.push(`${message}: ${error.message}`);
  // Every write to it fails with ENOSPC.
  const sink = createByteSink({ target: { kind: "file", path: "/dev/full" }, clock, onError });
  const log = createAccessLog({ format: "text", sink, clock });
  for (let times = 0; times < 3; times++) {
    log.write(accessLogRecord(record));
    await log.flush();
  }
  await log.close();
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /ENOSPC/);
  assert.equal(log.samples().find((sample) => sample.name.includes("dropped"))!.value, 3);
});

test("a file that cannot be opened is an error at start", () => {
  const options = { clock: new FakeClock(), onError: () => assert.fail("thrown, not reported") };
  assert.throws(
    () => createByteSink({ ...options, target: { kind: "file", path: "/nonexistent/folder/access.log" } }),
    { code: "ENOENT" },
  );
});
