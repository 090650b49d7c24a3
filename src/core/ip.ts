// SPDX-License-Identifier: Apache-2.0
// IP addresses as numbers: parsing, canonical text, prefixes and ranges. A bigint holds either family. Used as `ip.parse`.

import { ipFamily } from "./addresses.ts";

export interface Ip {
  readonly family: 4 | 6;
  /** Network byte order as one number. */
  readonly value: bigint;
}

/** Inclusive on both ends, of one family. */
export interface IpRange {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

export function bitsOf(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** null when the text is no address. IPv4-mapped IPv6 addresses stay IPv6. */
export function parse(text: string): Ip | null {
  const family = ipFamily(text);
  if (family === 0) return null;
  return { family, value: family === 4 ? parseV4(text) : parseV6(text) };
}

/** Dotted decimal, or the one canonical form of RFC 5952. */
export function format({ family, value }: Ip): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join(".");
  const groups: string[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((value >> shift) & 0xffffn).toString(16));
  return compressed(groups);
}

/** `address/length`; host bits are dropped, as Go's net.ParseCIDR does. null when the text is no prefix. */
export function parseCidr(text: string): IpRange | null {
  const slash = text.indexOf("/");
  const ip = slash < 0 ? null : parse(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (ip === null || !/^(?:0|[1-9]\d{0,2})$/.test(digits)) return null;
  const length = Number(digits);
  return length > bitsOf(ip.family) ? null : prefixAround(ip, length);
}

/** A range whose ends are written out; both must be addresses of this family. */
export function rangeOf(range: { readonly family: 4 | 6; readonly first: string; readonly last: string }): IpRange {
  const value = range.family === 4 ? parseV4 : parseV6;
  return { family: range.family, first: value(range.first), last: value(range.last) };
}

/** The prefix of this length that holds the address. */
export function prefixAround({ family, value }: Ip, length: number): IpRange {
  const hostBits = BigInt(bitsOf(family) - length);
  const first = (value >> hostBits) << hostBits;
  return { family, first, last: first + (1n << hostBits) - 1n };
}

/** The least number of prefixes that make up the range, ascending, as `address/length`. */
export function cidrsOf({ family, first, last }: IpRange): readonly string[] {
  const cidrs: string[] = [];
  let from = first;
  while (from <= last) {
    let hostBits = 0;
    // The largest block that starts here and ends within.
    while (hostBits < bitsOf(family)) {
      const next = 1n << BigInt(hostBits + 1);
      if (from % next !== 0n || from + next - 1n > last) break;
      hostBits++;
    }
    cidrs.push(`${format({ family, value: from })}/${bitsOf(family) - hostBits}`);
    from += 1n << BigInt(hostBits);
  }
  return cidrs;
}

export function overlaps(left: IpRange, right: IpRange): boolean {
  return left.family === right.family && left.first <= right.last && right.first <= left.last;
}

export function contains(range: IpRange, { family, value }: Ip): boolean {
  return range.family === family && range.first <= value && value <= range.last;
}

/** Ranges that do not overlap, each with what it belongs to. Both operations are a binary search. */
export class RangeMap<T> {
  /** INVARIANT: disjoint and ascending. */
  readonly #entries: Readonly<Record<4 | 6, { readonly range: IpRange; readonly value: T }[]>> = { 4: [], 6: [] };

  /** What the lowest range belongs to that has an address in common with this one. */
  overlapping(range: IpRange): T | undefined {
    const entry = this.#entries[range.family][this.#indexAtOrAfter(range)];
    return entry !== undefined && entry.range.first <= range.last ? entry.value : undefined;
  }

  /** The range must not overlap any that is there. */
  add(range: IpRange, value: T): void {
    this.#entries[range.family].splice(this.#indexAtOrAfter(range), 0, { range, value });
  }

  /** Index of the first range that ends at or after the start of this one. */
  #indexAtOrAfter({ family, first }: IpRange): number {
    const entries = this.#entries[family];
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.range.last < first) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function parseV4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0n);
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [BigInt(`0x${group}`)];
    // The last 32 bits may be written like an IPv4 address (RFC 4291 §2.2).
    const value = parseV4(group);
    return [value >> 16n, value & 0xffffn];
  });
}

/** RFC 5952 §4.2: the longest run of two or more zero groups becomes `::`, the first of equal ones. */
function compressed(groups: readonly string[]): string {
  let start = -1;
  let length = 1;
  for (let index = 0; index < groups.length; index++) {
    let end = index;
    while (groups[end] === "0") end++;
    if (end - index > length) {
      start = index;
      length = end - index;
    }
    index = Math.max(index, end);
  }
  if (start < 0) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}
