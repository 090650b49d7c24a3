// SPDX-License-Identifier: Apache-2.0
// Which interfaces addresses can be announced on. Pure.

import type { LinkInfo } from "../../platform/index.ts";
import { parseMac } from "./mac.ts";

/** MetalLB's list (excludel2.yaml): interfaces that container runtimes and overlays make. */
export const defaultExcludedInterfaces: readonly string[] = [
  "^docker.*",
  "^cbr.*",
  "^dummy.*",
  "^virbr.*",
  "^lxcbr.*",
  "^veth.*",
  "^lo$",
  "^cali.*",
  "^tunl.*",
  "^flannel.*",
  "^kube-ipvs.*",
  "^cni.*",
  "^nodelocaldns.*",
  "^lxc.*",
];

export interface UsableLink {
  readonly index: number;
  readonly name: string;
  readonly mac: Uint8Array;
  readonly macText: string;
  /** Families that it carries. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly addresses: LinkInfo["addresses"];
}

/**
 * Interfaces that have a network of their own behind them: Ethernet, switched on, with a carrier and ARP, part of nothing
 * else, and not named by a pattern of `excluded`. One without an address of its own serves IPv4 all the same.
 */
export function usableLinks(links: readonly LinkInfo[], excluded: readonly RegExp[]): ReadonlyMap<number, UsableLink> {
  const usable = new Map<number, UsableLink>();
  for (const link of links) {
    const mac = parseMac(link.mac);
    if (mac === null || !link.up || !link.running || link.noArp || link.loopback || link.master !== 0) continue;
    if (excluded.some((pattern) => pattern.test(link.name))) continue;
    usable.set(link.index, {
      index: link.index,
      name: link.name,
      mac,
      macText: link.mac,
      ipv4: link.broadcast,
      ipv6: link.addresses.some(({ family }) => family === 6),
      addresses: link.addresses,
    });
  }
  return usable;
}
