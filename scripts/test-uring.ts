// SPDX-License-Identifier: Apache-2.0
// Runs over io_uring, with its invariants checked, every suite that moves bytes through naru. Where the kernel or the
// sandbox forbids io_uring it says so and succeeds: that cannot be installed.

import { spawnSync } from "node:child_process";

import { probeUring } from "../src/platform/index.ts";

const suites = "test/{transport,proxy,security,load,workers,cli}/**/*.test.ts";
const flags = ["--test-reporter=./scripts/test-reporter.ts", "--test-timeout=60000", "--test-concurrency=2"];

const answer = probeUring();
if (answer.available) {
  const environment = { ...process.env, NARU_TEST_TRANSPORT: "uring", NARU_URING_CHECK: "1" };
  const options = { stdio: "inherit", env: environment } as const;
  const { status } = spawnSync(process.execPath, ["--test", ...flags, ...process.argv.slice(2), suites], options);
  process.exitCode = status ?? 1;
} else {
  process.stdout.write(`\n!!! NOT RUN: the suites over io_uring, which this machine cannot run: ${answer.reason}\n\n`);
}
