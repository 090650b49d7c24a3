// SPDX-License-Identifier: Apache-2.0
// What a data plane takes from the system, on whichever thread it runs.

import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { randomFillSync } from "node:crypto";
import { lookup } from "node:dns/promises";
import { systemClock, systemCodeOf } from "../core/index.ts";
import { trimMemory } from "../platform/index.ts";
import type { DataPlaneDeps } from "../proxy/index.ts";

type SystemDeps = Pick<
  DataPlaneDeps,
  "clock" | "random" | "resolveHost" | "fillRandom" | "readMemory" | "collectGarbage"
>;

/** Time, chance, names and memory. */
export function systemDeps(): SystemDeps {
  const processLimit = memoryOfProcess();
  let processUsed = 0;
  return {
    clock: systemClock,
    random: Math.random,
    resolveHost: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    fillRandom: (bytes) => void randomFillSync(bytes),
    readMemory() {
      const { used_heap_size: heapUsed, heap_size_limit: heapLimit } = getHeapStatistics();
      processUsed = privateBytes() ?? processUsed;
      return { heapUsed, heapLimit, processUsed, processLimit };
    },
    collectGarbage() {
      // Node offers this in no other way to a program that was not started with the flag.
      setFlagsFromString("--expose-gc");
      // The only kind that gives the pages of the heap back, those of dead threads included.
      (runInNewContext("gc") as (options: object) => void)({ type: "major", execution: "sync", flavor: "last-resort" });
      trimMemory();
    },
  };
}

/**
 * Whether connections that nobody has accepted yet survive the closing of a listener when another process has the port,
 * too (Linux 5.14 and newer, in each network namespace).
 */
export function kernelMigratesConnections(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv4/tcp_migrate_req", "latin1").trim() === "1";
  } catch {
    // A kernel that does not know the setting does not do it.
    return false;
  }
}

/** What the container, else the machine, has. */
function memoryOfProcess(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/**
 * Of the resident memory most is Node's own file, which the kernel drops when it has to: that must not count. null while
 * there is no file descriptor left to ask with.
 */
function privateBytes(): number | null {
  try {
    if (process.platform !== "linux") return process.memoryUsage.rss();
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    return kibibytes === undefined ? process.memoryUsage.rss() : Number(kibibytes) * 1024;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EMFILE" || code === "ENFILE") return null;
    throw error;
  }
}
