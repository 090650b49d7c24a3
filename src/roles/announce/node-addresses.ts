// SPDX-License-Identifier: Apache-2.0
// The addresses of this machine by interface, without privilege and without node:ffi.

import { networkInterfaces } from "node:os";

export function nodeAddresses(): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(networkInterfaces()).map(([name, addresses]) => [
      name,
      (addresses ?? []).map((each) => each.address),
    ]),
  );
}
