// SPDX-License-Identifier: Apache-2.0
// Restart in place: a new process takes the ports of one that runs, the old one drains, and nobody notices.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { findTool } from "../support/tools.ts";
import type { TakeOverReport } from "./support/take-over-child.ts";

const child = fileURLToPath(new URL("./support/take-over-child.ts", import.meta.url));
const times = 4;

/** A command that runs another one in a network of its own, where net.ipv4.* may be set; null where that is forbidden. */
function ownNetwork(): readonly string[] | null {
  const unshare = findTool("unshare");
  if (unshare === null || findTool("ip") === null) return null;
  const command = [unshare, "--map-root-user", "--net"];
  return spawnSync(unshare, [...command.slice(1), "true"]).status === 0 ? command : null;
}

function replaceGateways(threads: number): TakeOverReport {
  const network = ownNetwork();
  const [command, ...args] = [...(network ?? []), process.execPath, child, network === null ? "shared" : "own"];
  const options = { encoding: "utf8", timeout: 40_000, killSignal: "SIGKILL" } as const;
  const { stdout, stderr } = spawnSync(command, [...args, String(threads), String(times)], options);
  assert.ok(stdout.endsWith("}\n"), stderr);
  return JSON.parse(stdout) as TakeOverReport;
}

suite("restart in place under load", { timeout: 90_000 }, () => {
  for (const threads of [1, 2]) {
    test(`${threads} data-plane thread(s): each process is replaced by the next, and no request is lost`, () => {
      const report = replaceGateways(threads);
      const { failures, connectionsOpened, exitCodes, shares, kernelMigrates } = report;
      const text = JSON.stringify(report);
      assert.deepEqual(
        failures.filter(({ fresh }) => !fresh),
        [],
      );
      // Where the kernel may not be told, a client can meet the instant in which a port is closed.
      assert.ok(failures.length <= (kernelMigrates ? 0 : times * threads), text);
      assert.deepEqual(
        exitCodes,
        Array.from({ length: times }, () => 0),
      );
      assert.ok(Math.min(...shares) > 0, `a new process has its share at once: ${text}`);
      assert.ok(connectionsOpened > 200, `${connectionsOpened} connections are no test of accepting`);
    });
  }
});
