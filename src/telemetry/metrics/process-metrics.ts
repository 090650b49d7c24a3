// SPDX-License-Identifier: Apache-2.0
// What the process itself reports, under the names Prometheus clients share (prom-client's defaults). Read at scrape
// only: prom-client's own collectors keep a 10 ms timer and a GC observer that nobody can stop.

import { readdirSync, readFileSync } from "node:fs";

import type { Sample, SampleSource } from "../port.ts";

export interface ProcessMemory {
  readonly rssBytes: number;
  /** The part of it that belongs to this process alone; null where the system does not tell (not Linux). */
  readonly rssAnonBytes: number | null;
  readonly virtualBytes: number | null;
  readonly heapTotalBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  readonly arrayBuffersBytes: number;
}

/** A snapshot; cheap enough for every scrape. */
export function readProcessMemory(): ProcessMemory {
  const usage = process.memoryUsage();
  const status = readProc("/proc/self/status");
  return {
    rssBytes: usage.rss,
    rssAnonBytes: kilobytes(status, "RssAnon"),
    virtualBytes: kilobytes(status, "VmSize"),
    heapTotalBytes: usage.heapTotal,
    heapUsedBytes: usage.heapUsed,
    externalBytes: usage.external,
    arrayBuffersBytes: usage.arrayBuffers,
  };
}

/** `process_*`, `nodejs_*` and Istio's `istio_build`. What the system does not tell is left out. */
export function processSamples(version: string): SampleSource {
  const build = sample("istio_build", "gauge", "Version of the proxy.", 1, { component: "proxy", tag: version });
  const node = sample("nodejs_version_info", "gauge", "Version of Node.js.", 1, { version: process.version });
  const started = sample(
    "process_start_time_seconds",
    "gauge",
    "Start of the process, seconds since the epoch.",
    Math.round(performance.timeOrigin / 1000),
  );
  return () => [build, node, started, ...cpuSamples(), ...memorySamples(), ...fileSamples()];
}

function cpuSamples(): Sample[] {
  const { user, system } = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  return [
    sample("process_cpu_user_seconds_total", "counter", "User CPU time, in seconds.", user / 1e6),
    sample("process_cpu_system_seconds_total", "counter", "System CPU time, in seconds.", system / 1e6),
    sample("process_cpu_seconds_total", "counter", "User and system CPU time, in seconds.", (user + system) / 1e6),
    sample(
      "nodejs_eventloop_active_seconds_total",
      "counter",
      "Time the event loop did not wait for events, in seconds.",
      loop.active / 1000,
    ),
    sample(
      "nodejs_eventloop_idle_seconds_total",
      "counter",
      "Time the event loop waited for events, in seconds.",
      loop.idle / 1000,
    ),
  ];
}

function memorySamples(): Sample[] {
  const memory = readProcessMemory();
  return present([
    ["process_resident_memory_bytes", "Resident memory, in bytes.", memory.rssBytes],
    ["process_anonymous_memory_bytes", "Resident memory of this process alone, in bytes.", memory.rssAnonBytes],
    ["process_virtual_memory_bytes", "Virtual memory, in bytes.", memory.virtualBytes],
    ["nodejs_heap_size_total_bytes", "Size of the JavaScript heap, in bytes.", memory.heapTotalBytes],
    ["nodejs_heap_size_used_bytes", "Used part of the JavaScript heap, in bytes.", memory.heapUsedBytes],
    ["nodejs_external_memory_bytes", "Memory bound to JavaScript objects, in bytes.", memory.externalBytes],
  ]);
}

function fileSamples(): Sample[] {
  return present([
    ["process_open_fds", "Open file descriptors.", countOpenFiles()],
    ["process_max_fds", "Most file descriptors there may be.", maxOpenFiles()],
  ]);
}

function countOpenFiles(): number | null {
  try {
    // Reading the directory takes one of them.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    // No /proc: not Linux, or out of descriptors. The metric is left out.
    return null;
  }
}

/** Of this process; null where the system does not say. Node raises it to the hard limit when it starts. */
export function maxOpenFiles(): number | null {
  const match = /^Max open files\s+(\d+)/m.exec(readProc("/proc/self/limits"));
  return match === null ? null : Number(match[1]);
}

function kilobytes(status: string, name: string): number | null {
  const match = new RegExp(String.raw`^${name}:\s+(\d+) kB`, "m").exec(status);
  return match === null ? null : Number(match[1]) * 1024;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No /proc: what would have come from it is left out.
    return "";
  }
}

function present(gauges: readonly (readonly [name: string, help: string, value: number | null])[]): Sample[] {
  return gauges.flatMap(([name, help, value]) => (value === null ? [] : [sample(name, "gauge", help, value)]));
}

function sample(
  name: string,
  type: Sample["type"],
  help: string,
  value: number,
  labels: Sample["labels"] = {},
): Sample {
  return { name, help, type, labels, value };
}
