// SPDX-License-Identifier: Apache-2.0
// What a decision asks of layer 2, address by address. Pure.

import type { Decision, Layer2Announcement } from "../../announce/index.ts";

/** One for each address: services that share it are announced on the interfaces of all of them. */
export function mergeInterfaces(announcements: Decision["layer2"]): readonly Layer2Announcement[] {
  const merged = new Map<string, readonly string[]>();
  for (const { ip, interfaces } of announcements) {
    const others = merged.get(ip);
    // Empty means all.
    const isAll = interfaces.length === 0 || others?.length === 0;
    merged.set(ip, isAll ? [] : [...new Set([...(others ?? []), ...interfaces])]);
  }
  return [...merged].map(([ip, interfaces]) => ({ ip, interfaces }));
}
