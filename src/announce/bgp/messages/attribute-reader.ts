// SPDX-License-Identifier: Apache-2.0
// Reads the path attributes of a received UPDATE. What is wrong with one becomes a treat-as-withdraw, a discarded
// attribute or, where nothing else is safe, the end of the session (RFC 7606).

import { Buffer } from "node:buffer";

import { origins, type PathAttributes, type PathSegment } from "./attributes.ts";
import { BgpError, errorCode, updateError } from "./errors.ts";
import { addressText, bytesOf, parsePrefixes, type WirePrefix } from "./prefixes.ts";
import { attributeFlag, attributeType, familyOf, segmentType, type Family } from "./protocol.ts";

/** What the session has agreed on, and whose it is. */
export interface PeerContext {
  readonly fourOctetAs: boolean;
  /** The peer is in our AS. */
  readonly internal: boolean;
}

export interface ReadAttributes {
  /** null when a mandatory one is missing or one is malformed. */
  readonly attributes: PathAttributes | null;
  /** Of MP_REACH_NLRI and MP_UNREACH_NLRI; null = there is none for a family that is known here. */
  readonly reach: { readonly family: Family; readonly prefixes: readonly WirePrefix[] } | null;
  readonly unreach: { readonly family: Family; readonly prefixes: readonly WirePrefix[] } | null;
  /** The first reason to treat what is announced as withdrawn. */
  readonly malformed: BgpError | null;
}

interface Attribute {
  readonly flags: number;
  readonly type: number;
  readonly value: Buffer;
  /** With its header: what a NOTIFICATION sends back. */
  readonly whole: Buffer;
}

type Verdict = BgpError | null;

const { optional, transitive, extendedLength } = attributeFlag;
/** Optional and transitive bits of those attributes that are known (RFC 4271 §5, RFC 4760, 1997, 4456, 4360, 6793, 8092). */
const knownFlags: Readonly<Record<number, number>> = {
  [attributeType.origin]: transitive,
  [attributeType.asPath]: transitive,
  [attributeType.nextHop]: transitive,
  [attributeType.med]: optional,
  [attributeType.localPref]: transitive,
  [attributeType.atomicAggregate]: transitive,
  [attributeType.aggregator]: optional | transitive,
  [attributeType.communities]: optional | transitive,
  [attributeType.originatorId]: optional,
  [attributeType.clusterList]: optional,
  [attributeType.mpReach]: optional,
  [attributeType.mpUnreach]: optional,
  [attributeType.extendedCommunities]: optional | transitive,
  [attributeType.as4Path]: optional | transitive,
  [attributeType.as4Aggregator]: optional | transitive,
  [attributeType.largeCommunities]: optional | transitive,
};

export class AttributeReader {
  readonly #context: PeerContext;
  readonly #seen = new Set<number>();
  #origin: PathAttributes["origin"] | null = null;
  #asPath: PathSegment[] | null = null;
  #nextHop: string | null = null;
  #med: number | null = null;
  #localPref: number | null = null;
  #communities: number[] = [];
  #largeCommunities: [number, number, number][] = [];
  #reach: ReadAttributes["reach"] = null;
  #unreach: ReadAttributes["unreach"] = null;
  #malformed: Verdict = null;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  /** `announcesV4`: the UPDATE has prefixes outside of the attributes, which need a NEXT_HOP. Throws BgpError. */
  read(field: Buffer, announcesV4: boolean): ReadAttributes {
    let at = 0;
    while (at < field.length) {
      const found = this.#cut(field, at);
      if (found === null) break;
      at += found.whole.length;
      const verdict = this.#judge(found);
      if (verdict !== null) this.#malformed ??= verdict;
    }
    const announces = announcesV4 || this.#seen.has(attributeType.mpReach);
    if (announces) this.#malformed ??= this.#missing(announcesV4);
    else if (this.#malformed !== null) {
      // RFC 7606 §5.2: with nothing to withdraw, what was malformed may have hidden the prefixes.
      throw this.#malformed;
    }
    return {
      attributes: this.#malformed === null ? this.#attributes() : null,
      reach: this.#reach,
      unreach: this.#unreach,
      malformed: this.#malformed,
    };
  }

  #attributes(): PathAttributes | null {
    if (this.#origin === null || this.#asPath === null) return null;
    return {
      origin: this.#origin,
      asPath: this.#asPath,
      nextHop: this.#nextHop,
      med: this.#med,
      localPref: this.#localPref,
      communities: this.#communities,
      largeCommunities: this.#largeCommunities,
    };
  }

  /** null when the rest of the field holds no whole attribute, which ends the reading (RFC 7606 §4). */
  #cut(field: Buffer, at: number): Attribute | null {
    const flags = field[at]!;
    const lengthBytes = (flags & extendedLength) === 0 ? 1 : 2;
    const valueAt = at + 2 + lengthBytes;
    const end = valueAt > field.length ? -1 : valueAt + field.readUIntBE(at + 2, lengthBytes);
    if (end < 0 || end > field.length) {
      this.#malformed ??= new BgpError("an attribute overruns the list", errorCode.update, updateError.malformedList);
      return null;
    }
    return { flags, type: field[at + 1]!, value: field.subarray(valueAt, end), whole: field.subarray(at, end) };
  }

  #judge(found: Attribute): Verdict {
    const { type, flags } = found;
    const known = knownFlags[type];
    if (known === undefined) {
      if ((flags & optional) !== 0) return null;
      // Only the sender knows what must not be ignored.
      throw error("an unknown well-known attribute", updateError.unrecognizedWellKnown, found);
    }
    if (this.#seen.has(type)) {
      if (type !== attributeType.mpReach && type !== attributeType.mpUnreach) return null;
      // RFC 7606 §3.g.
      throw new BgpError("an MP attribute stands twice", errorCode.update, updateError.malformedList);
    }
    this.#seen.add(type);
    const verdict = this.#take(found);
    return (flags & (optional | transitive)) === known ? verdict : error("wrong flags", updateError.flags, found);
  }

  #take(found: Attribute): Verdict {
    const { type, value } = found;
    switch (type) {
      case attributeType.origin:
        return this.#takeOrigin(found);
      case attributeType.asPath: {
        this.#asPath = parsePath(value, this.#context.fourOctetAs);
        if (this.#asPath !== null) return null;
        return new BgpError("malformed AS_PATH", errorCode.update, updateError.asPath);
      }
      case attributeType.nextHop:
        return this.#takeNextHop(found);
      case attributeType.med:
        if (value.length !== 4) return error("MED is not 4 bytes long", updateError.length, found);
        this.#med = value.readUInt32BE(0);
        return null;
      case attributeType.localPref:
        // RFC 7606 §7.5: of another AS it has no meaning.
        if (!this.#context.internal) return null;
        if (value.length !== 4) return error("LOCAL_PREF is not 4 bytes long", updateError.length, found);
        this.#localPref = value.readUInt32BE(0);
        return null;
      case attributeType.mpReach:
        this.#reach = parseReach(found);
        return null;
      case attributeType.mpUnreach:
        this.#unreach = parseUnreach(found);
        return null;
      default:
        return this.#takeList(found);
    }
  }

  #takeOrigin(found: Attribute): Verdict {
    if (found.value.length !== 1) return error("ORIGIN is not 1 byte long", updateError.length, found);
    this.#origin = origins[found.value[0]!] ?? null;
    return this.#origin === null ? error("an undefined ORIGIN", updateError.origin, found) : null;
  }

  #takeNextHop(found: Attribute): Verdict {
    const { value } = found;
    if (value.length !== 4) return error("NEXT_HOP is not 4 bytes long", updateError.length, found);
    // RFC 4271 §6.3: the address of a host; neither 0/8 nor multicast nor beyond.
    if (value[0] === 0 || value[0]! >= 224) return error("NEXT_HOP is no host", updateError.nextHop, found);
    this.#nextHop = addressText(value);
    return null;
  }

  #takeList(found: Attribute): Verdict {
    const { type, value } = found;
    const { internal } = this.#context;
    switch (type) {
      case attributeType.communities:
        if (!isListOf(4, value)) return error("wrong length of COMMUNITIES", updateError.optionalAttribute, found);
        this.#communities = numbersOf(value);
        return null;
      case attributeType.extendedCommunities:
        if (isListOf(8, value)) return null;
        return error("wrong length of EXTENDED COMMUNITIES", updateError.optionalAttribute, found);
      case attributeType.largeCommunities:
        if (!isListOf(12, value)) {
          return error("wrong length of LARGE_COMMUNITY", updateError.optionalAttribute, found);
        }
        this.#largeCommunities = triplesOf(value);
        return null;
      case attributeType.originatorId:
        if (!internal || value.length === 4) return null;
        return error("ORIGINATOR_ID is not 4 bytes long", updateError.length, found);
      case attributeType.clusterList:
        if (!internal || isListOf(4, value)) return null;
        return error("wrong length of CLUSTER_LIST", updateError.length, found);
      default:
        // AGGREGATOR, ATOMIC_AGGREGATE, AS4_PATH, AS4_AGGREGATOR: right or wrong, nothing here depends on them, and a
        // wrong one is to be discarded alone (RFC 7606 §7.6, §7.7, RFC 6793 §6).
        return null;
    }
  }

  /** RFC 7606 §3.d. */
  #missing(announcesV4: boolean): Verdict {
    const needed: number[] = [attributeType.origin, attributeType.asPath];
    if (announcesV4) needed.push(attributeType.nextHop);
    if (this.#context.internal) needed.push(attributeType.localPref);
    const missing = needed.find((type) => !this.#seen.has(type));
    if (missing === undefined) return null;
    const data = Buffer.from([missing]);
    return new BgpError("a mandatory attribute is missing", errorCode.update, updateError.missingWellKnown, data);
  }
}

function parseReach(found: Attribute): ReadAttributes["reach"] {
  const { value } = found;
  if (value.length < 5) throw error("MP_REACH_NLRI is too short", updateError.optionalAttribute, found);
  const family = familyOf(value.readUInt16BE(0), value[2]!);
  const prefixesAt = 5 + value[3]!;
  if (prefixesAt > value.length) throw error("a next hop overruns its attribute", updateError.optionalAttribute, found);
  // A family that was not agreed on is ignored as a whole.
  if (family === null) return null;
  const hops = value[3]!;
  const isAddress = hops === 16 || hops === 32 || (family === 4 && hops === bytesOf(4));
  if (!isAddress) throw error("wrong length of a next hop", updateError.optionalAttribute, found);
  const prefixes = parsePrefixes(value.subarray(prefixesAt), family);
  if (prefixes === null) throw error("malformed prefixes", updateError.optionalAttribute, found);
  return { family, prefixes };
}

function parseUnreach(found: Attribute): ReadAttributes["unreach"] {
  const { value } = found;
  if (value.length < 3) throw error("MP_UNREACH_NLRI is too short", updateError.optionalAttribute, found);
  const family = familyOf(value.readUInt16BE(0), value[2]!);
  if (family === null) return null;
  const prefixes = parsePrefixes(value.subarray(3), family);
  if (prefixes === null) throw error("malformed prefixes", updateError.optionalAttribute, found);
  return { family, prefixes };
}

/** null when malformed (RFC 7606 §7.2); segments of confederations are, outside of one (RFC 5065 §5). */
function parsePath(value: Buffer, fourOctetAs: boolean): PathSegment[] | null {
  const asBytes = fourOctetAs ? 4 : 2;
  const path: PathSegment[] = [];
  let at = 0;
  while (at < value.length) {
    const kind = value[at] === segmentType.set ? "set" : value[at] === segmentType.sequence ? "sequence" : null;
    const count = value[at + 1] ?? 0;
    const end = at + 2 + count * asBytes;
    if (kind === null || count === 0 || end > value.length) return null;
    const asns = Array.from({ length: count }, (_, index) => value.readUIntBE(at + 2 + index * asBytes, asBytes));
    path.push({ kind, asns });
    at = end;
  }
  return path;
}

function isListOf(bytes: number, value: Buffer): boolean {
  return value.length > 0 && value.length % bytes === 0;
}

function numbersOf(value: Buffer): number[] {
  return Array.from({ length: value.length / 4 }, (_, index) => value.readUInt32BE(index * 4));
}

function triplesOf(value: Buffer): [number, number, number][] {
  return Array.from({ length: value.length / 12 }, (_, index) => [
    value.readUInt32BE(index * 12),
    value.readUInt32BE(index * 12 + 4),
    value.readUInt32BE(index * 12 + 8),
  ]);
}

/** The data of these is the whole attribute (RFC 4271 §6.3). */
function error(message: string, subcode: number, { whole }: Attribute): BgpError {
  return new BgpError(message, errorCode.update, subcode, Buffer.from(whole));
}
