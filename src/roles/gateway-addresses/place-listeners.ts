// SPDX-License-Identifier: Apache-2.0
// Listeners of a gateway that has addresses of its own: at the addresses and ports of its Services, in place of all addresses
// of the machine. Pure.

import type { ListenerSpec, RoutingSnapshot, Service } from "../../model/index.ts";
import { listenerPort } from "./front-services.ts";

/** A Service in front of this gateway. */
export interface Front {
  readonly ports: Service["ports"];
  /** That it has, whoever announces them. */
  readonly addresses: readonly string[];
}

/**
 * What to listen on while `held` are the addresses of this machine. Ports that no front has, and those of `fixedPorts`, stay
 * where they are; so do Gateways that name an address that is of no front.
 */
export function placeListeners(
  snapshot: RoutingSnapshot,
  fronts: readonly Front[],
  held: ReadonlySet<string>,
  fixedPorts: ReadonlySet<number>,
): RoutingSnapshot {
  const doors = doorsOf(snapshot, fronts, fixedPorts);
  const known = new Set(fronts.flatMap(({ addresses }) => addresses));
  const isElsewhere = (address: string): boolean => known.has(address) && !held.has(address);
  const placed = new Map<string, ListenerSpec>();
  for (const spec of snapshot.listeners) {
    const ofSpec = spec.role === "gateway" && spec.bind === "" ? doors.get(spec.port) : undefined;
    if (ofSpec !== undefined) {
      for (const { address, port } of ofSpec) {
        const name = `gateway_${address}_${port}`;
        if (held.has(address)) placed.set(name, { ...spec, name, bind: address, port, tables: onPort(spec, port) });
      }
    } else if (!isElsewhere(spec.bind)) placed.set(spec.name, spec);
  }
  const listeners = [...placed.values()];
  const isSame =
    listeners.length === snapshot.listeners.length && listeners.every((spec, at) => spec === snapshot.listeners[at]);
  if (isSame) return snapshot;
  return { ...snapshot, version: [snapshot.version, ...placed.keys()].join(" "), listeners };
}

interface Door {
  readonly address: string;
  readonly port: number;
}

/** By the port of the listener that they lead to. */
function doorsOf(
  { listeners }: RoutingSnapshot,
  fronts: readonly Front[],
  fixedPorts: ReadonlySet<number>,
): ReadonlyMap<number, readonly Door[]> {
  const listening = new Set(
    listeners.filter(({ role, bind }) => role === "gateway" && bind === "").map(({ port }) => port),
  );
  const doors = new Map<number, Door[]>();
  for (const { ports, addresses } of fronts) {
    for (const each of ports) {
      const listener = listenerPort(each, listening);
      if (listener === null || fixedPorts.has(listener)) continue;
      const ofListener = doors.get(listener) ?? [];
      doors.set(listener, ofListener);
      // Without an address yet it is no reason to be open to everybody.
      for (const address of addresses) ofListener.push({ address, port: each.port });
    }
  }
  return doors;
}

/** The one table of a gateway's listener stands under the listener's own port. */
function onPort({ tables }: ListenerSpec, port: number): ListenerSpec["tables"] {
  return new Map(Array.from(tables.values(), (table) => [port, table]));
}
