// SPDX-License-Identifier: Apache-2.0
// What is counted of a peer, and the samples of it: MetalLB's names, those of its FRR mode included.

import { formatHostPort } from "../../core/index.ts";
import type { Sample } from "../../telemetry/port.ts";
import { messageType } from "./messages/protocol.ts";
import type { BgpPeerStatus } from "./status.ts";

/** Messages by type, in one direction. */
export interface MessageCounts {
  opens: number;
  updates: number;
  notifications: number;
  keepalives: number;
  routeRefreshes: number;
}

export interface PeerCounters {
  readonly sent: MessageCounts;
  readonly received: MessageCounts;
  /** Prefixes that the peer announced, again or anew. Nothing is installed, so nothing is known of them later. */
  receivedPrefixes: number;
  /** UPDATEs whose routes count as withdrawn (RFC 7606). */
  malformedUpdates: number;
  /** Changes of its BFD session to Up and to Down. */
  bfdUps: number;
  bfdDowns: number;
}

export function createPeerCounters(): PeerCounters {
  const noEvents = { receivedPrefixes: 0, malformedUpdates: 0, bfdUps: 0, bfdDowns: 0 };
  return { sent: noMessages(), received: noMessages(), ...noEvents };
}

function noMessages(): MessageCounts {
  return { opens: 0, updates: 0, notifications: 0, keepalives: 0, routeRefreshes: 0 };
}

const kinds: Readonly<Record<number, keyof MessageCounts>> = {
  [messageType.open]: "opens",
  [messageType.update]: "updates",
  [messageType.notification]: "notifications",
  [messageType.keepalive]: "keepalives",
  [messageType.routeRefresh]: "routeRefreshes",
};

export function countMessage(counts: MessageCounts, type: number): void {
  const kind = kinds[type];
  if (kind !== undefined) counts[kind]++;
}

type Read = (status: BgpPeerStatus, counters: PeerCounters) => number;

const metrics: readonly (readonly [string, Sample["type"], string, Read])[] = [
  ["metallb_bgp_session_up", "gauge", "1 while the session is Established", (status) => Number(isUp(status))],
  [
    "metallb_bgp_announced_prefixes_total",
    "gauge",
    "Prefixes that the peer has been told of",
    (status) => status.announcedPrefixes,
  ],
  [
    "metallb_bgp_pending_prefixes_total",
    "gauge",
    "Prefixes that the peer should know of and does not",
    (status) => status.pendingPrefixes,
  ],
  ["metallb_bgp_updates_total", "counter", "UPDATE messages sent", (_status, { sent }) => sent.updates],
  [
    "metallb_bgp_updates_total_received",
    "counter",
    "UPDATE messages received",
    (_status, { received }) => received.updates,
  ],
  ["metallb_bgp_opens_sent", "counter", "OPEN messages sent", (_status, { sent }) => sent.opens],
  ["metallb_bgp_opens_received", "counter", "OPEN messages received", (_status, { received }) => received.opens],
  [
    "metallb_bgp_notifications_sent",
    "counter",
    "NOTIFICATION messages sent",
    (_status, { sent }) => sent.notifications,
  ],
  [
    "naru_bgp_notifications_received_total",
    "counter",
    "NOTIFICATION messages received",
    (_status, { received }) => received.notifications,
  ],
  ["metallb_bgp_keepalives_sent", "counter", "KEEPALIVE messages sent", (_status, { sent }) => sent.keepalives],
  [
    "metallb_bgp_keepalives_received",
    "counter",
    "KEEPALIVE messages received",
    (_status, { received }) => received.keepalives,
  ],
  [
    "metallb_bgp_route_refresh_sent",
    "counter",
    "ROUTE-REFRESH messages sent",
    (_status, { sent }) => sent.routeRefreshes,
  ],
  ["metallb_bgp_total_sent", "counter", "Messages sent", (_status, { sent }) => total(sent)],
  ["metallb_bgp_total_received", "counter", "Messages received", (_status, { received }) => total(received)],
  [
    "naru_bgp_received_prefixes_total",
    "counter",
    "Prefixes that the peer announced; none is installed",
    (_status, counters) => counters.receivedPrefixes,
  ],
  [
    "naru_bgp_malformed_updates_total",
    "counter",
    "UPDATE messages whose routes count as withdrawn (RFC 7606)",
    (_status, counters) => counters.malformedUpdates,
  ],
];

const bfdMetrics: readonly (readonly [string, Sample["type"], string, (peer: CountedPeer) => number])[] = [
  ["metallb_bfd_session_up", "gauge", "1 while the BFD session is Up", ({ status }) => Number(status.bfd === "Up")],
  [
    "metallb_bfd_control_packet_input",
    "counter",
    "BFD control packets received",
    ({ bfdPackets }) => bfdPackets?.received ?? 0,
  ],
  [
    "metallb_bfd_control_packet_output",
    "counter",
    "BFD control packets sent",
    ({ bfdPackets }) => bfdPackets?.sent ?? 0,
  ],
  ["metallb_bfd_session_up_events", "counter", "Times the BFD session came up", ({ counters }) => counters.bfdUps],
  [
    "metallb_bfd_session_down_events",
    "counter",
    "Times the BFD session went down",
    ({ counters }) => counters.bfdDowns,
  ],
];

export interface CountedPeer {
  readonly status: BgpPeerStatus;
  readonly counters: PeerCounters;
  readonly bfdPackets: { readonly sent: number; readonly received: number } | null;
}

/** Of all peers, labelled `peer="address:port"` as MetalLB does, of BFD without a port. */
export function bgpSamples(peers: readonly CountedPeer[]): Sample[] {
  const ofBgp = metrics.flatMap(([name, type, help, read]) =>
    peers.map(({ status, counters }): Sample => {
      const labels = { peer: formatHostPort(status.address, status.port) };
      return { name, help, type, labels, value: read(status, counters) };
    }),
  );
  const withBfd = peers.filter(({ status }) => status.bfd !== null);
  const ofBfd = bfdMetrics.flatMap(([name, type, help, read]) =>
    withBfd.map((peer): Sample => ({ name, help, type, labels: { peer: peer.status.address }, value: read(peer) })),
  );
  return [...ofBgp, ...ofBfd];
}

function isUp({ state }: BgpPeerStatus): boolean {
  return state === "Established";
}

function total(counts: MessageCounts): number {
  return counts.opens + counts.updates + counts.notifications + counts.keepalives + counts.routeRefreshes;
}
