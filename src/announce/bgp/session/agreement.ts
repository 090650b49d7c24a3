// SPDX-License-Identifier: Apache-2.0
// Judges the peer's OPEN by what is expected of it, and works out what both can do. Pure.

import { encodeCapabilities } from "../messages/capabilities.ts";
import { BgpError, errorCode, openError } from "../messages/errors.ts";
import type { OpenMessage } from "../messages/open.ts";
import type { Agreement, SessionOptions, Side } from "./events.ts";

const minKeepaliveMs = 1_000;

/** Throws BgpError when there is nothing to agree on. */
export function agree(options: SessionOptions, side: Side, ours: OpenMessage, theirs: OpenMessage): Agreement {
  const internal = theirs.asn === options.localAsn;
  if (!isExpected(options, theirs.asn)) {
    throw new BgpError(`the peer's AS is ${theirs.asn}`, errorCode.open, openError.badPeerAs);
  }
  // RFC 6286 §2.2: unique within an AS, not beyond.
  if (internal && theirs.routerId === ours.routerId) {
    throw new BgpError("the peer has our BGP identifier", errorCode.open, openError.badRouterId);
  }
  const families = options.families.filter((family) => theirs.capabilities.families.includes(family));
  if (families.length === 0) {
    const missing = { families: options.families, routeRefresh: false, asn: null, gracefulRestart: null };
    const data = encodeCapabilities(missing);
    throw new BgpError("no address family in common", errorCode.open, openError.capability, data);
  }
  const holdTimeMs = Math.min(options.holdTimeSeconds, theirs.holdTimeSeconds) * 1_000;
  const thirdMs = Math.max(minKeepaliveMs, holdTimeMs / 3);
  return {
    side,
    peerAsn: theirs.asn,
    peerRouterId: theirs.routerId,
    internal,
    fourOctetAs: theirs.capabilities.asn !== null,
    families,
    holdTimeMs,
    keepaliveTimeMs: holdTimeMs === 0 ? 0 : Math.min(options.keepaliveTimeMs, thirdMs),
    gracefulRestart: options.gracefulRestart === null ? null : theirs.capabilities.gracefulRestart,
  };
}

/**
 * Which of two connections survives when both ends connected at once: that of the higher BGP identifier (RFC 4271
 * §6.8), of the higher AS number where they are equal (RFC 6286 §2.3).
 */
export function survivor(ours: OpenMessage, theirs: OpenMessage): Side {
  const weAreHigher = ours.routerId === theirs.routerId ? ours.asn > theirs.asn : ours.routerId > theirs.routerId;
  return weAreHigher ? "outgoing" : "incoming";
}

function isExpected({ localAsn, peerAsn }: SessionOptions, asn: number): boolean {
  if (peerAsn === "internal") return asn === localAsn;
  return peerAsn === "external" ? asn !== localAsn : asn === peerAsn;
}
