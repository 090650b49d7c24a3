// SPDX-License-Identifier: Apache-2.0
// Which files and memory a thread has of the system without Node's knowledge, written down where another thread can
// read it. Node closes its own files when it ends a thread; these are closed by whoever sees the thread end.

import { openLibc, type Libc } from "./libc.ts";

/** Higher descriptors are not written down; RLIMIT_NOFILE is hardly ever more. */
const maxFiles = 1_048_576;
const maxRegions = 62;
/** Regions come first: how many there are, then address and length of each. */
const filesAtByte = 1_024;

/** Memory for one ledger. Pages that no file falls into are never touched. */
export function createLedgerMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(filesAtByte + maxFiles / 8);
}

/** The owner's side. INVARIANT: what is written down is open, so that nobody else's file is ever closed by it. */
export class FileLedger {
  readonly #bits: Int32Array;
  readonly #regions: BigInt64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#bits = new Int32Array(memory, filesAtByte);
    this.#regions = new BigInt64Array(memory, 0, 1 + maxRegions * 2);
  }

  /** `fd` has been opened. */
  add(fd: number): void {
    if (fd < maxFiles) this.#bits[fd >>> 5]! |= 1 << (fd & 31);
  }

  /** `fd` is about to be closed. */
  remove(fd: number): void {
    if (fd < maxFiles) this.#bits[fd >>> 5]! &= ~(1 << (fd & 31));
  }

  /** All memory that the thread has mapped. */
  addMapped({ mapped }: Pick<Libc, "mapped">): void {
    const regions = mapped.slice(0, maxRegions);
    for (const [index, { address, bytes }] of regions.entries()) {
      this.#regions[1 + index * 2] = address;
      this.#regions[2 + index * 2] = BigInt(bytes);
    }
    this.#regions[0] = BigInt(regions.length);
  }
}

/** Closes and gives back what the thread of a ledger left. Only after that thread has ended; returns the files closed. */
export function closeLeftFiles(memory: SharedArrayBuffer): number {
  const libc = openLibc();
  if (typeof libc === "string") return 0;
  const bits = new Int32Array(memory, filesAtByte);
  let closed = 0;
  for (const [index, word] of bits.entries()) {
    for (let bit = 0; word !== 0 && bit < 32; bit++) {
      if ((word & (1 << bit)) === 0) continue;
      libc.close(index * 32 + bit);
      closed++;
    }
  }
  bits.fill(0);
  const regions = new BigInt64Array(memory, 0, 1 + maxRegions * 2);
  for (let index = 0; index < Number(regions[0]); index++) {
    libc.munmap(BigInt.asUintN(64, regions[1 + index * 2]!), BigInt.asUintN(64, regions[2 + index * 2]!));
  }
  regions.fill(0n);
  return closed;
}
