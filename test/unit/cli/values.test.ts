// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CliError } from "../../../src/cli/command.ts";
import { commandTable } from "../../../src/cli/commands.ts";
import { parseCommandLine, type OptionValues } from "../../../src/cli/parse.ts";
import { parseHeaders, parseLabels, parsePaths, parsePortMap } from "../../../src/cli/values.ts";

function valuesOf(...argv: string[]): OptionValues {
  const invocation = parseCommandLine(argv, commandTable);
  return invocation.kind === "run" ? invocation.values : assert.fail();
}

function isUsageError(error: unknown): boolean {
  return error instanceof CliError && error.exitCode === 2;
}

suite("parsePortMap", () => {
  test("maps configured ports to addresses", () => {
    const values = valuesOf(
      "gateway",
      "--listen",
      "80=8080",
      "--listen",
      "443=127.0.0.1:0",
      "--listen",
      "81=[::1]:8081",
    );
    assert.deepEqual(
      [...parsePortMap(values)],
      [
        [80, { host: "", port: 8080 }],
        [443, { host: "127.0.0.1", port: 0 }],
        [81, { host: "::1", port: 8081 }],
      ],
    );
  });

  for (const text of ["80", "80=", "=8080", "0=8080", "80=host", "80=70000", "x=1", "80=:8080", "80=::1:8080x"]) {
    test(`refuses ${text}`, () =>
      assert.throws(() => parsePortMap(valuesOf("gateway", `--listen=${text}`)), isUsageError));
  }

  test("refuses a port that is mapped twice", () => {
    assert.throws(() => parsePortMap(valuesOf("gateway", "--listen=80=1", "--listen=80=2")), isUsageError);
  });
});

suite("parseLabels", () => {
  test("has the label of Istio's ingress gateway unless told otherwise", () => {
    assert.deepEqual(parseLabels(valuesOf("gateway")), { istio: "ingressgateway" });
    const values = valuesOf("gateway", "--labels", "istio=egressgateway,app=edge", "--labels", "zone=");
    assert.deepEqual(parseLabels(values), { istio: "egressgateway", app: "edge", zone: "" });
  });

  for (const text of ["istio", "=x", "a=b,"]) {
    test(`refuses ${text}`, () =>
      assert.throws(() => parseLabels(valuesOf("gateway", `--labels=${text}`)), isUsageError));
  }
});

suite("parseHeaders", () => {
  test("reads name and value, and joins repeated names", () => {
    const values = valuesOf(
      "routes",
      "-H",
      "End-User: jason",
      "-H",
      "accept: a",
      "-H",
      "Accept: b:c",
      "-H",
      "x-empty:",
      "-H",
      "cookie: a=1",
      "-H",
      "cookie: b=2",
    );
    assert.deepEqual(
      [...parseHeaders(values)],
      [
        ["end-user", "jason"],
        ["accept", "a,b:c"],
        ["x-empty", ""],
        ["cookie", "a=1; b=2"],
      ],
    );
  });

  for (const text of ["jason", ": jason", "end user: jason"]) {
    test(`refuses ${text}`, () =>
      assert.throws(() => parseHeaders(valuesOf("routes", `--header=${text}`)), isUsageError));
  }
});

suite("parsePaths", () => {
  test("takes -f and positionals alike", () => {
    assert.deepEqual(parsePaths(valuesOf("validate", "a", "-f", "b", "c")), ["b", "a", "c"]);
  });

  test("refuses to do nothing", () => {
    assert.throws(() => parsePaths(valuesOf("validate")), isUsageError);
  });
});
