// SPDX-License-Identifier: Apache-2.0
// Addresses that are this machine's and cannot be served here, because a port at them is somebody else's. Pure.

import type { ListenerSpec } from "../../model/index.ts";
import type { ListenerStatus } from "../../telemetry/port.ts";

/**
 * Of the `held` ones, each with what its first listener that is not open says. One that is `announced` already stays served as
 * long as one of its listeners is open: connections to that port need not suffer for a port that was added.
 */
export function unservedAddresses(
  listeners: readonly ListenerSpec[],
  statuses: readonly ListenerStatus[],
  held: ReadonlySet<string>,
  announced: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const addresses = new Map(listeners.map(({ name, bind }) => [name, bind]));
  const unserved = new Map<string, string>();
  const open = new Set<string>();
  for (const { name, error } of statuses) {
    const address = addresses.get(name);
    if (address === undefined || !held.has(address)) continue;
    if (error === null) open.add(address);
    else if (!unserved.has(address)) unserved.set(address, error);
  }
  for (const address of open.intersection(announced)) unserved.delete(address);
  return unserved;
}
