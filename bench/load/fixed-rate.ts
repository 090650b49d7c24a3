// SPDX-License-Identifier: Apache-2.0
// An open-loop load generator: requests leave at planned times whatever the answers do, and latency counts from the
// plan, so that a stall is seen by every request it delays (no coordinated omission). Its own lateness, which is no
// fault of the target, is measured beside it. It stays for all rounds, so that its own code is compiled once, before what
// counts: a process that sends orders over IPC gets a result for each, in turn.

import { connect, type Socket } from "node:net";

import type { Latency, RateOrder } from "./measure.ts";

const okay = Buffer.from("HTTP/1.1 200 ");
/** The part of a run that is not counted: connections and the target's pools are new. */
const warmUpSeconds = 0.25;
/** What is read is looked at before the next read, so one buffer does for all. */
const received = Buffer.alloc(65_536);

interface Lane {
  readonly socket: Socket;
  /** Planned time of the request in flight. */
  plannedMs: number;
  /** Bytes of the response still to come; -1 while in its head. */
  left: number;
}

process.on("message", (order: RateOrder) => {
  const run = new Run(order, (latency) => process.send?.(latency));
  run.open();
});

class Run {
  readonly #order: RateOrder;
  readonly #onEnd: (latency: Latency) => void;
  readonly #request: Buffer;
  readonly #total: number;
  readonly #warmUp: number;
  readonly #everyMs: number;
  /** Microseconds of each answer after the warm-up, from its plan. */
  readonly #latencies: Float64Array;
  /** Microseconds from the plan to the write, of requests that found a connection free. */
  readonly #delays: Float64Array;
  /** Planned times that found no connection free. */
  readonly #backlog: Float64Array;
  readonly #lanes: Lane[] = [];
  readonly #idle: Lane[] = [];
  #backlogHead = 0;
  #backlogTail = 0;
  #planned = 0;
  #answered = 0;
  #recorded = 0;
  #delayed = 0;
  #bodyBytes = -1;
  #startMs = 0;
  #lastMs = 0;

  constructor(order: RateOrder, onEnd: (latency: Latency) => void) {
    const { path, rate, seconds } = order;
    this.#order = order;
    this.#onEnd = onEnd;
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    this.#warmUp = Math.floor(rate * warmUpSeconds);
    this.#total = this.#warmUp + Math.floor(rate * seconds);
    this.#everyMs = 1_000 / rate;
    this.#latencies = new Float64Array(this.#total);
    this.#delays = new Float64Array(this.#total);
    this.#backlog = new Float64Array(this.#total);
  }

  open(): void {
    const { port, connections } = this.#order;
    for (let index = 0; index < connections; index++) {
      const socket = connect({
        port,
        host: "127.0.0.1",
        noDelay: true,
        onread: { buffer: received, callback: (length) => this.#receive(lane, length) },
      });
      const lane: Lane = { socket, plannedMs: -1, left: -1 };
      this.#lanes.push(lane);
      socket.on("error", (error) => this.#fail(error)).on("close", () => this.#fail(new Error("connection closed")));
      socket.on("connect", () => {
        this.#idle.push(lane);
        if (this.#idle.length < connections) return;
        this.#startMs = performance.now();
        setImmediate(this.#pump);
      });
    }
  }

  /** Runs once per turn of the event loop, without sleeping: no timer of Node's is finer than 1 ms. */
  readonly #pump = (): void => {
    const nowMs = performance.now();
    const due = Math.min(this.#total, Math.floor((nowMs - this.#startMs) / this.#everyMs) + 1);
    for (; this.#planned < due; this.#planned++) {
      const plannedMs = this.#startMs + this.#planned * this.#everyMs;
      const lane = this.#idle.pop();
      if (lane === undefined) {
        this.#backlog[this.#backlogTail++] = plannedMs;
        continue;
      }
      if (this.#planned >= this.#warmUp) this.#delays[this.#delayed++] = (performance.now() - plannedMs) * 1_000;
      this.#send(lane, plannedMs);
    }
    if (this.#answered < this.#total) setImmediate(this.#pump);
  };

  #send(lane: Lane, plannedMs: number): void {
    lane.plannedMs = plannedMs;
    lane.socket.write(this.#request);
  }

  /** Heads arrive whole on loopback; a split one is a reason to stop, not to guess. */
  #receive(lane: Lane, length: number): boolean {
    if (lane.left < 0) {
      const end = received.indexOf("\r\n\r\n");
      if (this.#bodyBytes < 0)
        this.#bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(received.toString("latin1", 0, end))?.[1]);
      if (end < 0 || end >= length || received.compare(okay, 0, okay.length, 0, okay.length) !== 0) {
        this.#fail(new Error(`unexpected answer: ${received.toString("latin1", 0, length)}`));
        return false;
      }
      lane.left = this.#bodyBytes - (length - end - 4);
    } else {
      lane.left -= length;
    }
    if (lane.left > 0) return true;
    if (lane.left < 0) this.#fail(new Error("a longer answer than the first one"));
    lane.left = -1;
    this.#lastMs = performance.now();
    if (++this.#answered > this.#warmUp) this.#latencies[this.#recorded++] = (this.#lastMs - lane.plannedMs) * 1_000;
    if (this.#backlogHead < this.#backlogTail) this.#send(lane, this.#backlog[this.#backlogHead++]!);
    else this.#idle.push(lane);
    if (this.#answered === this.#total) this.#end();
    return true;
  }

  #end(): void {
    for (const { socket } of this.#lanes) socket.destroy();
    const answers = this.#latencies.subarray(0, this.#recorded).sort();
    const own = this.#delays.subarray(0, this.#delayed).sort();
    const at = (sorted: Float64Array, quantile: number): number =>
      Math.round(sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0);
    this.#onEnd({
      p50: at(answers, 0.5),
      p90: at(answers, 0.9),
      p99: at(answers, 0.99),
      max: at(answers, 1),
      lateP50: at(own, 0.5),
      lateP99: at(own, 0.99),
      requests: this.#total,
      backlogged: this.#backlogTail,
      perSecond: this.#total / ((this.#lastMs - this.#startMs) / 1_000),
    });
  }

  #fail(error: Error): void {
    if (this.#answered === this.#total) return;
    process.stderr.write(`${error.message} after ${this.#answered} answers\n`, () => process.exit(1));
  }
}
