// SPDX-License-Identifier: Apache-2.0
// Spans of a data-plane worker on their way to the thread that exports them: sent in batches, the next one only when the
// last was taken, so that a main thread that is slow makes the worker drop spans and not fill memory.

import type { Cancel, Clock } from "../../core/index.ts";
import type { SampleSource, SpanRecord, SpanSink } from "../port.ts";
import { droppedSpans } from "./dropped-spans.ts";
import { spanCountOf } from "./span-attributes.ts";

const batchDelayMs = 200;
const recordsPerBatch = 64;
const maxWaiting = 1_024;

/** One per worker. Its timer runs only while something waits. */
export class SpanBatches implements SpanSink {
  readonly samples: SampleSource;
  readonly #clock: Clock;
  readonly #send: (spans: readonly SpanRecord[]) => void;
  #waiting: SpanRecord[] = [];
  #isSending = false;
  #cancelTimer: Cancel | null = null;
  #dropped = 0;

  constructor(clock: Clock, send: (spans: readonly SpanRecord[]) => void) {
    this.#clock = clock;
    this.#send = send;
    this.samples = () => [droppedSpans("worker", this.#dropped)];
  }

  write(span: SpanRecord): void {
    if (this.#waiting.length === maxWaiting) {
      this.#dropped += spanCountOf(span);
      return;
    }
    this.#waiting.push(span);
    if (!this.#isSending) this.#sendSoon();
  }

  /** The last batch was taken. */
  onTaken(): void {
    this.#isSending = false;
    if (this.#waiting.length > 0) this.#sendSoon();
  }

  /** Sends what waits now; the end of the thread does not wait for `onTaken`. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#waiting.length === 0) return;
    const spans = this.#waiting;
    this.#waiting = [];
    this.#isSending = true;
    this.#send(spans);
  }

  #sendSoon(): void {
    if (this.#waiting.length >= recordsPerBatch) this.flush();
    else this.#cancelTimer ??= this.#clock.after(batchDelayMs, () => this.flush());
  }
}
