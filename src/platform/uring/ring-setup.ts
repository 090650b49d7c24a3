// SPDX-License-Identifier: Apache-2.0
// Sets up a ring: asks the kernel for one and maps what is shared with it.

import type { Libc } from "../libc.ts";
import { mapRing } from "../mapped-memory.ts";
import { completionBytes, cqOffset, entryBytes, params, ringMmap, setupFlag, sqOffset, syscallNumber } from "./abi.ts";
import { setupProblem } from "./setup-problem.ts";

/** Where the words of the two queues are in `rings`, and the rings themselves. */
export interface RingLayout {
  readonly fd: number;
  /** Both queues' heads, tails and flags, and the completions. */
  readonly rings: Int32Array;
  readonly entries: Int32Array;
  readonly sqTail: number;
  readonly sqHead: number;
  readonly sqFlags: number;
  readonly sqMask: number;
  readonly cqHead: number;
  readonly cqTail: number;
  readonly cqMask: number;
  readonly cqOverflow: number;
  readonly completions: number;
}

/** Throws what is in the way. The ring belongs to the calling thread. */
export function setUpRing(libc: Libc, entryCount: number, completionCount: number): RingLayout {
  const bytes = new Uint8Array(params.bytes);
  const setup = new DataView(bytes.buffer);
  const flags = setupFlag.cqSize | setupFlag.clamp | setupFlag.singleIssuer | setupFlag.deferTaskrun;
  setup.setUint32(params.flags, flags, true);
  setup.setUint32(params.cqEntries, completionCount, true);
  const fd = libc.resultOf(libc.syscallSetup(syscallNumber.setup, entryCount, bytes));
  if (fd < 0) throw new Error(setupProblem(fd));
  try {
    return mapQueues(libc, fd, setup);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function mapQueues(libc: Libc, fd: number, setup: DataView): RingLayout {
  const word = (at: number): number => setup.getUint32(at, true);
  const entryCount = word(params.sqEntries);
  const completionCount = word(params.cqEntries);
  const array = word(params.sqOffsets + sqOffset.array);
  const completions = word(params.cqOffsets + cqOffset.cqes);
  const ringBytes = Math.max(array + entryCount * 4, completions + completionCount * completionBytes);
  const rings = new Int32Array(mapRing(libc, ringBytes, fd, ringMmap.rings));
  const entries = new Int32Array(mapRing(libc, entryCount * entryBytes, fd, ringMmap.entries));
  for (let index = 0; index < entryCount; index++) rings[array / 4 + index] = index;
  return {
    fd,
    rings,
    entries,
    sqHead: word(params.sqOffsets + sqOffset.head) / 4,
    sqTail: word(params.sqOffsets + sqOffset.tail) / 4,
    sqFlags: word(params.sqOffsets + sqOffset.flags) / 4,
    sqMask: entryCount - 1,
    cqHead: word(params.cqOffsets + cqOffset.head) / 4,
    cqTail: word(params.cqOffsets + cqOffset.tail) / 4,
    cqMask: completionCount - 1,
    cqOverflow: word(params.cqOffsets + cqOffset.overflow) / 4,
    completions: completions / 4,
  };
}
