// SPDX-License-Identifier: Apache-2.0
// The access log between the hot path and a sink: lines collect in 64 KiB chunks that leave when full or after a second
// (Envoy's file access log). One chunk is being written at a time; what a slow sink leaves waiting is bounded, and what
// does not fit is dropped and counted rather than kept or waited for.
//
//   write → [current chunk] → queue of full chunks → sink
//               64 KiB          at most 4 MiB waiting

import { Buffer } from "node:buffer";

import { writers, type Cancel, type Clock } from "../../core/index.ts";
import type { AccessLog, AccessLogRecord, SampleSource } from "../port.ts";
import type { ByteSink } from "./byte-sink.ts";
import { createJsonFormat, createTextFormat, mostLineBytes, type LineFormat } from "./line-formats.ts";

export interface AccessLogOptions {
  readonly format: "text" | "json";
  /** Owned by the access log: `close` closes it. */
  readonly sink: ByteSink;
  readonly clock: Clock;
}

export interface BufferedAccessLog extends AccessLog {
  /** Resolves when everything written so far is with the sink, or lost. */
  flush(): Promise<void>;
  /** Opens the sink's file again; what is already queued may still go to the old one. */
  reopen(): void;
  /** Flushes, for at most a second, and closes the sink. Later lines are dropped. */
  close(): Promise<void>;
  /** `naru_access_log_lines_total`, `naru_access_log_dropped_total`. */
  readonly samples: SampleSource;
}

interface Chunk {
  readonly bytes: Buffer;
  length: number;
  lines: number;
}

const chunkBytes = 64 * 1024;
/** More than most lines need; a head of 60 KiB makes it some hundred KiB. */
const initialLineBytes = 8 * 1024;
const flushIntervalMs = 1000;
const maxWaitingBytes = 4 * 1024 * 1024;
const closeTimeoutMs = 1000;
/** Empty chunks kept: one being filled while one is being written is the steady state. */
const maxSpareChunks = 2;

/** Starts nothing until the first line; its one timer runs only while lines wait. */
export function createAccessLog(options: AccessLogOptions): BufferedAccessLog {
  return new ChunkedLog(options, options.format === "text" ? createTextFormat() : createJsonFormat());
}

class ChunkedLog implements BufferedAccessLog {
  readonly samples: SampleSource;
  readonly #format: LineFormat;
  /** For lines whose length has to be known before it is clear where they go. */
  #line = Buffer.allocUnsafeSlow(initialLineBytes);
  readonly #sink: ByteSink;
  readonly #clock: Clock;
  readonly #queue: Chunk[] = [];
  readonly #spare: Buffer[] = [];
  #current: Chunk | null = null;
  #writing = false;
  /** Bytes of the queue, the chunk being written included. */
  #waitingBytes = 0;
  #cancelTimer: Cancel | null = null;
  #closed = false;
  #lines = 0;
  #dropped = 0;
  #idleWaiters: (() => void)[] = [];

  constructor({ sink, clock }: AccessLogOptions, format: LineFormat) {
    this.#format = format;
    this.#sink = sink;
    this.#clock = clock;
    this.samples = () => this.#samples();
  }

  // HOT: once per exchange.
  write(record: AccessLogRecord): void {
    this.#lines++;
    const most = mostLineBytes(record);
    const chunk = this.#current;
    if (chunk === null || chunk.bytes.length - chunk.length < most || this.#closed) {
      this.#writeMeasured(record, most);
      return;
    }
    chunk.length = this.#format(record, chunk.bytes, chunk.length);
    chunk.lines++;
  }

  async flush(): Promise<void> {
    this.#send();
    if (!this.#writing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idleWaiters.push(resolve);
    await promise;
  }

  reopen(): void {
    this.#send();
    this.#sink.reopen();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { promise: timeout, resolve: onTimeout } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(closeTimeoutMs, onTimeout);
    await Promise.race([this.flush(), timeout]);
    cancel();
    this.#sink.close();
  }

  /** Chunks are filled to the end, and what nearly never happens takes no more memory than it needs. */
  #writeMeasured(record: AccessLogRecord, mostBytes: number): void {
    if (this.#line.length < mostBytes) this.#line = Buffer.allocUnsafeSlow(mostBytes);
    const length = this.#format(record, this.#line, 0);
    const chunk = this.#chunkFor(length);
    if (chunk === null) {
      this.#dropped++;
      return;
    }
    chunk.length = writers.copyBytes(this.#line, 0, length, chunk.bytes, chunk.length);
    chunk.lines++;
  }

  /** Where a line of so many bytes goes; null when it has to be dropped. */
  #chunkFor(bytes: number): Chunk | null {
    if (this.#closed) return null;
    if (this.#current !== null && this.#current.length + bytes > this.#current.bytes.length) this.#send();
    if (this.#current === null) {
      if (this.#waitingBytes + bytes > maxWaitingBytes) return null;
      this.#current = { bytes: this.#take(bytes), length: 0, lines: 0 };
      this.#cancelTimer = this.#clock.after(flushIntervalMs, () => this.#send());
    }
    return this.#current;
  }

  #take(bytes: number): Buffer {
    if (bytes > chunkBytes) return Buffer.allocUnsafeSlow(bytes);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  #send(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#current === null) return;
    this.#queue.push(this.#current);
    this.#waitingBytes += this.#current.length;
    this.#current = null;
    this.#pump();
  }

  #pump(): void {
    if (this.#writing) return;
    const chunk = this.#queue.shift();
    if (chunk === undefined) {
      const waiters = this.#idleWaiters;
      this.#idleWaiters = [];
      for (const resolve of waiters) resolve();
      return;
    }
    this.#writing = true;
    this.#sink.write(chunk.bytes.subarray(0, chunk.length), (error) => {
      this.#writing = false;
      this.#waitingBytes -= chunk.length;
      if (error !== null) this.#dropped += chunk.lines;
      if (this.#spare.length < maxSpareChunks && chunk.bytes.length === chunkBytes) this.#spare.push(chunk.bytes);
      this.#pump();
    });
  }

  #samples(): ReturnType<SampleSource> {
    return [
      {
        name: "naru_access_log_lines_total",
        help: "Access-log lines made.",
        type: "counter",
        labels: {},
        value: this.#lines,
      },
      {
        name: "naru_access_log_dropped_total",
        help: "Access-log lines lost because the file or its reader was too slow or failed.",
        type: "counter",
        labels: {},
        value: this.#dropped,
      },
    ];
  }
}
