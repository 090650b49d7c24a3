// SPDX-License-Identifier: Apache-2.0
// The invariants of ownership, asserted (NARU_URING_CHECK=1), and memory that changes hands overwritten, so that
// whoever looks at it afterwards is found out.

import type { Buffer } from "node:buffer";

import type { ReceiveBuffers } from "../../../platform/index.ts";

const poison = 0xdd;

export class OwnershipCheck {
  /** Received into and not given back: group and number. */
  readonly #held = new Set<string>();

  /** A completion came in for a slot: of the generation that owns it, since slots outlive their operations. */
  completion(owner: object | null | undefined, generation: number | undefined, carried: number): void {
    if (owner === null || owner === undefined) fail("a completion of a slot that nobody owns");
    if (generation !== carried) fail(`a completion of generation ${carried} in a slot of generation ${generation}`);
  }

  /** The kernel has filled `buffer`. */
  received({ group, circulating, bytesEach }: ReceiveBuffers, buffer: number, length: number): void {
    const name = `${group}:${buffer}`;
    if (buffer < 0 || buffer >= circulating) fail(`buffer ${name} was never given to the kernel`);
    if (length > bytesEach) fail(`${length} bytes in a buffer of ${bytesEach}`);
    if (this.#held.has(name)) fail(`buffer ${name} was filled while it was being read`);
    this.#held.add(name);
  }

  /** `buffer` is about to be given back. */
  gives({ group, bytes, bytesEach }: ReceiveBuffers, buffer: number): void {
    const name = `${group}:${buffer}`;
    if (!this.#held.delete(name)) fail(`buffer ${name} is given back twice`);
    bytes.fill(poison, buffer * bytesEach, (buffer + 1) * bytesEach);
  }

  /** What a body was read into is free for the next. */
  read(bytes: Buffer): void {
    bytes.fill(poison);
  }

  /** The kernel is through with all that was sent. */
  sent(bytes: Buffer): void {
    bytes.fill(poison);
  }

  /** Operations of a slot that is given up. */
  slotEnds(operations: number): void {
    if (operations !== 0) fail(`a slot is given up with ${operations} operations in it`);
  }

  /** Everything has been closed. */
  atRest(): void {
    if (this.#held.size > 0) fail(`${this.#held.size} buffers were never given back`);
  }
}

function fail(message: string): never {
  throw new Error(`io_uring transport: ${message}`);
}
