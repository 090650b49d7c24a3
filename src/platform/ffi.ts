// SPDX-License-Identifier: Apache-2.0
// node:ffi where there is one. It is experimental: absent before Node 26.1, and forbidden by the permission model.

import type * as FfiModule from "node:ffi";

export type Ffi = typeof FfiModule;

/**
 * node:ffi, or null where this Node has none. Its warning that it is experimental is not shown: whoever loads it says
 * in the log that it is used, and how to do without.
 */
export function loadFfi(): Ffi | null {
  const emitWarning: unknown = Reflect.get(process, "emitWarning");
  process.emitWarning = ignoreWarning;
  try {
    return process.getBuiltinModule("node:ffi") ?? null;
  } finally {
    Reflect.set(process, "emitWarning", emitWarning);
  }
}

function ignoreWarning(): void {
  // Said by the log line of the user of node:ffi.
}
