// SPDX-License-Identifier: Apache-2.0
// One TCP connection of a session, as far as the state machine knows it.

import { Buffer } from "node:buffer";

import { BgpError, errorCode } from "../messages/errors.ts";
import type { OpenMessage } from "../messages/open.ts";
import type { Agreement, SessionOptions, Side } from "./events.ts";

export interface Connection {
  readonly side: Side;
  state: "OpenSent" | "OpenConfirm" | "Established";
  readonly ours: OpenMessage;
  /** null until the peer's OPEN. */
  agreement: Agreement | null;
  /** Something is sent that the system has not taken yet. */
  sending: boolean;
}

/** RFC 9687 §3.2: at least 8 minutes, and twice the hold time. */
const minSendHoldMs = 480_000;

/** `restarting`: routes from before this process started may still be at the peer. */
export function ourOpen(options: SessionOptions, routerId: number, restarting: boolean): OpenMessage {
  const { localAsn, holdTimeSeconds, families, gracefulRestart } = options;
  const restart = gracefulRestart && {
    restarting,
    notification: false,
    timeSeconds: gracefulRestart.timeSeconds,
    // Forwarding goes on without us: the kernel and whoever serves the address do it.
    families: families.map((family) => ({ family, forwarding: true })),
  };
  const capabilities = { families, routeRefresh: true, asn: localAsn, gracefulRestart: restart };
  return { asn: localAsn, holdTimeSeconds, routerId, capabilities };
}

export function sendHoldMs({ agreement }: Connection): number {
  return Math.max(minSendHoldMs, 2 * (agreement?.holdTimeMs ?? 0));
}

/** RFC 6608: the data is the type of the message. */
export function unexpected(subcode: number, type: number): BgpError {
  return new BgpError("a message that must not come now", errorCode.fsm, subcode, Buffer.from([type]));
}
