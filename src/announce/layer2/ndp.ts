// SPDX-License-Identifier: Apache-2.0
// Neighbor solicitations and advertisements of IPv6 (RFC 4861 §4.3, §4.4, §7.1) as whole Ethernet frames. Pure.

import { isUnicastMac, macBytes } from "./mac.ts";

export const neighborType = { solicitation: 135, advertisement: 136 } as const;
/** Solicited-node multicast address of a probe, and advertisements with their link-layer address. */
export const probeFrameBytes = 78;
export const advertisementFrameBytes = 86;
export const ipv6Bytes = 16;

const at = {
  destination: 0,
  source: 6,
  etherType: 12,
  version: 14,
  payloadLength: 18,
  nextHeader: 20,
  hopLimit: 21,
  sourceIp: 22,
  destinationIp: 38,
  type: 54,
  code: 55,
  checksum: 56,
  flags: 58,
  target: 62,
  options: 78,
} as const;
const etherType = 0x86dd;
const icmp6 = 58;
/** Nobody but the link itself can have sent it: routers count down (RFC 4861 §3.1). */
const linkHopLimit = 255;
const messageBytes = 24;
const optionBytes = 8;
const optionType = { source: 1, target: 2 } as const;
const flag = { solicited: 0x40, override: 0x20 } as const;
const allNodes = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const unspecified = new Uint8Array(ipv6Bytes);

/** What was read of one frame; the fields hold until the next reading. */
export class NeighborFrame {
  type = 0;
  /** Of an advertisement: it answers a solicitation. */
  solicited = false;
  /** The solicitation comes from a host that checks whether its own address is free (RFC 4862 §5.4). */
  fromUnspecified = false;
  readonly source = new Uint8Array(ipv6Bytes);
  readonly target = new Uint8Array(ipv6Bytes);
  /** Of the Ethernet header. */
  readonly sourceMac = new Uint8Array(macBytes);
  /** Of the option that names the sender's, or the target's; `sourceMac` when there is none. */
  readonly linkLayerMac = new Uint8Array(macBytes);

  /** False when `bytes[0, length)` is no solicitation and no advertisement that passes RFC 4861 §7.1.1 and §7.1.2. */
  read(bytes: Uint8Array, length: number): boolean {
    if (length < probeFrameBytes || read16(bytes, at.etherType) !== etherType) return false;
    const payloadLength = read16(bytes, at.payloadLength);
    const end = at.type + payloadLength;
    // An extension header would make another next header: RFC 6980 forbids fragments, and nothing else belongs here.
    if (bytes[at.version]! >> 4 !== 6 || bytes[at.nextHeader] !== icmp6 || bytes[at.hopLimit] !== linkHopLimit)
      return false;
    if (payloadLength < messageBytes || end > length) return false;
    this.type = bytes[at.type]!;
    if (this.type !== neighborType.solicitation && this.type !== neighborType.advertisement) return false;
    if (bytes[at.code] !== 0 || bytes[at.target] === 0xff || bytes[at.sourceIp] === 0xff) return false;
    if (!isUnicastMac(bytes, at.source)) return false;
    if (checksum(bytes, payloadLength) !== 0) return false;
    copy(bytes, at.sourceIp, this.source);
    copy(bytes, at.target, this.target);
    copy(bytes, at.source, this.sourceMac);
    copy(bytes, at.source, this.linkLayerMac);
    this.fromUnspecified = isZero(bytes, at.sourceIp);
    const isSolicitation = this.type === neighborType.solicitation;
    const linkLayer = this.#readOptions(bytes, end, isSolicitation ? optionType.source : optionType.target);
    if (linkLayer < 0) return false;
    return isSolicitation ? this.#isSolicitation(bytes, linkLayer) : this.#isAdvertisement(bytes);
  }

  /** §7.1.1: who has no address can name none, and asks the group of the target. */
  #isSolicitation(bytes: Uint8Array, linkLayer: number): boolean {
    this.solicited = false;
    if (!this.fromUnspecified) return true;
    return linkLayer === 0 && isSolicitedNode(bytes, at.destinationIp);
  }

  /** §7.1.2: nobody asked for what is sent to all. */
  #isAdvertisement(bytes: Uint8Array): boolean {
    this.solicited = (bytes[at.flags]! & flag.solicited) !== 0;
    return !this.fromUnspecified && !(this.solicited && bytes[at.destinationIp] === 0xff);
  }

  /** Options of this type, or -1 when one is broken. Unknown ones are skipped (§4.6). */
  #readOptions(bytes: Uint8Array, end: number, type: number): number {
    let count = 0;
    for (let option: number = at.options; option < end;) {
      if (option + 2 > end) return -1;
      const size = bytes[option + 1]! * 8;
      if (size === 0 || option + size > end) return -1;
      if (bytes[option] === type && size === optionBytes && isUnicastMac(bytes, option + 2)) {
        copy(bytes, option + 2, this.linkLayerMac);
        count++;
      } else if (bytes[option] === type) {
        // Another length is another kind of link, and a group answers nobody.
        return -1;
      }
      option += size;
    }
    return count;
  }
}

/** To whoever asked: `address` is at `mac` (RFC 4861 §7.2.4). */
export function writeSolicitedAdvertisement(
  into: Uint8Array,
  mac: Uint8Array,
  address: Uint8Array,
  requesterMac: Uint8Array,
  requester: Uint8Array,
): void {
  writeAdvertisement(into, mac, address, requesterMac, requester, flag.solicited | flag.override);
}

/** To all nodes, unasked (§7.2.6), or for who asked without an address (§7.2.4): `address` is at `mac`. */
export function writeUnsolicitedAdvertisement(into: Uint8Array, mac: Uint8Array, address: Uint8Array): void {
  writeAdvertisement(into, mac, address, groupMac(allNodes), allNodes, flag.override);
}

/** Does anybody have `address`? A solicitation as for duplicate address detection (RFC 4862 §5.4.2). */
export function writeNeighborProbe(into: Uint8Array, mac: Uint8Array, address: Uint8Array): void {
  const group = solicitedNode(address);
  writeHead(into, groupMac(group), mac, unspecified, group, messageBytes);
  into.fill(0, at.type, probeFrameBytes);
  into[at.type] = neighborType.solicitation;
  into.set(address, at.target);
  seal(into, messageBytes);
}

/** `ff02::1:ffXX:XXXX`, the group that solicitations of an address are sent to (RFC 4291 §2.7.1). */
export function solicitedNode(address: Uint8Array): Uint8Array {
  const group = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0);
  group.set(address.subarray(13), 13);
  return group;
}

function writeAdvertisement(
  into: Uint8Array,
  mac: Uint8Array,
  address: Uint8Array,
  destinationMac: Uint8Array,
  destination: Uint8Array,
  flags: number,
): void {
  writeHead(into, destinationMac, mac, address, destination, messageBytes + optionBytes);
  into.fill(0, at.type, at.target);
  into[at.type] = neighborType.advertisement;
  into[at.flags] = flags;
  into.set(address, at.target);
  into[at.options] = optionType.target;
  into[at.options + 1] = 1;
  into.set(mac, at.options + 2);
  seal(into, messageBytes + optionBytes);
}

function writeHead(
  into: Uint8Array,
  destinationMac: Uint8Array,
  mac: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
  payloadLength: number,
): void {
  into.set(destinationMac, at.destination);
  into.set(mac, at.source);
  write16(into, at.etherType, etherType);
  into.fill(0, at.version, at.payloadLength);
  into[at.version] = 0x60;
  write16(into, at.payloadLength, payloadLength);
  into[at.nextHeader] = icmp6;
  into[at.hopLimit] = linkHopLimit;
  into.set(source, at.sourceIp);
  into.set(destination, at.destinationIp);
}

/** RFC 2464 §7. */
function groupMac(group: Uint8Array): Uint8Array {
  return Uint8Array.of(0x33, 0x33, group[12]!, group[13]!, group[14]!, group[15]!);
}

function seal(into: Uint8Array, payloadLength: number): void {
  write16(into, at.checksum, 0);
  write16(into, at.checksum, checksum(into, payloadLength));
}

/** Of the addresses, the payload and its length and kind (RFC 8200 §8.1); 0 over a message that carries its own. */
function checksum(bytes: Uint8Array, payloadLength: number): number {
  let sum = payloadLength + icmp6;
  const end = at.type + payloadLength;
  for (let offset: number = at.sourceIp; offset + 1 < end; offset += 2) sum += read16(bytes, offset);
  if (payloadLength % 2 === 1) sum += bytes[end - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function isSolicitedNode(bytes: Uint8Array, offset: number): boolean {
  if (bytes[offset] !== 0xff || bytes[offset + 1] !== 0x02) return false;
  for (let index = 2; index < 11; index++) if (bytes[offset + index] !== 0) return false;
  return bytes[offset + 11] === 1 && bytes[offset + 12] === 0xff;
}

function isZero(bytes: Uint8Array, offset: number): boolean {
  for (let index = 0; index < ipv6Bytes; index++) if (bytes[offset + index] !== 0) return false;
  return true;
}

function copy(bytes: Uint8Array, offset: number, into: Uint8Array): void {
  for (let index = 0; index < into.length; index++) into[index] = bytes[offset + index]!;
}

function read16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

function write16(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >> 8;
  into[offset + 1] = value & 0xff;
}
