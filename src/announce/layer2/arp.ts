// SPDX-License-Identifier: Apache-2.0
// ARP for IPv4 over Ethernet (RFC 826), with the announcements and probes of RFC 5227, as whole frames. Pure.

import { broadcastMac, isUnicastMac, macBytes } from "./mac.ts";

export const arpFrameBytes = 42;
export const arpOperation = { request: 1, reply: 2 } as const;
/** Where the parts of a frame are. */
const at = {
  destination: 0,
  source: 6,
  type: 12,
  hardwareType: 14,
  lengths: 18,
  operation: 20,
  senderMac: 22,
  senderIp: 28,
  targetMac: 32,
  targetIp: 38,
} as const;
/** Hardware type 1 and protocol type 0x0800; lengths of addresses of 6 and 4 bytes. */
const ethernetAndIpv4 = 0x0001_0800;
const addressLengths = 0x0604;
const etherType = 0x0806;
const noMac = new Uint8Array(macBytes);

/** What was read of one frame; the fields hold until the next reading. Addresses are 32-bit numbers. */
export class ArpFrame {
  operation = 0;
  senderIp = 0;
  targetIp = 0;
  readonly destination = new Uint8Array(macBytes);
  readonly senderMac = new Uint8Array(macBytes);

  /**
   * False when `bytes[0, length)` is no request and no reply of RFC 826 for IPv4 over Ethernet, or comes from nobody: its
   * sender's hardware address belongs to no single interface. Padding behind it is ignored.
   */
  read(bytes: Uint8Array, length: number): boolean {
    if (length < arpFrameBytes || read16(bytes, at.type) !== etherType) return false;
    if (read32(bytes, at.hardwareType) !== ethernetAndIpv4 || read16(bytes, at.lengths) !== addressLengths)
      return false;
    this.operation = read16(bytes, at.operation);
    if (this.operation !== arpOperation.request && this.operation !== arpOperation.reply) return false;
    if (!isUnicastMac(bytes, at.senderMac)) return false;
    this.senderIp = read32(bytes, at.senderIp);
    this.targetIp = read32(bytes, at.targetIp);
    for (let index = 0; index < macBytes; index++) {
      this.destination[index] = bytes[at.destination + index]!;
      this.senderMac[index] = bytes[at.senderMac + index]!;
    }
    return true;
  }
}

/** To one requester: `address` is at `mac`. */
export function writeArpReply(
  into: Uint8Array,
  mac: Uint8Array,
  address: number,
  requesterMac: Uint8Array,
  requesterIp: number,
): void {
  write(into, arpOperation.reply, requesterMac, mac, address, requesterMac, requesterIp);
}

/**
 * To everybody: `address` is at `mac` (RFC 5227 §2.3). Some hosts heed requests, some replies; MetalLB sends one of each, with
 * the broadcast address as target, and so do we.
 */
export function writeArpAnnouncement(into: Uint8Array, operation: number, mac: Uint8Array, address: number): void {
  write(into, operation, broadcastMac, mac, address, broadcastMac, address);
}

/** Does anybody have `address`? Says nothing about who asks, so that no cache is touched (RFC 5227 §2.1.1). */
export function writeArpProbe(into: Uint8Array, mac: Uint8Array, address: number): void {
  write(into, arpOperation.request, broadcastMac, mac, 0, noMac, address);
}

function write(
  into: Uint8Array,
  operation: number,
  destination: Uint8Array,
  mac: Uint8Array,
  senderIp: number,
  targetMac: Uint8Array,
  targetIp: number,
): void {
  into.set(destination, at.destination);
  into.set(mac, at.source);
  write16(into, at.type, etherType);
  write32(into, at.hardwareType, ethernetAndIpv4);
  write16(into, at.lengths, addressLengths);
  write16(into, at.operation, operation);
  into.set(mac, at.senderMac);
  write32(into, at.senderIp, senderIp);
  into.set(targetMac, at.targetMac);
  write32(into, at.targetIp, targetIp);
}

function read16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

function read32(bytes: Uint8Array, offset: number): number {
  return ((read16(bytes, offset) << 16) | read16(bytes, offset + 2)) >>> 0;
}

function write16(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >> 8;
  into[offset + 1] = value & 0xff;
}

function write32(into: Uint8Array, offset: number, value: number): void {
  write16(into, offset, value >>> 16);
  write16(into, offset + 2, value & 0xffff);
}
