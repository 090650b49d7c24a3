// SPDX-License-Identifier: Apache-2.0
// One file for the access logs of several workers. Each worker sends whole lines and waits until they are written, so
// lines stay whole, those of one worker in order, and no more than one chunk of each worker waits here.

import type { ByteSink } from "../../telemetry/index.ts";

interface Waiting {
  readonly bytes: Buffer;
  readonly done: (error: Error | null) => void;
}

export class SinkQueue {
  readonly #sink: ByteSink;
  readonly #waiting: Waiting[] = [];
  #writing = false;

  /** Takes the sink over: `close` closes it. */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array<ArrayBuffer>, done: (error: Error | null) => void): void {
    this.#waiting.push({ bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), done });
    this.#pump();
  }

  reopen(): void {
    this.#sink.reopen();
  }

  /** Once no worker writes any more. */
  close(): Promise<void> {
    this.#sink.close();
    return Promise.resolve();
  }

  #pump(): void {
    if (this.#writing) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#writing = true;
    this.#sink.write(next.bytes, (error) => {
      this.#writing = false;
      next.done(error);
      this.#pump();
    });
  }
}
