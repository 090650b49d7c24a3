// SPDX-License-Identifier: Apache-2.0
// An open-loop load generator: requests leave at planned times whatever the answers do, and latency counts from the
// plan, so that a stall is seen by every request it delays (no coordinated omission). Prints one JSON line.
//
//   node bench/load/fixed-rate.ts PORT PATH RATE SECONDS CONNECTIONS

import { connect, type Socket } from "node:net";

const [port = 0, , rate = 0, seconds = 0, connections = 0] = process.argv.slice(2).map(Number);
const path = process.argv[3] ?? "/";
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
const total = Math.floor(rate * seconds);
const warmUp = Math.floor(rate / 2);
/** Microseconds of each answer after the warm-up. */
const latencies = new Float64Array(total);

interface Lane {
  readonly socket: Socket;
  /** Planned time of the request in flight, or -1. */
  plannedMs: number;
  /** Bytes of the response still to come; -1 while in its head. */
  left: number;
}

const idle: Lane[] = [];
/** Planned times that found no connection free. */
const backlog: number[] = [];
let planned = 0;
let answered = 0;
let recorded = 0;
let startMs = 0;

for (let index = 0; index < connections; index++) {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const lane: Lane = { socket, plannedMs: -1, left: -1 };
  socket.on("data", (bytes: Buffer) => receive(lane, bytes));
  socket.on("error", fail).on("close", () => fail(new Error("connection closed")));
  socket.on("connect", () => {
    idle.push(lane);
    if (idle.length === connections) {
      startMs = performance.now();
      setImmediate(pump);
    }
  });
}

function pump(): void {
  const dueMs = performance.now() - startMs;
  while (planned < total && (planned / rate) * 1_000 <= dueMs) {
    const plannedMs = startMs + (planned++ / rate) * 1_000;
    const lane = idle.pop();
    if (lane === undefined) backlog.push(plannedMs);
    else send(lane, plannedMs);
  }
  if (answered < total) setImmediate(pump);
}

function send(lane: Lane, plannedMs: number): void {
  lane.plannedMs = plannedMs;
  lane.socket.write(request);
}

/** Heads arrive whole on loopback; a split one is a reason to stop, not to guess. */
function receive(lane: Lane, bytes: Buffer): void {
  if (lane.left < 0) {
    const end = bytes.indexOf("\r\n\r\n");
    const head = bytes.toString("latin1", 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    if (end < 0 || length === null || !head.startsWith("HTTP/1.1 200"))
      return fail(new Error(`unexpected answer: ${head}`));
    lane.left = Number(length[1]) - (bytes.length - end - 4);
  } else {
    lane.left -= bytes.length;
  }
  if (lane.left > 0) return;
  lane.left = -1;
  if (++answered > warmUp) latencies[recorded++] = (performance.now() - lane.plannedMs) * 1_000;
  const waiting = backlog.shift();
  if (waiting === undefined) idle.push(lane);
  else send(lane, waiting);
  if (answered === total) report();
}

function report(): void {
  const sorted = latencies.subarray(0, recorded).sort();
  const at = (quantile: number): number => Math.round(sorted[Math.floor(quantile * (recorded - 1))]!);
  process.stdout.write(`${JSON.stringify({ p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) })}\n`, () =>
    process.exit(0),
  );
}

function fail(error: Error): void {
  if (answered === total) return;
  process.stderr.write(`${error.message} after ${answered} answers\n`, () => process.exit(1));
}
