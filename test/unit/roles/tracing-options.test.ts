// SPDX-License-Identifier: Apache-2.0
// Where spans go: the option, OpenTelemetry's environment variables, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CliError, commandTable, parseCommandLine } from "../../../src/cli/index.ts";
import { tracingOptionsFrom, type TracingOptions } from "../../../src/roles/tracing-options.ts";

function optionsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): TracingOptions | null {
  const invocation = parseCommandLine(["gateway", ".", ...args], commandTable);
  assert.ok(invocation.kind === "run");
  return tracingOptionsFrom(invocation.values, env);
}

test("off until there is a collector", () => {
  assert.equal(optionsOf([]), null);
  assert.equal(optionsOf(["--trace-sampling", "100"]), null);
  assert.equal(optionsOf([], { OTEL_EXPORTER_OTLP_ENDPOINT: "", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "" }), null);
});

test("the path of traces is added where it is missing", () => {
  for (const [text, endpoint] of [
    ["http://collector:4318", "http://collector:4318/v1/traces"],
    ["http://collector:4318/", "http://collector:4318/v1/traces"],
    ["https://collector/otlp/", "https://collector/otlp/v1/traces"],
    ["http://collector:4318/v1/traces", "http://collector:4318/v1/traces"],
    ["http://[::1]:4318", "http://[::1]:4318/v1/traces"],
  ] as const) {
    assert.deepEqual(optionsOf(["--otlp-endpoint", text]), { endpoint, samplingPercent: 1, exportDelayMs: 5_000 });
    assert.equal(optionsOf([], { OTEL_EXPORTER_OTLP_ENDPOINT: text })?.endpoint, endpoint);
  }
});

test("the variable for traces is taken as it stands, and goes before the one for everything", () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://all:4318",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318/here",
  };
  assert.equal(optionsOf([], env)?.endpoint, "http://traces:4318/here");
  assert.equal(optionsOf(["--otlp-endpoint", "http://option:4318"], env)?.endpoint, "http://option:4318/v1/traces");
});

test("OTEL_BSP_SCHEDULE_DELAY says how long a span waits for others", () => {
  const delayOf = (text: string) =>
    optionsOf(["--otlp-endpoint", "http://a"], { OTEL_BSP_SCHEDULE_DELAY: text })?.exportDelayMs;
  assert.equal(delayOf(""), 5_000);
  assert.equal(delayOf("250"), 250);
  for (const text of ["-1", "1.5", "1s", "1e3", "9999999999"]) {
    assert.throws(
      () => delayOf(text),
      (error) =>
        error instanceof CliError &&
        error.message === `OTEL_BSP_SCHEDULE_DELAY ${text}: must be a number of milliseconds`,
    );
  }
});

test("OTEL_SDK_DISABLED goes before everything", () => {
  assert.equal(optionsOf(["--otlp-endpoint", "http://a"], { OTEL_SDK_DISABLED: "TRUE" }), null);
  assert.notEqual(optionsOf(["--otlp-endpoint", "http://a"], { OTEL_SDK_DISABLED: "false" }), null);
});

test("what is no URL of a collector is refused, by the name it was given under", () => {
  for (const text of ["collector:4318", "grpc://collector:4317", "/v1/traces", "http://", "file:///tmp/spans"]) {
    for (const [name, read] of [
      ["--otlp-endpoint", () => optionsOf(["--otlp-endpoint", text])],
      ["OTEL_EXPORTER_OTLP_ENDPOINT", () => optionsOf([], { OTEL_EXPORTER_OTLP_ENDPOINT: text })],
      ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", () => optionsOf([], { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: text })],
    ] as const) {
      assert.throws(read, (error) => error instanceof CliError && error.message.startsWith(`${name} ${text}: must be`));
    }
  }
  for (const scheme of ["http", "grpc"]) {
    assert.throws(
      () => optionsOf(["--otlp-endpoint", `${scheme}://user:secret@collector:4318`]),
      (error) => error instanceof CliError && !error.message.includes("secret"),
    );
  }
});

test("the rate is a percentage", () => {
  for (const [text, rate] of [
    ["0", 0],
    ["0.01", 0.01],
    ["50", 50],
    ["100", 100],
    ["100.0", 100],
  ] as const) {
    assert.equal(optionsOf(["--otlp-endpoint", "http://a", "--trace-sampling", text])?.samplingPercent, rate);
  }
  for (const text of ["100.1", "101", "1e1", "-1", "+1", "1%", "half", "."]) {
    assert.throws(
      () => optionsOf([`--trace-sampling=${text}`]),
      (error) => error instanceof CliError && error.message.endsWith("must be a number from 0 to 100"),
    );
  }
});
