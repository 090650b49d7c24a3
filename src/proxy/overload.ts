// SPDX-License-Identifier: Apache-2.0
// Whether there is memory left for new requests. Looked at once a second; requests read one boolean.

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

/** Between the two nothing changes, so that it does not flutter. */
const beginsAt = 0.95;
const endsBelow = 0.9;

export class Overload {
  /** New requests are to be refused. */
  active = false;
  /** Of the tighter of heap and process, 0 to 1; as of the last look. */
  usedFraction = 0;
  readonly #readMemory: () => MemoryUse;
  readonly #memoryBytes: number;
  readonly #logger: Logger;

  /** `memoryBytes`: what the process may use, 0 = what there is. */
  constructor(readMemory: () => MemoryUse, memoryBytes: number, logger: Logger) {
    this.#readMemory = readMemory;
    this.#memoryBytes = memoryBytes;
    this.#logger = logger;
  }

  look(): void {
    const { heapUsed, heapLimit, processUsed, processLimit } = this.#readMemory();
    const allowed = this.#memoryBytes === limitTable.memory.default ? processLimit : this.#memoryBytes;
    this.usedFraction = Math.max(heapUsed / heapLimit, processUsed / allowed);
    const active = this.usedFraction >= (this.active ? endsBelow : beginsAt);
    if (active === this.active) return;
    this.active = active;
    const fields = { heapUsed, heapLimit, processUsed, processLimit: allowed };
    if (active) this.#logger.warning("memory is nearly used up: new requests are refused", fields);
    else this.#logger.info("memory is free again: requests are served", fields);
  }
}
