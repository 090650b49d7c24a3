// SPDX-License-Identifier: Apache-2.0
// The packets in which nodes tell each other that they are alive: a codec without I/O. A packet fits into any path's MTU and
// ends with an HMAC-SHA256 of all before it; what is not signed is not read.
//
//   magic "naru" | version u8 | flags u8 | boot id u64 | sequence u32 | challenge u64 | ready for, ms u32
//   | number u8, challenges heard u64... | node name | number u8, labels (name, value)...
//   | number u8, interfaces (name, number u8, prefixes)...
//   | revision u32 | part u8 | parts u8 | number u8, addresses... | number u8, withheld addresses... | HMAC 32 bytes
//
// Names follow their length in one byte; a prefix is family u8, length u8 and the bytes it needs; an address family u8 and
// its bytes. Numbers are big-endian.

import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { isDeepStrictEqual } from "node:util";

import { ip } from "../../core/index.ts";
import type { Labels } from "../../model/index.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { HeartbeatKeys } from "./keys.ts";
import type { Reach } from "./member.ts";

/** Below the least MTU that IPv6 asks of a link, with room for tunnels. */
export const maxHeartbeatBytes = 1_200;
/** Challenges that one packet answers. */
export const maxHeard = 16;
/** Into how many packets a list of addresses may be cut. */
export const maxParts = 32;
/** What interfaces and their prefixes may take of a packet, encoded. */
const maxReachBytes = 400;
/** What labels may. */
const maxLabelBytes = 200;
const maxNodeName = 253;
/** Linux: IFNAMSIZ. */
const maxInterfaceName = 15;

const magic = 0x6e617275;
const version = 2;
const flag = { leaving: 1, ready: 2, reachKnown: 4 } as const;
const fixedBytes = 4 + 1 + 1 + 8 + 4 + 8 + 4 + 1 + 1 + 1 + 1 + 4 + 1 + 1 + 1 + 1;
const hmacBytes = 32;

export interface Heartbeat {
  readonly node: string;
  /** Of this run of the program; later runs have higher ones as far as the wall clock does not go back. */
  readonly bootId: bigint;
  /** Ascending with each packet of a run. */
  readonly sequence: number;
  /** A number that others repeat in `heard`, to show that their packets are no recordings. */
  readonly challenge: bigint;
  /** At most `maxHeard`. */
  readonly heard: readonly bigint[];
  /** Such that `labelsFit`. */
  readonly labels: Labels;
  readonly leaving: boolean;
  readonly ready: boolean;
  /** How long it has been ready; 0 when it is not. */
  readonly readyMs: number;
  /** null = not known. */
  readonly reach: readonly Reach[] | null;
  readonly part: AddressPart;
}

/** Of addresses, in canonical text. */
export interface AddressLists {
  /** That the node announces. */
  readonly announced: readonly string[];
  /** That it would not announce if it were elected. */
  readonly withheld: readonly string[];
}

/** A part of the lists of a node. */
export interface AddressPart extends AddressLists {
  /** Another number whenever the lists or their division are others. */
  readonly revision: number;
  /** From 0 to `parts` - 1. */
  readonly part: number;
  /** At most `maxParts`; empty lists have one, too. */
  readonly parts: number;
}

export type HeartbeatRejection = "malformed" | "version" | "unauthenticated";

/** Throws a RangeError when it does not fit; what `fittingReach` and `cutIntoParts` return does. */
export function encodeHeartbeat(beat: Heartbeat, key: KeyObject): Buffer {
  const writer = new ByteWriter(maxHeartbeatBytes);
  writer.u32(magic);
  writer.u8(version);
  const { leaving, ready, reach } = beat;
  writer.u8((leaving ? flag.leaving : 0) | (ready ? flag.ready : 0) | (reach === null ? 0 : flag.reachKnown));
  writer.u64(beat.bootId);
  writer.u32(beat.sequence);
  writer.u64(beat.challenge);
  writer.u32(Math.min(Math.floor(beat.readyMs), 0xffff_ffff));
  writer.u8(beat.heard.length);
  for (const challenge of beat.heard) writer.u64(challenge);
  writer.text(beat.node);
  const labels = Object.entries(beat.labels);
  writer.u8(labels.length);
  for (const [name, value] of labels) {
    writer.text(name);
    writer.text(value);
  }
  writeReach(writer, reach ?? []);
  const { revision, part, parts, announced, withheld } = beat.part;
  writer.u32(revision);
  writer.u8(part);
  writer.u8(parts);
  writeAddresses(writer, announced);
  writeAddresses(writer, withheld);
  writer.bytes(sign(writer.written, key));
  return writer.written;
}

/** What a packet says, once it is sure that one of the keys signed it. */
export function readHeartbeat(bytes: Buffer, keys: HeartbeatKeys): Heartbeat | HeartbeatRejection {
  if (bytes.length < fixedBytes + hmacBytes || bytes.length > maxHeartbeatBytes) return "malformed";
  if (bytes.readUInt32BE() !== magic) return "malformed";
  if (bytes[4] !== version) return "version";
  const signed = bytes.subarray(0, -hmacBytes);
  const hmac = bytes.subarray(-hmacBytes);
  if (!keys.some((key) => timingSafeEqual(sign(signed, key), hmac))) return "unauthenticated";
  return readSigned(new ByteReader(signed.subarray(5))) ?? "malformed";
}

/** Whether a packet has room for the labels. Others must know all of them, or they would decide otherwise than we do. */
export function labelsFit(labels: Labels): boolean {
  const isText = Object.entries(labels).every((texts) => texts.every((text) => /^[!-~]*$/.test(text)));
  return isText && labelBytes(labels) <= maxLabelBytes;
}

/** As many of the interfaces as a packet has room for. */
export function fittingReach(reach: readonly Reach[]): readonly Reach[] {
  const fitting: Reach[] = [];
  let bytes = 0;
  for (const { name, prefixes } of reach) {
    if (!/^[!-~]{1,15}$/.test(name)) continue;
    const kept: string[] = [];
    bytes += 2 + name.length;
    for (const prefix of prefixes) {
      bytes += prefixBytes(prefix);
      if (bytes <= maxReachBytes) kept.push(prefix);
    }
    if (bytes > maxReachBytes) {
      if (kept.length > 0) fitting.push({ name, prefixes: kept });
      break;
    }
    fitting.push({ name, prefixes });
  }
  return fitting;
}

/** The lists cut for as many packets as are needed; what `maxParts` packets have no room for is left out. */
export function cutIntoParts(
  lists: AddressLists,
  { node, labels, reach }: Pick<Heartbeat, "node" | "labels" | "reach">,
): readonly AddressLists[] {
  const reachBytes = (reach ?? []).reduce(
    (sum, { name, prefixes }) => sum + 2 + name.length + prefixes.reduce((all, each) => all + prefixBytes(each), 0),
    0,
  );
  const others = node.length + maxHeard * 8 + labelBytes(labels) + reachBytes;
  const room = maxHeartbeatBytes - fixedBytes - hmacBytes - others;
  const parts = [{ announced: [] as string[], withheld: [] as string[] }];
  let left = room;
  for (const list of ["withheld", "announced"] as const) {
    for (const address of lists[list]) {
      const bytes = address.includes(":") ? 17 : 5;
      if (bytes > left || parts.at(-1)![list].length === 0xff) {
        if (parts.length === maxParts) return parts;
        parts.push({ announced: [], withheld: [] });
        left = room;
      }
      parts.at(-1)![list].push(address);
      left -= bytes;
    }
  }
  return parts;
}

function sign(bytes: Uint8Array, key: KeyObject): Buffer {
  return createHmac("sha256", key).update(bytes).digest();
}

/** null when a field is out of its range, missing or left over. */
function readSigned(reader: ByteReader): Heartbeat | null {
  const flags = reader.u8();
  if (flags > (flag.leaving | flag.ready | flag.reachKnown)) return null;
  const bootId = reader.u64();
  const sequence = reader.u32();
  const challenge = reader.u64();
  const readyMs = reader.u32();
  const heardCount = reader.u8();
  if (heardCount > maxHeard) return null;
  const heard = Array.from({ length: heardCount }, () => reader.u64());
  const node = reader.name(maxNodeName);
  const labels = readLabels(reader);
  const reach = readReach(reader);
  const revision = reader.u32();
  const part = reader.u8();
  const parts = reader.u8();
  if (parts > maxParts || part >= parts) return null;
  const announced = readAddresses(reader);
  const withheld = readAddresses(reader);
  if (!reader.isComplete) return null;
  const isReachKnown = (flags & flag.reachKnown) !== 0;
  if (!isReachKnown && reach.length > 0) return null;
  return {
    node,
    bootId,
    sequence,
    challenge,
    heard,
    labels,
    leaving: (flags & flag.leaving) !== 0,
    ready: (flags & flag.ready) !== 0,
    readyMs,
    reach: isReachKnown ? reach : null,
    part: { revision, part, parts, announced, withheld },
  };
}

function readLabels(reader: ByteReader): Labels {
  const labels: [string, string][] = [];
  for (let left = reader.u8(); left > 0 && !reader.failed; left--) {
    labels.push([reader.name(maxLabelBytes), reader.text(maxLabelBytes)]);
  }
  // One label twice would be two packets of one meaning.
  const byName = Object.fromEntries(labels);
  if (!isDeepStrictEqual(Object.entries(byName), labels)) reader.fail();
  return byName;
}

function labelBytes(labels: Labels): number {
  return Object.entries(labels).reduce((sum, [name, value]) => sum + 2 + name.length + value.length, 0);
}

function writeReach(writer: ByteWriter, reach: readonly Reach[]): void {
  writer.u8(reach.length);
  for (const { name, prefixes } of reach) {
    writer.text(name);
    writer.u8(prefixes.length);
    for (const prefix of prefixes) {
      const { family, first } = ip.parseCidr(prefix)!;
      const length = lengthOf(prefix);
      const size = Math.ceil(length / 8);
      writer.u8(family);
      writer.u8(length);
      writer.unsigned(first >> BigInt((family === 4 ? 32 : 128) - size * 8), size);
    }
  }
}

function readReach(reader: ByteReader): readonly Reach[] {
  const reach: Reach[] = [];
  for (let left = reader.u8(); left > 0 && !reader.failed; left--) {
    const name = reader.name(maxInterfaceName);
    const prefixes: string[] = [];
    for (let more = reader.u8(); more > 0 && !reader.failed; more--) prefixes.push(readPrefix(reader));
    reach.push({ name, prefixes });
  }
  return reach;
}

function readPrefix(reader: ByteReader): string {
  const family = readFamily(reader);
  const bits = family === 4 ? 32 : 128;
  const length = reader.u8();
  if (length > bits) reader.fail();
  const size = Math.ceil(length / 8);
  const value = reader.unsigned(Math.min(size, 16)) << BigInt(Math.max(bits - size * 8, 0));
  // Bits beyond the length would make two texts of one prefix.
  if (!reader.failed && ip.prefixAround({ family, value }, length).first !== value) reader.fail();
  return reader.failed ? "" : `${ip.format({ family, value })}/${length}`;
}

function writeAddresses(writer: ByteWriter, addresses: readonly string[]): void {
  writer.u8(addresses.length);
  for (const address of addresses) {
    const { family, value } = ip.parse(address)!;
    writer.u8(family);
    writer.unsigned(value, family === 4 ? 4 : 16);
  }
}

function readAddresses(reader: ByteReader): readonly string[] {
  const addresses: string[] = [];
  for (let left = reader.u8(); left > 0 && !reader.failed; left--) {
    const family = readFamily(reader);
    addresses.push(ip.format({ family, value: reader.unsigned(family === 4 ? 4 : 16) }));
  }
  return addresses;
}

function readFamily(reader: ByteReader): 4 | 6 {
  const family = reader.u8();
  if (family === 4 || family === 6) return family;
  reader.fail();
  return 4;
}

/** Encoded. */
function prefixBytes(prefix: string): number {
  return 2 + Math.ceil(lengthOf(prefix) / 8);
}

function lengthOf(prefix: string): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}
