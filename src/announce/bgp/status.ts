// SPDX-License-Identifier: Apache-2.0
// What the speaker shows of a peer.

import type { BfdState } from "./bfd/packet.ts";
import type { Family } from "./messages/protocol.ts";
import type { SessionState } from "./session/events.ts";

export interface BgpPeerStatus {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly state: SessionState;
  /** When the session came up or went down last, or the peer was configured. */
  readonly sinceWallMs: number;
  /** Why the session ended or did not come about, the last time; null = it never failed. */
  readonly lastError: string | null;
  readonly announcedPrefixes: number;
  readonly pendingPrefixes: number;
  /** Announced by the peer since the speaker was started. */
  readonly receivedPrefixes: number;
  /** null where there is no session. */
  readonly agreed: {
    readonly peerAsn: number;
    /** Dotted. */
    readonly peerRouterId: string;
    readonly families: readonly Family[];
    /** 0 = no timers. */
    readonly holdTimeMs: number;
    readonly keepaliveTimeMs: number;
    readonly gracefulRestart: boolean;
  } | null;
  /** null = not configured. */
  readonly bfd: BfdState | null;
}
