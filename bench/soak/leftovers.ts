// SPDX-License-Identifier: Apache-2.0
// What naru still holds some seconds after the last client has gone: exchanges, connections, files, and of io_uring slots
// and buffers. Connections to origins stay open, so each of them may have its file and its slot.

import { readdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

const settleMs = 10_000;
/** Of the event loop, of a scrape, of files that are being read. */
const passingFiles = 8;

/** File descriptors of a process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** One line for each kind of thing that is left when everything has had time to go. */
export async function waitForLeftovers(
  pid: number,
  filesBefore: number,
  scrape: () => Promise<string>,
): Promise<readonly string[]> {
  let left: readonly string[] = [];
  for (const untilMs = performance.now() + settleMs; performance.now() < untilMs; await wait(200)) {
    left = leftIn(await scrape(), openFiles(pid) - filesBefore);
    if (left.length === 0) break;
  }
  return left;
}

function leftIn(metrics: string, moreFiles: number): readonly string[] {
  const gauges =
    /^naru_(?:exchanges_active|downstream_connections_active|upstream_requests_(?:active|pending)|uring_buffer_used_bytes)\b.* [^0]\S*$/gm;
  const left: string[] = metrics.match(gauges) ?? [];
  const upstreams = sum(metrics, "naru_upstream_connections_active");
  if (moreFiles > upstreams + passingFiles) left.push(`${moreFiles} more files with ${upstreams} upstream connections`);
  const slots = sum(metrics, "naru_uring_slots_active");
  const listeners = count(metrics, "naru_downstream_connections_active") * sum(metrics, "naru_transport_threads");
  if (slots > upstreams + listeners)
    left.push(`${slots} slots, ${upstreams} upstream connections, ${listeners} listeners`);
  return left;
}

function valuesOf(metrics: string, name: string): readonly number[] {
  const samples = metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"));
  return Array.from(samples, ([, value]) => Number(value));
}

function sum(metrics: string, name: string): number {
  return valuesOf(metrics, name).reduce((total, value) => total + value, 0);
}

function count(metrics: string, name: string): number {
  return valuesOf(metrics, name).length;
}
