// SPDX-License-Identifier: Apache-2.0
// Requests leave nothing behind: after twenty thousand of them the heap is what it was, and idle connections are cheap.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import type { MemoryReport } from "./support/memory-child.ts";

const child = fileURLToPath(new URL("support/memory-child.ts", import.meta.url));
const run = promisify(execFile);
const requests = 20_000;
/** Compiled code and caches move a little; a leaked exchange would be thousands. */
const maxBytesPerRequest = 60;
const maxBytesPerIdleConnection = 24 * 1024;

test("nothing grows with the number of requests", { timeout: 30_000 }, async (t) => {
  const { stdout } = await run(process.execPath, ["--expose-gc", child, "run", String(requests)], { timeout: 25_000 });
  const report = JSON.parse(stdout) as MemoryReport;
  const grown = report.heapBytesAfter - report.heapBytesBefore;
  t.diagnostic(`heap ${report.heapBytesBefore} → ${report.heapBytesAfter} bytes`);
  t.diagnostic(`${Math.round(report.idleBytesPerConnection)} private bytes per idle connection, both ends`);
  assert.deepEqual(report.lost, {});
  assert.equal(report.answered, requests);
  assert.ok(grown / requests < maxBytesPerRequest, `${grown} bytes more after ${requests} requests`);
  assert.equal(report.exchangesActive, 0);
  assert.ok(report.upstreamConnections <= 16, `${report.upstreamConnections} connections for 16 clients`);
  assert.ok(report.idleBytesPerConnection < maxBytesPerIdleConnection, `${report.idleBytesPerConnection} bytes`);
});
