// SPDX-License-Identifier: Apache-2.0
// sockaddr_in, sockaddr_in6 and sockaddr_un as bytes. Pure.

import { Buffer } from "node:buffer";
import { isIPv4, isIPv6 } from "node:net";

export const family = { unix: 1, ipv4: 2, ipv6: 10 } as const;

/** Bytes that hold the largest address: sockaddr_un. */
export const maxAddressBytes = 110;

/** An IP address with its port, or the path of a Unix socket with port 0. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

const ipv4Bytes = 16;
const ipv6Bytes = 28;
const pathAt = 2;

/** AF_* of the text of an address, or 0 when it is none. */
export function familyOf(address: string): number {
  if (address.startsWith("/")) return family.unix;
  if (isIPv4(address)) return family.ipv4;
  return isIPv6(address) && !address.includes("%") ? family.ipv6 : 0;
}

/** Writes the sockaddr at the start of `into`; returns its length, 0 when `address` is none or too long. */
export function encodeSocketAddress(address: string, port: number, into: Uint8Array): number {
  const kind = familyOf(address);
  into.fill(0, 0, maxAddressBytes);
  into[0] = kind;
  if (kind === family.unix) {
    const path = Buffer.from(address);
    if (path.length > maxAddressBytes - pathAt - 1 || path.includes(0)) return 0;
    into.set(path, pathAt);
    return pathAt + path.length + 1;
  }
  into[2] = port >> 8;
  into[3] = port & 0xff;
  if (kind === family.ipv4) {
    writeIpv4(address, into, 4);
    return ipv4Bytes;
  }
  if (kind !== family.ipv6) return 0;
  writeIpv6(address, into, 8);
  return ipv6Bytes;
}

/** Reads what getsockname and getpeername wrote. IPv4 seen through IPv6 becomes plain; a nameless Unix socket is "". */
export function decodeSocketAddress(bytes: Uint8Array, length: number): SocketAddress {
  const kind = length < 2 ? 0 : bytes[0]! | (bytes[1]! << 8);
  const port = (bytes[2]! << 8) | bytes[3]!;
  if (kind === family.ipv4) return { address: bytes.subarray(4, 8).join("."), port };
  if (kind === family.ipv6) return { address: ipv6Text(bytes.subarray(8, 24)), port };
  if (kind !== family.unix || length <= pathAt) return { address: "", port: 0 };
  const end = bytes.indexOf(0, pathAt);
  const path = bytes.subarray(pathAt, end < 0 || end > length ? length : end);
  return { address: Buffer.from(path).toString(), port: 0 };
}

function writeIpv4(address: string, into: Uint8Array, at: number): void {
  for (const [index, part] of address.split(".").entries()) into[at + index] = Number(part);
}

function writeIpv6(address: string, into: Uint8Array, at: number): void {
  const [head = "", tail] = address.split("::");
  const before = wordsOf(head);
  const after = tail === undefined ? [] : wordsOf(tail);
  for (const [index, word] of before.entries()) writeWord(into, at + index * 2, word);
  for (const [index, word] of after.entries()) writeWord(into, at + (8 - after.length + index) * 2, word);
}

/** The 16-bit words of a part of an IPv6 address; its end may be written as IPv4. */
function wordsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const [a, b, c, d] = part.split(".").map(Number) as [number, number, number, number];
    return [(a << 8) | b, (c << 8) | d];
  });
}

function writeWord(into: Uint8Array, at: number, word: number): void {
  into[at] = word >> 8;
  into[at + 1] = word & 0xff;
}

/** RFC 5952, and as inet_ntop writes it; but `::ffff:a.b.c.d` as `a.b.c.d`. */
function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!);
  if (words[5] === 0xffff && words.slice(0, 5).every((word) => word === 0)) return bytes.subarray(12, 16).join(".");
  const gap = longestZeros(words);
  const hex = (part: number[]): string => part.map((word) => word.toString(16)).join(":");
  if (gap.length < 2) return hex(words);
  if (gap.start === 0 && gap.length === 6) return `::${bytes.subarray(12, 16).join(".")}`;
  return `${hex(words.slice(0, gap.start))}::${hex(words.slice(gap.start + gap.length))}`;
}

function longestZeros(words: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let length = 0;
    while (words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
