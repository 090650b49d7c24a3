// SPDX-License-Identifier: Apache-2.0
// What a session is told and what it answers: the seam between the state machine and sockets and timers.

import type { Buffer } from "node:buffer";

import type { GracefulRestart } from "../messages/capabilities.ts";
import type { BgpError, Notification } from "../messages/errors.ts";
import type { Family } from "../messages/protocol.ts";
import type { UpdateMessage } from "../messages/update.ts";

/** RFC 4271 §8.2.2. */
export type SessionState = "Idle" | "Connect" | "Active" | "OpenSent" | "OpenConfirm" | "Established";

/** Who opened a connection: we, or the peer. There is at most one of each. */
export type Side = "outgoing" | "incoming";

export type TimerName = "idle-hold" | "connect-retry" | `${"hold" | "keepalive" | "send-hold"}:${Side}`;

export interface SessionOptions {
  readonly localAsn: number;
  /** A number, or what it must be to ours. */
  readonly peerAsn: number | "internal" | "external";
  /** Offered; 0 = the peer is never declared dead for silence. */
  readonly holdTimeSeconds: number;
  /** The longest time between two signs of life; a third of the hold time when that is less. */
  readonly keepaliveTimeMs: number;
  /** The longest time between two attempts to connect. */
  readonly connectTimeMs: number;
  /** Never connects, only accepts. */
  readonly passive: boolean;
  readonly families: readonly Family[];
  /** null = the peer drops the routes when the session ends. */
  readonly gracefulRestart: { readonly timeSeconds: number } | null;
}

/** What the two ends have agreed on. */
export interface Agreement {
  readonly side: Side;
  readonly peerAsn: number;
  readonly peerRouterId: number;
  /** The peer is in our AS. */
  readonly internal: boolean;
  readonly fourOctetAs: boolean;
  readonly families: readonly Family[];
  /** 0 = neither hold timer nor keepalives. */
  readonly holdTimeMs: number;
  readonly keepaliveTimeMs: number;
  /** What the peer says of itself; null = it keeps no routes when the session ends. */
  readonly gracefulRestart: GracefulRestart | null;
}

export type SessionEvent =
  | { readonly kind: "start" }
  /** For good, until started again. null = without a word, so that a peer with graceful restart keeps the routes. */
  | { readonly kind: "stop"; readonly notification: Notification | null }
  /** Ends the session as if it had failed; it is tried again. */
  | { readonly kind: "reset"; readonly notification: Notification; readonly reason: string }
  /** The peer has opened a connection. Afterwards `canAccept` says whether it may be `connected`. */
  | { readonly kind: "knocked" }
  /** Our attempt succeeded, or the peer's was accepted. `routerId` is ours on this connection. */
  | { readonly kind: "connected"; readonly side: Side; readonly routerId: number }
  /** The attempt failed or the connection is gone. */
  | { readonly kind: "closed"; readonly side: Side; readonly reason: string }
  | { readonly kind: "frame"; readonly side: Side; readonly type: number; readonly body: Buffer }
  /** What came is no BGP. */
  | { readonly kind: "broken"; readonly side: Side; readonly error: BgpError }
  /** UPDATEs to send; only while Established. */
  | { readonly kind: "advertise"; readonly messages: readonly Buffer[] }
  /** The system took more of what was to be sent; `all` = it has everything. */
  | { readonly kind: "written"; readonly side: Side; readonly all: boolean }
  | { readonly kind: "timer"; readonly timer: TimerName };

export type SessionAction =
  | { readonly kind: "connect" }
  | { readonly kind: "send"; readonly side: Side; readonly bytes: Buffer }
  /** After what was sent has left, unless `abrupt`. Nothing of this connection is an event from here on. */
  | { readonly kind: "close"; readonly side: Side; readonly abrupt: boolean }
  /** Replaces the timer of that name. */
  | { readonly kind: "set-timer"; readonly timer: TimerName; readonly delayMs: number }
  | { readonly kind: "clear-timer"; readonly timer: TimerName }
  | { readonly kind: "established"; readonly agreement: Agreement }
  /** The end of an established session, or of an attempt at one. `notification` is what went over the wire, either way. */
  | {
      readonly kind: "failed";
      readonly reason: string;
      readonly wasEstablished: boolean;
      readonly byPeer: boolean;
      readonly notification: Notification | null;
    }
  | { readonly kind: "update"; readonly update: UpdateMessage }
  | { readonly kind: "refresh"; readonly family: Family };
