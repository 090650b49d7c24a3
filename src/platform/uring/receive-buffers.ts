// SPDX-License-Identifier: Apache-2.0
// The buffers that the kernel receives into. Each is either the kernel's, or its reader's from the completion that
// names it until `give`, or spare: only as many take turns as were needed at once so far, so that few stay in the
// processor's cache.

import type { Buffer } from "node:buffer";

import type { Libc } from "../libc.ts";
import { mapMemory, type MappedMemory } from "../mapped-memory.ts";
import { systemError } from "../system-error.ts";
import { registerCode, syscallNumber } from "./abi.ts";
import type { Ring } from "./ring.ts";

const entryBytes = 16;
const registrationBytes = 40;
const statusBytes = 40;
/** The ring's tail lies over the unused last field of its first entry. */
const tailHalfWord = 7;

export class ReceiveBuffers {
  /** By which the kernel knows them. */
  readonly group: number;
  readonly bytesEach: number;
  /** All of them; buffer `n` begins at `n * bytesEach`. */
  readonly bytes: Buffer<ArrayBuffer>;
  /** Halves of the address of `bytes`. */
  readonly low: number;
  readonly high: number;
  /** Buffers that are in use or in the kernel's hands; grows up to `count`. */
  circulating = 0;
  readonly count: number;
  readonly #libc: Libc;
  readonly #ringFd: number;
  readonly #memory: MappedMemory;
  readonly #ring: MappedMemory;
  readonly #words: Int32Array;
  readonly #halfWords: Uint16Array;
  readonly #first: number;
  #tail = 0;

  /** `count` is a power of two, at most 32768; `first` take turns at first. Throws the system's error. */
  constructor(libc: Libc, ring: Ring, group: number, bytesEach: number, count: number, first: number) {
    this.group = group;
    this.bytesEach = bytesEach;
    this.count = count;
    this.#first = first;
    this.#libc = libc;
    this.#ringFd = ring.fd;
    this.#memory = mapMemory(libc, count * bytesEach);
    this.bytes = this.#memory.bytes;
    this.low = this.#memory.low;
    this.high = this.#memory.high;
    this.#ring = mapMemory(libc, count * entryBytes);
    this.#words = new Int32Array(this.#ring.bytes.buffer);
    this.#halfWords = new Uint16Array(this.#ring.bytes.buffer);
    const registration = new DataView(new ArrayBuffer(registrationBytes));
    registration.setBigUint64(0, this.#ring.address, true);
    registration.setUint32(8, count, true);
    registration.setUint16(12, group, true);
    const result = libc.resultOf(
      libc.syscallRegister(syscallNumber.register, ring.fd, registerCode.bufferRing, registration, 1),
    );
    if (result < 0) throw systemError("io_uring_register", result);
    this.grow();
  }

  /** Gives a buffer to the kernel. Its bytes must not be looked at any more. */
  give(buffer: number): void {
    const slot = (this.#tail & (this.count - 1)) * 4;
    const words = this.#words;
    words[slot] = this.#memory.low + buffer * this.bytesEach;
    words[slot + 1] = this.#memory.high;
    words[slot + 2] = this.bytesEach;
    // Only the lower half: the upper one of the first entry is the tail.
    this.#halfWords[slot * 2 + 6] = buffer;
    this.#tail = (this.#tail + 1) & 0xffff;
    this.#halfWords[tailHalfWord] = this.#tail;
  }

  /** More were wanted at once than there are: doubles them. False when all there may be are in turn already. */
  grow(): boolean {
    const before = this.circulating;
    this.circulating = Math.min(this.count, before === 0 ? this.#first : before * 2);
    for (let buffer = before; buffer < this.circulating; buffer++) this.give(buffer);
    return this.circulating > before;
  }

  /** Buffers that the kernel has filled and that are not back, by asking it; null: Linux before 6.8 does not tell. */
  filled(): number | null {
    const status = new DataView(new ArrayBuffer(statusBytes));
    status.setUint32(0, this.group, true);
    const { bufferStatus } = registerCode;
    const result = this.#libc.syscallRegister(syscallNumber.register, this.#ringFd, bufferStatus, status, 1);
    if (result < 0) return null;
    const left = (this.#tail - status.getUint32(4, true)) & 0xffff;
    return this.circulating - left;
  }

  release(): void {
    this.#memory.release();
  }
}
