// SPDX-License-Identifier: Apache-2.0
// What this process may do beyond what every process may.

import { readFileSync } from "node:fs";

/** Numbers of capabilities(7). */
export const capability = { bindService: 10n, netAdmin: 12n, netRaw: 13n } as const;

/** CapEff of this process; null where the system has none. */
export function readCapabilities(): bigint | null {
  try {
    const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    return digits === undefined ? null : BigInt(`0x${digits}`);
  } catch {
    // Another system than Linux.
    return null;
  }
}

/** False where the system has no capabilities. */
export function lacks(capabilities: bigint | null, bit: bigint): boolean {
  return capabilities !== null && ((capabilities >> bit) & 1n) === 0n;
}
