// SPDX-License-Identifier: Apache-2.0
// UPDATE (RFC 4271 §4.3, RFC 4760): routes announced and withdrawn, in as many messages as it takes.

import { Buffer } from "node:buffer";

import { AttributeReader, type PeerContext } from "./attribute-reader.ts";
import { encodeAttributes, encodeReach, encodeUnreach, type PathAttributes } from "./attributes.ts";
import { BgpError, errorCode, updateError } from "./errors.ts";
import { frame } from "./framing.ts";
import { parsePrefixes, type WirePrefix } from "./prefixes.ts";
import { headerBytes, maxMessageBytes, messageType, type Family } from "./protocol.ts";

export interface UpdateMessage {
  readonly withdrawn: Readonly<Record<Family, readonly WirePrefix[]>>;
  /** Without what is treated as withdrawn, which stands above. */
  readonly announced: Readonly<Record<Family, readonly WirePrefix[]>>;
  /** null when nothing is announced. */
  readonly attributes: PathAttributes | null;
  /** The peer has sent all it has of this family. */
  readonly endOfRib: Family | null;
  /** Why announced routes count as withdrawn (RFC 7606). */
  readonly malformed: BgpError | null;
}

/** Two fields of lengths. */
const fixedBytes = 4;
const roomBytes = maxMessageBytes - headerBytes - fixedBytes;
/** Header of MP_REACH_NLRI with extended length, AFI, SAFI, next hop and its length, reserved octet. */
const reachBytes = 4 + 3 + 1 + 16 + 1;
const unreachBytes = 4 + 3;

/**
 * UPDATEs that announce `prefixes`, all of one family and with equal attributes. Of IPv4 the next hop is in the attributes, of
 * IPv6 it is `nextHop`. null when the attributes leave no room for a prefix.
 */
export function encodeAnnouncements(
  family: Family,
  prefixes: readonly WirePrefix[],
  attributes: PathAttributes,
  nextHop: string,
  fourOctetAs: boolean,
): Buffer[] | null {
  const common = encodeAttributes({ ...attributes, nextHop: family === 4 ? nextHop : null }, fourOctetAs);
  const room = roomBytes - common.length - (family === 4 ? 0 : reachBytes);
  if (prefixes.some((prefix) => prefix.length > room)) return null;
  return chunksOf(prefixes, room).map((chunk) =>
    family === 4 ? update([], [common], chunk) : update([], [encodeReach(6, nextHop, chunk), common], []),
  );
}

export function encodeWithdrawals(family: Family, prefixes: readonly WirePrefix[]): Buffer[] {
  if (family === 4) return chunksOf(prefixes, roomBytes).map((chunk) => update(chunk, [], []));
  return chunksOf(prefixes, roomBytes - unreachBytes).map((chunk) => update([], [encodeUnreach(6, chunk)], []));
}

/** RFC 4724 §2. */
export function encodeEndOfRib(family: Family): Buffer {
  return family === 4 ? update([], [], []) : update([], [encodeUnreach(6, [])], []);
}

/** Throws BgpError where the session must end. `body` is at least four bytes long. */
export function parseUpdate(body: Buffer, context: PeerContext): UpdateMessage {
  const withdrawnBytes = body.readUInt16BE(0);
  const attributesAt = 2 + withdrawnBytes + 2;
  const attributeBytes = attributesAt > body.length ? -1 : body.readUInt16BE(attributesAt - 2);
  const prefixesAt = attributesAt + attributeBytes;
  if (attributeBytes < 0 || prefixesAt > body.length) {
    throw new BgpError("the lengths of UPDATE disagree", errorCode.update, updateError.malformedList);
  }
  const withdrawn = prefixesOf(body.subarray(2, attributesAt - 2));
  const prefixes = prefixesOf(body.subarray(prefixesAt));
  const field = body.subarray(attributesAt, prefixesAt);
  const read = new AttributeReader(context).read(field, prefixes.length > 0);
  const { reach, unreach, malformed } = read;
  const announced = { 4: byFamily(reach, 4, prefixes), 6: byFamily(reach, 6, []) };
  const gone = { 4: byFamily(unreach, 4, withdrawn), 6: byFamily(unreach, 6, []) };
  const endOfRib = endOf(body, field, read.unreach);
  if (malformed === null) {
    return { withdrawn: gone, announced, attributes: read.attributes, endOfRib, malformed };
  }
  return {
    withdrawn: { 4: [...gone[4], ...announced[4]], 6: [...gone[6], ...announced[6]] },
    announced: { 4: [], 6: [] },
    attributes: null,
    endOfRib: null,
    malformed,
  };
}

type MpPrefixes = { readonly family: Family; readonly prefixes: readonly WirePrefix[] } | null;

function byFamily(mp: MpPrefixes, family: Family, others: readonly WirePrefix[]): readonly WirePrefix[] {
  return mp?.family === family ? [...others, ...mp.prefixes] : others;
}

function endOf(body: Buffer, field: Buffer, unreach: MpPrefixes): Family | null {
  if (body.length === fixedBytes) return 4;
  const alone = body.length === fixedBytes + field.length && field.length <= unreachBytes;
  return alone && unreach?.prefixes.length === 0 ? unreach.family : null;
}

function prefixesOf(field: Buffer): WirePrefix[] {
  const prefixes = parsePrefixes(field, 4);
  if (prefixes === null) throw new BgpError("malformed prefixes", errorCode.update, updateError.network);
  return prefixes;
}

function update(withdrawn: readonly Buffer[], attributes: readonly Buffer[], prefixes: readonly Buffer[]): Buffer {
  return frame(messageType.update, [...withLength(withdrawn), ...withLength(attributes), ...prefixes]);
}

function withLength(parts: readonly Buffer[]): Buffer[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [Buffer.from([length >> 8, length & 0xff]), ...parts];
}

function chunksOf(prefixes: readonly WirePrefix[], room: number): WirePrefix[][] {
  const chunks: WirePrefix[][] = [];
  let used = room;
  for (const prefix of prefixes) {
    if (used + prefix.length > room) {
      chunks.push([]);
      used = 0;
    }
    chunks.at(-1)!.push(prefix);
    used += prefix.length;
  }
  return chunks;
}
