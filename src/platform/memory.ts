// SPDX-License-Identifier: Apache-2.0
// Memory that was freed and that the C library keeps: for the kernel, and so for every limit, it is still in use.

import { loadFfi } from "./ffi.ts";

/**
 * Gives what the C library holds free back to the kernel: tens of MB after a burst of connections. False where that is
 * not to be had: without node:ffi, and with a C library other than glibc. Takes about a millisecond per 10 MB.
 */
export function trimMemory(): boolean {
  const ffi = loadFfi();
  if (ffi === null) return false;
  try {
    const { functions } = ffi.dlopen(null, { malloc_trim: { arguments: ["u64"], return: "i32" } });
    return functions.malloc_trim(0n) === 1;
  } catch {
    // The symbol is glibc's alone, and the permission model may forbid node:ffi.
    return false;
  }
}
