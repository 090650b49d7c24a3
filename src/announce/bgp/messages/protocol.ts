// SPDX-License-Identifier: Apache-2.0
// Numbers of the BGP-4 wire format (RFC 4271, RFC 4760 and the IANA registries they opened).

export const messageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;

export const headerBytes = 19;
/** RFC 4271 §4.1; naru does not offer extended messages (RFC 8654), so neither side may send more. */
export const maxMessageBytes = 4_096;

/** Stands for every AS number that does not fit into two octets (RFC 6793). */
export const asTrans = 23_456;

export type Family = 4 | 6;

export const unicast = 1;

export function afiOf(family: Family): 1 | 2 {
  return family === 4 ? 1 : 2;
}

/** null for address families other than IPv4 and IPv6 unicast. */
export function familyOf(afi: number, safi: number): Family | null {
  if (safi !== unicast) return null;
  if (afi === 1) return 4;
  return afi === 2 ? 6 : null;
}

export const attributeFlag = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const;

export const attributeType = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  largeCommunities: 32,
} as const;

export const segmentType = { set: 1, sequence: 2 } as const;
