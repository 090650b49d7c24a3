// SPDX-License-Identifier: Apache-2.0
// What the thread's event loop waits for, so that something else can do the waiting for it.

import type { Libc } from "./libc.ts";

export class EventLoop {
  /** Readable when the loop has I/O to work off. */
  readonly fd: number;
  readonly #libc: Libc;
  readonly #loop: bigint;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#loop = libc.eventLoop;
    this.fd = libc.uv_backend_fd(this.#loop);
  }

  /** Milliseconds until its next timer, counted from the last `updateTime`; 0 when it has something to do, -1 without end. */
  timeoutMs(): number {
    return this.#libc.uv_backend_timeout(this.#loop);
  }

  /** After waiting: timers that are set next count from now. */
  updateTime(): void {
    this.#libc.uv_update_time(this.#loop);
  }
}
