// SPDX-License-Identifier: Apache-2.0
// Memory that the kernel may be told addresses of: it never moves, and it is never unmapped, because views of it may
// outlive its use. Pages cost memory once they are touched.

import { Buffer } from "node:buffer";

import type { Libc } from "./libc.ts";
import { systemError } from "./system-error.ts";

const readWrite = 3;
const privateAnonymous = 0x22;
const mapShared = 0x01;
const populate = 0x8000;
const dontNeed = 4;
const pageBytes = 4096;
const failed = 0xffff_ffff_ffff_ffffn;
const fourGiB = 0x1_0000_0000n;

/** Memory that stays where it is: halves of the address of its offset 0. */
export interface Sendable {
  readonly low: number;
  readonly high: number;
}

export class MappedMemory {
  readonly address: bigint;
  /** Halves of the address; the low one plus any offset does not overflow. */
  readonly low: number;
  readonly high: number;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly #libc: Libc;

  constructor(libc: Libc, address: bigint, length: number) {
    this.#libc = libc;
    this.address = address;
    this.low = Number(address & 0xffff_ffffn);
    this.high = Number(address >> 32n);
    this.bytes = Buffer.from(libc.view(address, length));
  }

  /** Gives the pages back to the system; they read as zeros from now on. */
  release(): void {
    this.#libc.madvise(this.address, BigInt(this.bytes.length), dontNeed);
  }
}

/** Private zeroed memory. Throws the system's error. */
export function mapMemory(libc: Libc, length: number): MappedMemory {
  const rounded = Math.ceil(length / pageBytes) * pageBytes;
  const address = map(libc, rounded, privateAnonymous, -1, 0);
  // Offsets are added to the low half only. What is left out of use costs address space, once in 4 GiB.
  const crosses = address / fourGiB !== (address + BigInt(rounded) - 1n) / fourGiB;
  return crosses ? mapMemory(libc, length) : new MappedMemory(libc, address, rounded);
}

/** Memory shared with the kernel through a file descriptor. Throws the system's error. */
export function mapRing(libc: Libc, length: number, fd: number, offset: number): ArrayBuffer {
  return libc.view(map(libc, length, mapShared | populate, fd, offset), length);
}

function map(libc: Libc, length: number, flags: number, fd: number, offset: number): bigint {
  const address = libc.mmap(0n, BigInt(length), readWrite, flags, fd, BigInt(offset));
  if (address === failed) throw systemError("mmap", libc.resultOf(-1));
  libc.mapped.push({ address, bytes: length });
  return address;
}
