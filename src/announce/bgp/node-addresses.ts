// SPDX-License-Identifier: Apache-2.0
// What the addresses of this node say about a session: our BGP identifier, and the next hop of the other family.

import { isIPv4 } from "node:net";
import { crc32 } from "node:zlib";

import type { Family } from "./messages/protocol.ts";

/** By interface, all its addresses without prefix lengths. */
export type NodeAddresses = ReadonlyMap<string, readonly string[]>;

/**
 * As MetalLB: the configured one, the connection's IPv4 address, the first of the interface with its IPv6 address, or a
 * number from the node's name.
 */
export function routerIdFor(configured: string, localAddress: string, node: string, addresses: NodeAddresses): number {
  const text = [configured, localAddress, ...neighbours(localAddress, addresses)].find((each) => isIPv4(each));
  const value = text === undefined ? crc32(node) : Number.parseInt(hexOf(text), 16);
  // 0 is no identifier (RFC 6286 §2.1).
  return value === 0 ? 1 : value;
}

/**
 * Where the peer is to send what it sends to our routes: the connection's address and, of the other family, a global one
 * of the same interface. null = there is none, and routes of that family wait.
 */
export function nextHopsFor(localAddress: string, addresses: NodeAddresses): Readonly<Record<Family, string | null>> {
  const others = neighbours(localAddress, addresses);
  if (isIPv4(localAddress)) return { 4: localAddress, 6: others.find(isGlobalV6) ?? null };
  return { 4: others.find((address) => isIPv4(address)) ?? null, 6: localAddress };
}

/** The addresses of the interface that has this one. */
function neighbours(address: string, addresses: NodeAddresses): readonly string[] {
  for (const all of addresses.values()) if (all.includes(address)) return all;
  return [];
}

/** Not link-local (fe80::/10), loopback or IPv4. */
function isGlobalV6(address: string): boolean {
  return address.includes(":") && address !== "::1" && !/^fe[89ab]/i.test(address);
}

function hexOf(address: string): string {
  return address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join("");
}
