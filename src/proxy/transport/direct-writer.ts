// SPDX-License-Identifier: Apache-2.0
// Writes past the stream of a socket: what the stream does around the system call, for buffering that is hardly ever
// needed, is 3 % of the CPU time of a request. With a Node whose internals are not known it is the stream that writes.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";

/** What is used of Node's own handles, and where it was read: lib/internal/stream_base_commons.js. */
interface Handle {
  /** 0, a negative error number, or the request when the kernel has not taken all. */
  writeBuffer(request: null, bytes: Buffer): number | WriteRequest;
}

interface WriteRequest {
  handle: Handle;
  oncomplete: (status: number) => void;
  /** Keeps the memory until it is written. */
  buffer: Buffer;
  /** Not null: completed before `oncomplete` was there. */
  writeStatus: number | null;
}

/** In these versions `writeBuffer` is as above; in older ones null would end the process. */
export const isKnownNode = process.versions.node.startsWith("26.10.");
const handleKey = "_handle";
const nothing = Buffer.alloc(0);

/** Of one socket, from when it is connected. */
export class DirectWriter {
  /** Handed to libuv past the stream and not yet taken by the kernel, or counted so until all of a write is. */
  queuedBytes = 0;
  readonly #socket: Socket;
  readonly #onDrain: () => void;

  /** `onDrain`: the kernel has taken all that was queued; never inside `write`. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    this.#onDrain = onDrain;
  }

  /** False: the kernel has not taken all of it, and the memory must stay as it is. */
  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    // Behind what is queued, wherever that is: the stream keeps the order.
    if (!isKnownNode || this.queuedBytes > 0 || socket.writableLength > 0) {
      socket.write(bytes);
      return socket.writableLength === 0;
    }
    const handle = handleOf(socket);
    // Closed, and whoever owns it is about to hear of that.
    if (handle === null) return true;
    const result = handle.writeBuffer(null, bytes);
    if (result === 0) return true;
    if (typeof result === "number") {
      socket.destroy(systemError(result));
      return true;
    }
    this.#await(result, handle, bytes);
    return false;
  }

  #await(request: WriteRequest, handle: Handle, bytes: Buffer): void {
    this.queuedBytes = bytes.length;
    let status: number | null = request.writeStatus;
    request.handle = handle;
    request.buffer = bytes;
    request.oncomplete = (completed) => {
      status = completed;
    };
    // Queued behind it, so that the stream keeps what comes later, and hears of every error.
    this.#socket.write(nothing, (error) => {
      this.queuedBytes = 0;
      if (error) return;
      if (status === 0) this.#onDrain();
      else this.#socket.destroy(systemError(status ?? 0));
    });
  }
}

function handleOf(socket: Socket): Handle | null {
  return (socket as unknown as Readonly<Record<typeof handleKey, Handle | null>>)[handleKey];
}

/** As the stream would have reported it. */
function systemError(status: number): Error {
  const code = status < 0 ? getSystemErrorName(status) : "EIO";
  const text = status < 0 ? getSystemErrorMessage(status) : "the outcome of a write is unknown";
  return Object.assign(new Error(`write ${code}: ${text}`), { code, errno: status, syscall: "write" });
}
