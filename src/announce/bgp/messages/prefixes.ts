// SPDX-License-Identifier: Apache-2.0
// Prefixes as they travel: one octet of length in bits, then as many octets as it takes (RFC 4271 §4.3).

import { Buffer } from "node:buffer";

import { ip } from "../../../core/index.ts";
import type { Family } from "./protocol.ts";

/** A prefix in its wire form, length octet included. */
export type WirePrefix = Buffer;

export function bytesOf(family: Family): 4 | 16 {
  return family === 4 ? 4 : 16;
}

export function encodeAddress(text: string): Buffer | null {
  const parsed = ip.parse(text);
  if (parsed === null) return null;
  return Buffer.from(parsed.value.toString(16).padStart(bytesOf(parsed.family) * 2, "0"), "hex");
}

export function addressText(bytes: Buffer): string {
  const value = BigInt(`0x${bytes.toString("hex")}`);
  return ip.format({ family: bytes.length === 4 ? 4 : 6, value });
}

/** null when the text is no `address/length`. Host bits are dropped. */
export function encodePrefix(text: string): { readonly family: Family; readonly wire: WirePrefix } | null {
  const range = ip.parseCidr(text);
  if (range === null) return null;
  const length = Number(text.slice(text.indexOf("/") + 1));
  const address = encodeAddress(ip.format({ family: range.family, value: range.first }))!;
  const wire = Buffer.concat([Buffer.from([length]), address.subarray(0, Math.ceil(length / 8))]);
  return { family: range.family, wire };
}

/** Canonical `address/length`; what stands behind the length is of no meaning. */
export function prefixText(wire: WirePrefix, family: Family): string {
  const address = Buffer.alloc(bytesOf(family));
  wire.copy(address, 0, 1);
  const value = BigInt(`0x${address.toString("hex")}`);
  return `${ip.format({ family, value: ip.prefixAround({ family, value }, wire[0]!).first })}/${wire[0]!}`;
}

/** Cuts a field of prefixes into views of it; null when it is malformed. */
export function parsePrefixes(field: Buffer, family: Family): WirePrefix[] | null {
  const maxBits = bytesOf(family) * 8;
  const prefixes: WirePrefix[] = [];
  let at = 0;
  while (at < field.length) {
    const bits = field[at]!;
    const end = at + 1 + Math.ceil(bits / 8);
    if (bits > maxBits || end > field.length) return null;
    prefixes.push(field.subarray(at, end));
    at = end;
  }
  return prefixes;
}
