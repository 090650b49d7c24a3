// SPDX-License-Identifier: Apache-2.0
// Path attributes (RFC 4271 §4.3, §5): what they are, and their bytes.

import { Buffer } from "node:buffer";

import { encodeAddress, type WirePrefix } from "./prefixes.ts";
import { afiOf, asTrans, attributeFlag, attributeType, segmentType, unicast, type Family } from "./protocol.ts";

export interface PathSegment {
  readonly kind: "set" | "sequence";
  /** 1..255 of them. */
  readonly asns: readonly number[];
}

/** Of IPv4 prefixes also the next hop; IPv6 has it in MP_REACH_NLRI. */
export interface PathAttributes {
  readonly origin: "igp" | "egp" | "incomplete";
  readonly asPath: readonly PathSegment[];
  readonly nextHop: string | null;
  readonly med: number | null;
  readonly localPref: number | null;
  readonly communities: readonly number[];
  readonly largeCommunities: readonly (readonly [number, number, number])[];
}

export const origins = ["igp", "egp", "incomplete"] as const;

const { optional, transitive, extendedLength } = attributeFlag;
const wellKnown = transitive;

/** In ascending order of their types; without MP_REACH_NLRI, which goes before them. */
export function encodeAttributes(attributes: PathAttributes, fourOctetAs: boolean): Buffer {
  const { asPath, nextHop, med, localPref, communities, largeCommunities } = attributes;
  const parts = [
    attribute(wellKnown, attributeType.origin, Buffer.from([origins.indexOf(attributes.origin)])),
    attribute(wellKnown, attributeType.asPath, pathBytes(asPath, fourOctetAs)),
  ];
  if (nextHop !== null) parts.push(attribute(wellKnown, attributeType.nextHop, encodeAddress(nextHop)!));
  if (med !== null) parts.push(attribute(optional, attributeType.med, numbers([med])));
  if (localPref !== null) parts.push(attribute(wellKnown, attributeType.localPref, numbers([localPref])));
  if (communities.length > 0) {
    parts.push(attribute(optional | transitive, attributeType.communities, numbers(communities)));
  }
  if (!fourOctetAs && asPath.some((segment) => segment.asns.some((asn) => asn > 0xffff))) {
    // RFC 6793 §4.2.2: what AS_TRANS hides goes along for those who understand it.
    parts.push(attribute(optional | transitive, attributeType.as4Path, pathBytes(asPath, true)));
  }
  if (largeCommunities.length > 0) {
    parts.push(attribute(optional | transitive, attributeType.largeCommunities, numbers(largeCommunities.flat())));
  }
  return Buffer.concat(parts);
}

/** MP_REACH_NLRI (RFC 4760 §3) with one global next hop. */
export function encodeReach(family: Family, nextHop: string, prefixes: readonly WirePrefix[]): Buffer {
  const address = encodeAddress(nextHop)!;
  const head = Buffer.from([0, afiOf(family), unicast, address.length]);
  return attribute(optional, attributeType.mpReach, Buffer.concat([head, address, Buffer.from([0]), ...prefixes]));
}

/** MP_UNREACH_NLRI (RFC 4760 §4); without prefixes it is an End-of-RIB marker (RFC 4724 §2). */
export function encodeUnreach(family: Family, prefixes: readonly WirePrefix[]): Buffer {
  const head = Buffer.from([0, afiOf(family), unicast]);
  return attribute(optional, attributeType.mpUnreach, Buffer.concat([head, ...prefixes]));
}

function attribute(flags: number, type: number, value: Buffer): Buffer {
  const head =
    value.length > 0xff
      ? Buffer.from([flags | extendedLength, type, value.length >> 8, value.length & 0xff])
      : Buffer.from([flags, type, value.length]);
  return Buffer.concat([head, value]);
}

function pathBytes(path: readonly PathSegment[], fourOctetAs: boolean): Buffer {
  return Buffer.concat(
    path.flatMap(({ kind, asns }) => [
      Buffer.from([segmentType[kind], asns.length]),
      fourOctetAs ? numbers(asns) : Buffer.concat(asns.map(twoOctets)),
    ]),
  );
}

function twoOctets(asn: number): Buffer {
  const shown = asn > 0xffff ? asTrans : asn;
  return Buffer.from([shown >> 8, shown & 0xff]);
}

function numbers(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}
