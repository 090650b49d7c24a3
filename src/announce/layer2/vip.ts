// SPDX-License-Identifier: Apache-2.0
// One announced address with all that is known about it, and finding addresses by what is in a frame. No I/O.

import { ip } from "../../core/index.ts";
import { solicitedNode } from "./ndp.ts";
import type { UsableLink } from "./usable-links.ts";

/**
 * probing: asking whether anybody has the address, before the first announcement. announcing: it is ours. conflict: somebody
 * else had it when we asked, and we ask again from time to time; or it was handed over.
 */
export type VipPhase = "probing" | "announcing" | "conflict";

/** Announcements still to be sent on one interface. */
export interface Round {
  readonly link: UsableLink;
  left: number;
  dueMs: number;
}

export class Vip {
  /** Canonical text. */
  readonly ip: string;
  readonly family: 4 | 6;
  readonly value: bigint;
  /** The last 32 bits. */
  readonly low: number;
  /** All of it, in network byte order. */
  readonly bytes: Uint8Array;
  /** Group that solicitations are sent to; "" for IPv4. */
  readonly group: string;
  /** Names; empty = all. */
  interfaces: ReadonlySet<string> = new Set();
  phase: VipPhase = "announcing";
  /** Of the next probe; announcements are due by their interface. */
  dueMs = Number.POSITIVE_INFINITY;
  probesSent = 0;
  /** How long the address is withheld this time; 0 = it is not, and was not before. */
  retryMs = 0;
  /** By index of the interface. */
  readonly rounds = new Map<number, Round>();
  requests = 0;
  responses = 0;
  gratuitous = 0;
  conflicts = 0;
  defendedMs = Number.NEGATIVE_INFINITY;
  reportedMs = Number.NEGATIVE_INFINITY;
  /** Who else was seen to have the address last. */
  foreign: { readonly mac: string; readonly interface: string } | null = null;

  constructor(address: ip.Ip) {
    this.ip = ip.format(address);
    this.family = address.family;
    this.value = address.value;
    this.low = Number(address.value & 0xffff_ffffn);
    this.bytes = bytesOf(address);
    this.group = address.family === 4 ? "" : ip.format({ family: 6, value: valueOf(solicitedNode(this.bytes)) });
  }

  /** Whether it is to be announced on this interface. */
  covers(link: UsableLink): boolean {
    return (
      (this.family === 4 ? link.ipv4 : link.ipv6) && (this.interfaces.size === 0 || this.interfaces.has(link.name))
    );
  }
}

/** Addresses by their last 32 bits: found without making anything. */
export class VipTable {
  readonly #ipv4 = new Map<number, Vip>();
  readonly #ipv6 = new Map<number, readonly Vip[]>();

  constructor(vips: Iterable<Vip>) {
    for (const vip of vips) {
      if (vip.family === 4) this.#ipv4.set(vip.low, vip);
      else this.#ipv6.set(vip.low, [...(this.#ipv6.get(vip.low) ?? []), vip]);
    }
  }

  findIpv4(address: number): Vip | null {
    return this.#ipv4.get(address) ?? null;
  }

  /** `address` is 16 bytes. */
  findIpv6(address: Uint8Array): Vip | null {
    const low = ((address[12]! << 24) | (address[13]! << 16) | (address[14]! << 8) | address[15]!) >>> 0;
    const candidates = this.#ipv6.get(low);
    if (candidates === undefined) return null;
    for (const vip of candidates) if (sameBytes(vip.bytes, address)) return vip;
    return null;
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}

function bytesOf({ family, value }: ip.Ip): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let at = bytes.length - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

function valueOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
