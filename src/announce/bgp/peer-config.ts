// SPDX-License-Identifier: Apache-2.0
// What the speaker must know of a peer, and where it comes from in MetalLB's resources.

import type { ResolvedPeer } from "../link/types.ts";
import type { Family } from "./messages/protocol.ts";

/** Equal configurations keep their session; any difference but of routes resets it. */
export interface BgpPeerConfig {
  /** Identity. */
  readonly name: string;
  readonly localAsn: number;
  readonly peerAsn: number | "internal" | "external";
  readonly address: string;
  readonly port: number;
  /** "" = the system's choice. */
  readonly sourceAddress: string;
  /** Dotted; "" = derived from the connection's address. */
  readonly routerId: string;
  readonly holdTimeMs: number;
  readonly keepaliveTimeMs: number;
  readonly connectTimeMs: number;
  /** RFC 2385. Never in a log. */
  readonly password: string | null;
  readonly bfd: BfdTimes | null;
  readonly gracefulRestart: boolean;
  /** Several routers may lie between; without it a peer of another AS must be a neighbour (TTL 1). */
  readonly ebgpMultiHop: boolean;
  /** RFC 5082: packets must come from at most so many hops away; 0 = off, 1 = from the same network. */
  readonly ttlSecurityHops: number;
  /** IPv4 and IPv6 over this one session; otherwise only the family of `address`. */
  readonly bothFamilies: boolean;
  /** Waits for the peer to connect. */
  readonly passive: boolean;
}

export interface BfdTimes {
  readonly receiveIntervalMs: number;
  readonly transmitIntervalMs: number;
  readonly detectMultiplier: number;
  /** Says nothing until the peer does. */
  readonly passive: boolean;
}

/** `passive`: it is left to the peer to connect; MetalLB's resources do not say it. */
export function bgpPeerConfig(peer: ResolvedPeer, passive: boolean): BgpPeerConfig {
  const { bfd } = peer;
  return {
    name: peer.name,
    localAsn: peer.myASN,
    peerAsn: peer.peerASN,
    address: peer.peerAddress,
    port: peer.peerPort,
    sourceAddress: peer.sourceAddress,
    routerId: peer.routerID,
    holdTimeMs: peer.holdTimeMs,
    keepaliveTimeMs: peer.keepaliveTimeMs,
    connectTimeMs: peer.connectTimeMs,
    password: peer.password,
    bfd: bfd && {
      receiveIntervalMs: bfd.receiveIntervalMs,
      transmitIntervalMs: bfd.transmitIntervalMs,
      detectMultiplier: bfd.detectMultiplier,
      passive: bfd.passiveMode,
    },
    gracefulRestart: peer.enableGracefulRestart,
    ebgpMultiHop: peer.ebgpMultiHop,
    ttlSecurityHops: 0,
    bothFamilies: peer.dualStackAddressFamily,
    passive,
  };
}

export function familiesOf({ address, bothFamilies }: BgpPeerConfig): readonly Family[] {
  if (bothFamilies) return [4, 6];
  return address.includes(":") ? [6] : [4];
}

/** Same content. */
export function isSamePeer(left: BgpPeerConfig, right: BgpPeerConfig): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
