// SPDX-License-Identifier: Apache-2.0
// The invariants of ownership, asserted (NARU_URING_CHECK=1), and memory that changes hands overwritten, so that
// whoever looks at it afterwards is found out.

import { AssertionError } from "node:assert";
import type { Buffer } from "node:buffer";

import { receiveBufferBytes, type ReceiveBuffers } from "../../../platform/index.ts";

const poison = 0xdd;

export class OwnershipCheck {
  readonly #buffers: ReceiveBuffers;
  /** Received into and not given back. */
  readonly #held = new Set<number>();
  /** Offsets of memory that is being sent. */
  readonly #sending = new Set<number>();

  constructor(buffers: ReceiveBuffers) {
    this.#buffers = buffers;
  }

  /** A completion came in for a slot: of the generation that owns it, since slots outlive their operations. */
  completion(owner: object | null | undefined, generation: number | undefined, carried: number): void {
    if (owner === null || owner === undefined) fail("a completion of a slot that nobody owns");
    if (generation !== carried) fail(`a completion of generation ${carried} in a slot of generation ${generation}`);
  }

  /** The kernel has filled `buffer`. */
  received(buffer: number, length: number): void {
    if (buffer < 0 || buffer >= this.#buffers.circulating) fail(`buffer ${buffer} was never given to the kernel`);
    if (length > receiveBufferBytes) fail(`${length} bytes in a buffer of ${receiveBufferBytes}`);
    if (this.#held.has(buffer)) fail(`buffer ${buffer} was filled while it was being read`);
    this.#held.add(buffer);
  }

  /** `buffer` is about to be given back. */
  gives(buffer: number): void {
    if (!this.#held.delete(buffer)) fail(`buffer ${buffer} is given back twice`);
    const at = buffer * receiveBufferBytes;
    this.#buffers.bytes.fill(poison, at, at + receiveBufferBytes);
  }

  /** Memory at `at` goes to the kernel. */
  sends(at: number): void {
    if (this.#sending.has(at)) fail(`the memory at ${at} is sent twice at a time`);
    this.#sending.add(at);
  }

  /** The kernel is through with `bytes` at `at`. */
  sent(at: number, bytes: Buffer, length: number): void {
    if (!this.#sending.delete(at)) fail(`the memory at ${at} was not being sent`);
    bytes.fill(poison, 0, length);
  }

  /** Operations of a slot that is given up. */
  slotEnds(operations: number): void {
    if (operations !== 0) fail(`a slot is given up with ${operations} operations in it`);
  }

  /** Everything has been closed. */
  atRest(kept: number): void {
    if (this.#held.size > 0) fail(`${this.#held.size} buffers were never given back`);
    if (this.#sending.size > 0 || kept > 0) fail(`${kept} pieces of memory to send were never released`);
  }
}

function fail(message: string): never {
  throw new AssertionError({ message: `io_uring transport: ${message}` });
}
