// SPDX-License-Identifier: Apache-2.0
// --limit: what is taken, what is refused and with which words, and that the table, the help and the options agree.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CliError } from "../../../src/cli/command.ts";
import { commandTable } from "../../../src/cli/commands.ts";
import { renderHelp } from "../../../src/cli/help.ts";
import { readLimit } from "../../../src/cli/limits.ts";
import { parseCommandLine, type OptionValues } from "../../../src/cli/parse.ts";
import { defaultTraffic, limitNames, limitOptions, limitTable } from "../../../src/model/index.ts";

function valuesOf(...argv: string[]): OptionValues {
  const invocation = parseCommandLine(argv, commandTable);
  return invocation.kind === "run" ? invocation.values : assert.fail();
}

suite("--limit", () => {
  test("is repeatable, the last value of a name counts, and both serving commands have it", () => {
    for (const command of ["gateway", "up"]) {
      const values = valuesOf(
        command,
        "--limit=header-bytes=32Ki",
        "--limit",
        "idle-timeout=2.5",
        "--limit=idle-timeout=3",
      );
      assert.deepEqual(
        [...values.limits()],
        [
          ["header-bytes", 32_768],
          ["idle-timeout", 3],
        ],
      );
    }
  });

  for (const [text, value] of [
    ["header-bytes=1024", 1_024],
    ["header-bytes=65535", 65_535],
    ["memory=512Mi", 512 * 2 ** 20],
    ["memory=2Gi", 2 ** 31],
    ["memory=0", 0],
    ["request-timeout=0", 0],
    ["linger-timeout=0.25", 0.25],
    ["retry-buffer=0", 0],
    ["connections=1", 1],
  ] as const) {
    test(`takes ${text}`, () => {
      const limit = readLimit(text);
      assert.equal("value" in limit && limit.value, value);
    });
  }

  for (const [text, fault] of [
    ["header-bytes", "must look like header-bytes=32Ki; see 'naru help limits'"],
    ["=5", "must look like header-bytes=32Ki; see 'naru help limits'"],
    ["header-byte=5", "there is no limit 'header-byte'; did you mean 'header-bytes'? See 'naru help limits'"],
    ["frobnicate=5", "there is no limit 'frobnicate'. See 'naru help limits'"],
    ["header-bytes=65536", "header-bytes is in bytes, e.g. 65536 or 64Ki, from 1024 to 65535"],
    ["header-bytes=0", "header-bytes is in bytes, e.g. 65536 or 64Ki, from 1024 to 65535"],
    ["header-bytes=-1", "header-bytes is in bytes, e.g. 65536 or 64Ki, from 1024 to 65535"],
    ["header-count=1Ki", "header-count is a number from 8 to 1000"],
    ["header-count=", "header-count is a number from 8 to 1000"],
    ["header-count=1e2", "header-count is a number from 8 to 1000"],
    ["request-timeout=0.5", "request-timeout is in seconds, from 1 to 864000, or 0: no limit"],
    ["request-timeout=5m", "request-timeout is in seconds, from 1 to 864000, or 0: no limit"],
    ["memory=1Mi", "memory is in bytes, e.g. 65536 or 64Ki, from 67108864 to 1099511627776, or 0: automatic"],
  ] as const) {
    test(`refuses ${text}`, () => {
      assert.deepEqual(readLimit(text), { fault });
      assert.throws(
        () => valuesOf("gateway", `--limit=${text}`),
        (error) => error instanceof CliError && error.exitCode === 2 && error.message === `--limit ${text}: ${fault}`,
      );
    });
  }
});

suite("the table of limits", () => {
  test("has one option per limit, and defaults within what it allows", () => {
    const options = limitNames.map((name) => limitTable[name].option);
    assert.equal(new Set(options).size, options.length);
    for (const name of limitNames) {
      const limit = readLimit(`${name}=${limitTable[name].default}`);
      assert.equal("value" in limit && limit.value, limitTable[name].default, name);
    }
  });

  test("gives the data plane milliseconds, and Infinity for no limit", () => {
    const options = limitOptions(
      new Map([
        ["request-timeout", 0],
        ["idle-timeout", 2.5],
        ["connections", 7],
        ["memory", 0],
      ]),
    );
    assert.deepEqual(options, {
      ...limitOptions(),
      requestTimeoutMs: Infinity,
      downstreamIdleTimeoutMs: 2_500,
      maxConnections: 7,
      memoryBytes: 0,
    });
  });

  test("has the defaults of Istio and Envoy", () => {
    const { maxHeadBytes, maxHeaders, requestHeaderTimeoutMs, requestTimeoutMs, pathNormalization } = defaultTraffic;
    assert.deepEqual(
      [maxHeadBytes, maxHeaders, requestHeaderTimeoutMs, requestTimeoutMs, pathNormalization],
      [61_440, 100, 60_000, 300_000, "BASE"],
    );
  });

  test("is what 'naru help limits' shows", () => {
    const invocation = parseCommandLine(["help", "limits"], commandTable);
    assert.deepEqual(invocation, { kind: "help", topic: "limits" });
    const text = renderHelp("limits", commandTable, { width: 100, strong: (title) => title });
    for (const name of limitNames) {
      assert.match(text, new RegExp(`^  ${name} `, "m"));
      assert.ok(text.replaceAll(/\s+/g, " ").includes(limitTable[name].meaning), name);
    }
  });
});
