// SPDX-License-Identifier: Apache-2.0
// The BFD control packet (RFC 5880 §4.1), without authentication. Pure.

import { Buffer } from "node:buffer";

export type BfdState = "AdminDown" | "Down" | "Init" | "Up";

export const bfdStates: readonly BfdState[] = ["AdminDown", "Down", "Init", "Up"];

/** Why a session went down last (RFC 5880 §4.1). */
export const diagnostic = { none: 0, detectionTimeExpired: 1, neighborDown: 3, adminDown: 7 } as const;

export interface BfdPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  /** Asks for an answer at once. */
  readonly poll: boolean;
  /** Is that answer. */
  readonly final: boolean;
  readonly detectMultiplier: number;
  /** Never 0. */
  readonly myDiscriminator: number;
  /** 0 = the sender does not know us yet. */
  readonly yourDiscriminator: number;
  readonly desiredTxUs: number;
  /** 0 = the sender wants nothing periodic. */
  readonly requiredRxUs: number;
}

const version = 1;
const packetBytes = 24;
const flag = { poll: 0x20, final: 0x10, authentication: 0x04, multipoint: 0x01 } as const;

export function encodeBfd(packet: BfdPacket): Buffer {
  const bytes = Buffer.alloc(packetBytes);
  bytes[0] = (version << 5) | packet.diagnostic;
  const flags = (packet.poll ? flag.poll : 0) | (packet.final ? flag.final : 0);
  bytes[1] = (bfdStates.indexOf(packet.state) << 6) | flags;
  bytes[2] = packet.detectMultiplier;
  bytes[3] = packetBytes;
  bytes.writeUInt32BE(packet.myDiscriminator, 4);
  bytes.writeUInt32BE(packet.yourDiscriminator, 8);
  bytes.writeUInt32BE(packet.desiredTxUs, 12);
  bytes.writeUInt32BE(packet.requiredRxUs, 16);
  // No echo packets are answered.
  return bytes;
}

/** null where RFC 5880 §6.8.6 wants the packet discarded before anything is known of its session. */
export function parseBfd(bytes: Buffer): BfdPacket | null {
  if (bytes.length < packetBytes) return null;
  const flags = bytes[1]!;
  const length = bytes[3]!;
  const state = bfdStates[flags >> 6]!;
  const packet: BfdPacket = {
    diagnostic: bytes[0]! & 0x1f,
    state,
    poll: (flags & flag.poll) !== 0,
    final: (flags & flag.final) !== 0,
    detectMultiplier: bytes[2]!,
    myDiscriminator: bytes.readUInt32BE(4),
    yourDiscriminator: bytes.readUInt32BE(8),
    desiredTxUs: bytes.readUInt32BE(12),
    requiredRxUs: bytes.readUInt32BE(16),
  };
  const isStarting = state === "Down" || state === "AdminDown";
  const discarded =
    bytes[0]! >> 5 !== version ||
    length < packetBytes ||
    length > bytes.length ||
    (flags & (flag.authentication | flag.multipoint)) !== 0 ||
    packet.detectMultiplier === 0 ||
    packet.myDiscriminator === 0 ||
    (packet.yourDiscriminator === 0 && !isStarting);
  return discarded ? null : packet;
}
