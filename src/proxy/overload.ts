// SPDX-License-Identifier: Apache-2.0
// Whether there is memory left for new requests. Looked at once a second; requests read one boolean. What is only waiting
// for the garbage collector is not in use: a process that refuses everything would make no reason for it to run.

import { limitTable } from "../model/index.ts";
import type { Logger } from "../telemetry/port.ts";

/** Memory of this thread's heap and of the whole process, in bytes. */
export interface MemoryUse {
  readonly heapUsed: number;
  readonly heapLimit: number;
  /** Private memory: what the kernel cannot take back. */
  readonly processUsed: number;
  /** What the container, else the machine, has. */
  readonly processLimit: number;
}

/** What is asked of the system. */
export interface MemoryDeps {
  readonly readMemory: () => MemoryUse;
  /** Frees what nobody refers to, of this thread. Takes milliseconds to tenths of a second. */
  readonly collectGarbage: () => void;
}

/** Looks between two collections: they stop this thread for a moment. */
const looksPerCollection = 5;
/** Between the two nothing changes, so that it does not flutter. */
const beginsAt = 0.95;
const endsBelow = 0.9;

export class Overload {
  /** New requests are to be refused. */
  active = false;
  /** Of the tighter of heap and process, 0 to 1; as of the last look. */
  usedFraction = 0;
  readonly #deps: MemoryDeps;
  readonly #memoryBytes: number;
  readonly #logger: Logger;
  #looksSinceCollection = looksPerCollection;

  /** `memoryBytes`: what the process may use, 0 = what there is. */
  constructor(deps: MemoryDeps, memoryBytes: number, logger: Logger) {
    this.#deps = deps;
    this.#memoryBytes = memoryBytes;
    this.#logger = logger;
  }

  look(): void {
    const threshold = this.active ? endsBelow : beginsAt;
    let use = this.#read();
    this.#looksSinceCollection++;
    if (this.usedFraction >= threshold && this.#looksSinceCollection >= looksPerCollection) {
      this.#looksSinceCollection = 0;
      this.#deps.collectGarbage();
      use = this.#read();
    }
    const active = this.usedFraction >= threshold;
    if (active === this.active) return;
    this.active = active;
    if (active) this.#logger.warning("memory is nearly used up: new requests are refused", { ...use });
    else this.#logger.info("memory is free again: requests are served", { ...use });
  }

  #read(): MemoryUse {
    const use = this.#deps.readMemory();
    const processLimit = this.#memoryBytes === limitTable.memory.default ? use.processLimit : this.#memoryBytes;
    this.usedFraction = Math.max(use.heapUsed / use.heapLimit, use.processUsed / processLimit);
    return { ...use, processLimit };
  }
}
