// SPDX-License-Identifier: Apache-2.0
// Content hashes: equal versions behave alike.

import { createHash } from "node:crypto";

/**
 * First 16 hex digits of the SHA-256 over the content as JSON. Positions are left out, so that moving a rule down by a
 * comment is no change; maps count as sets of entries. Objects must be built with their keys in one order.
 */
export function contentVersion(content: object): string {
  return createHash("sha256").update(canonicalJson(content)).digest("hex").slice(0, 16);
}

/** JSON without positions and with map entries sorted by key; equal text means equal content. */
export function canonicalJson(content: unknown): string {
  return JSON.stringify(content, (key, value: unknown) => {
    if (key === "position") return undefined;
    if (value instanceof Map)
      return [...value].toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
    return value;
  });
}
