// SPDX-License-Identifier: Apache-2.0
// Waits on Node's event loop until a descriptor of ours is readable: for sockets of kinds that Node does not know.

import type { Libc } from "./libc.ts";
import { systemError } from "./system-error.ts";

const pollHandle = 8;
const uvReadable = 1;

/**
 * Calls back once per turn of the event loop in which the descriptor is readable, or broken. The callback runs as an
 * immediate: it may throw, and promises and ticks that it starts run as after any other. Starts paused. Keeps the process
 * alive while it waits. The descriptor stays the caller's, who closes it after `close`. The constructor throws the system's error.
 */
export class ReadableWatch {
  readonly #libc: Libc;
  /** Of its own ArrayBuffer, which V8 never moves: libuv keeps the address. */
  readonly #handle: Uint8Array<ArrayBuffer>;
  readonly #callback: bigint;
  #scheduled = false;
  #active = false;
  #closed = false;

  constructor(libc: Libc, fd: number, onReadable: () => void) {
    this.#libc = libc;
    this.#handle = new Uint8Array(new ArrayBuffer(Number(libc.uv_handle_size(pollHandle))));
    const result = libc.uv_poll_init(libc.eventLoop, this.#handle, fd);
    if (result < 0) throw systemError("poll", result);
    const run = (): void => {
      this.#scheduled = false;
      if (this.#active) onReadable();
    };
    // libuv calls this from outside of JavaScript, where nothing may be thrown and promises would not run.
    this.#callback = libc.lib.registerCallback({ arguments: ["u64", "i32", "i32"], return: "void" }, () => {
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(run);
    });
  }

  resume(): void {
    if (this.#active || this.#closed) return;
    this.#active = true;
    // Cannot fail: the handle is open, and the loop makes room or ends the process.
    this.#libc.uv_poll_start(this.#handle, uvReadable, this.#callback);
  }

  pause(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#libc.uv_poll_stop(this.#handle);
  }

  /** No call back from here on. The handle itself goes in the next turn of the loop. */
  close(): void {
    if (this.#closed) return;
    this.pause();
    this.#closed = true;
    const { lib } = this.#libc;
    const handle = this.#handle;
    const onClosed = lib.registerCallback({ arguments: ["u64"], return: "void" }, () => {
      // A callback must not be freed while it runs. Until here libuv used the memory of the handle.
      setImmediate(() => {
        handle.fill(0);
        lib.unregisterCallback(onClosed);
        lib.unregisterCallback(this.#callback);
      });
    });
    this.#libc.uv_close(handle, onClosed);
  }
}
