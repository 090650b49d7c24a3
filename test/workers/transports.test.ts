// SPDX-License-Identifier: Apache-2.0
// One transport per worker: the kernel spreads the connections over the rings, and a worker that can have none serves
// without.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { requireTool, requireTransport } from "../support/requires.ts";
import { transportKinds } from "../support/transport-under-test.ts";
import type { LittleMemoryReport } from "./support/little-locked-memory-child.ts";
import { closeAll, startPool } from "./support/pool-under-test.ts";

for (const kind of transportKinds) {
  test(`${kind.name}: each of two workers has a transport of its own, and clients on it`, async (t) => {
    if (!requireTransport(t, kind)) return;
    await using run = await startPool({ transport: kind.name });
    const clients = await run.connectToAll(2);
    const counts = await run.connectionsByWorker();
    assert.ok(Math.min(...counts) >= 2, counts.join(", "));
    assert.equal(run.sample("naru_transport_threads", { transport: kind.name }), 2);
    if (kind.name === "uring") {
      // Of each worker a listener, and every client in one of the two rings.
      assert.equal(run.sample("naru_uring_slots_active"), 2 + clients.length);
      assert.ok(run.sample("naru_uring_completions_total") >= clients.length);
    }
    await closeAll(clients);
  });
}

test("workers that cannot have a ring after all serve without one, and say so", async (t) => {
  const uring = transportKinds.find(({ name }) => name === "uring")!;
  if (!requireTransport(t, uring)) return;
  const setpriv = requireTool(t, "setpriv");
  if (setpriv === null) return;
  const child = fileURLToPath(new URL("support/little-locked-memory-child.ts", import.meta.url));
  // Locked memory is not counted for root, nor for anybody else who has CAP_IPC_LOCK.
  const asAnybody = process.getuid?.() === 0 ? [setpriv, "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"] : [];
  const command = [...asAnybody, process.execPath, child, "run"];
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", 'ulimit -l 0; exec "$0" "$@"', ...command], {
    // Where a suite is to run over io_uring, it is asked for before anything else, and there is none.
    env: { ...process.env, NARU_TEST_TRANSPORT: "node" },
    timeout: 25_000,
  });
  const { answers, threads, warnings } = JSON.parse(stdout) as LittleMemoryReport;
  assert.ok(answers.length >= 2);
  assert.deepEqual([...new Set(answers)], ["HTTP/1.1 200 OK"]);
  assert.equal(threads.node + threads.uring, 2);
  // Before Linux 5.12, and where it is counted otherwise, the limit stops nobody.
  assert.equal(warnings.filter((line) => /cannot be used after all .*LimitMEMLOCK/.test(line)).length, threads.node);
});
