// SPDX-License-Identifier: Apache-2.0
// An open-loop load generator: requests leave at planned times whatever the answers do, and latency counts from the
// plan, so that a stall is seen by every request it delays (no coordinated omission). Its own lateness, which is no
// fault of the target, is measured beside it. Prints one JSON line.
//
//   node bench/load/fixed-rate.ts PORT PATH RATE SECONDS CONNECTIONS

import { connect, type Socket } from "node:net";

const [port = 0, , rate = 0, seconds = 0, connections = 0] = process.argv.slice(2).map(Number);
const path = process.argv[3] ?? "/";
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
const okay = Buffer.from("HTTP/1.1 200 ");
const total = Math.floor(rate * seconds);
const warmUp = Math.floor(rate / 2);
const everyMs = 1_000 / rate;
/** Microseconds of each answer after the warm-up, from its plan. */
const latencies = new Float64Array(total);
/** Microseconds from the plan to the write, of requests that found a connection free. */
const delays = new Float64Array(total);
/** Planned times that found no connection free: a ring. */
const backlog = new Float64Array(total);
/** What is read is looked at before the next read, so one buffer does for all. */
const received = Buffer.alloc(65_536);

interface Lane {
  readonly socket: Socket;
  /** Planned time of the request in flight. */
  plannedMs: number;
  /** Bytes of the response still to come; -1 while in its head. */
  left: number;
}

const idle: Lane[] = [];
let backlogHead = 0;
let backlogTail = 0;
let planned = 0;
let answered = 0;
let recorded = 0;
let delayed = 0;
let bodyBytes = -1;
let startMs = 0;
let lastMs = 0;

for (let index = 0; index < connections; index++) {
  const socket = connect({
    port,
    host: "127.0.0.1",
    noDelay: true,
    onread: { buffer: received, callback: (length) => receive(lane, length) },
  });
  const lane: Lane = { socket, plannedMs: -1, left: -1 };
  socket.on("error", fail).on("close", () => fail(new Error("connection closed")));
  socket.on("connect", () => {
    idle.push(lane);
    if (idle.length === connections) {
      startMs = performance.now();
      setImmediate(pump);
    }
  });
}

/** Runs once per turn of the event loop, without sleeping: no timer of Node's is finer than 1 ms. */
function pump(): void {
  const nowMs = performance.now();
  const due = Math.min(total, Math.floor((nowMs - startMs) / everyMs) + 1);
  for (; planned < due; planned++) {
    const plannedMs = startMs + planned * everyMs;
    const lane = idle.pop();
    if (lane === undefined) {
      backlog[backlogTail++] = plannedMs;
      continue;
    }
    if (planned >= warmUp) delays[delayed++] = (performance.now() - plannedMs) * 1_000;
    send(lane, plannedMs);
  }
  if (answered < total) setImmediate(pump);
}

function send(lane: Lane, plannedMs: number): void {
  lane.plannedMs = plannedMs;
  lane.socket.write(request);
}

/** Heads arrive whole on loopback; a split one is a reason to stop, not to guess. */
function receive(lane: Lane, length: number): boolean {
  if (lane.left < 0) {
    const end = received.indexOf("\r\n\r\n");
    if (bodyBytes < 0) bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(received.toString("latin1", 0, end))?.[1]);
    if (end < 0 || end >= length || received.compare(okay, 0, okay.length, 0, okay.length) !== 0) {
      fail(new Error(`unexpected answer: ${received.toString("latin1", 0, length)}`));
      return false;
    }
    lane.left = bodyBytes - (length - end - 4);
  } else {
    lane.left -= length;
  }
  if (lane.left > 0) return true;
  if (lane.left < 0) fail(new Error("a longer answer than the first one"));
  lane.left = -1;
  lastMs = performance.now();
  if (++answered > warmUp) latencies[recorded++] = (lastMs - lane.plannedMs) * 1_000;
  if (backlogHead < backlogTail) send(lane, backlog[backlogHead++]!);
  else idle.push(lane);
  if (answered === total) report();
  return true;
}

function report(): void {
  const answers = latencies.subarray(0, recorded).sort();
  const own = delays.subarray(0, delayed).sort();
  const at = (sorted: Float64Array, quantile: number): number =>
    Math.round(sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0);
  const result = {
    p50: at(answers, 0.5),
    p90: at(answers, 0.9),
    p99: at(answers, 0.99),
    max: at(answers, 1),
    lateP50: at(own, 0.5),
    lateP99: at(own, 0.99),
    backlogged: backlogTail,
    perSecond: total / ((lastMs - startMs) / 1_000),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

function fail(error: Error): void {
  if (answered === total) return;
  process.stderr.write(`${error.message} after ${answered} answers\n`, () => process.exit(1));
}
