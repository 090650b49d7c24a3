// SPDX-License-Identifier: Apache-2.0
// A session that is driven by hand, with what it does written as short lines.

import { Buffer } from "node:buffer";

import type { Capabilities } from "../../../../src/announce/bgp/messages/capabilities.ts";
import { encodeKeepalive, FrameReader } from "../../../../src/announce/bgp/messages/framing.ts";
import { encodeOpen, type OpenMessage } from "../../../../src/announce/bgp/messages/open.ts";
import type { SessionAction, SessionEvent, SessionOptions, Side } from "../../../../src/announce/bgp/session/events.ts";
import { Session } from "../../../../src/announce/bgp/session/session.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

export const sessionOptions: SessionOptions = {
  localAsn: 65_001,
  peerAsn: 65_000,
  holdTimeSeconds: 90,
  keepaliveTimeMs: 30_000,
  connectTimeMs: 120_000,
  passive: false,
  families: [4],
  gracefulRestart: null,
};

export const peerCapabilities: Capabilities = {
  families: [4],
  routeRefresh: true,
  asn: 65_000,
  gracefulRestart: null,
};

const ourRouterId = 0x0a000001;
const names: Readonly<Record<number, string>> = { 1: "OPEN", 2: "UPDATE", 4: "KEEPALIVE", 5: "ROUTE-REFRESH" };

export class ScriptedSession {
  readonly clock = new FakeClock();
  readonly session: Session;
  /** Timers that run, with their delays. */
  readonly timers = new Map<string, number>();
  /** The OPEN sent last. */
  open: Buffer = Buffer.alloc(0);

  /** Chance is 1 always: no jitter. */
  constructor(options: Partial<SessionOptions> = {}, random = () => 1) {
    this.session = new Session({ clock: this.clock, random }, { ...sessionOptions, ...options });
  }

  /** What it does, without setting and clearing of timers. */
  tell(event: SessionEvent): string[] {
    return this.session.handle(event).flatMap((action) => this.#lineOf(action));
  }

  start(): string[] {
    return this.tell({ kind: "start" });
  }

  connected(side: Side, routerId = ourRouterId): string[] {
    return this.tell({ kind: "connected", side, routerId });
  }

  receive(side: Side, message: Buffer): string[] {
    const reader = new FrameReader();
    reader.push(message);
    return this.tell({ kind: "frame", side, ...reader.next()! });
  }

  timer(timer: Parameters<typeof asTimer>[0]): string[] {
    this.timers.delete(timer);
    return this.tell(asTimer(timer));
  }

  /** To Established by a connection of this side. */
  establish(side: Side = "outgoing", open: Partial<OpenMessage> = {}): void {
    if (this.session.state === "Idle") this.start();
    this.connected(side);
    this.receive(side, peerOpen(open));
    this.receive(side, encodeKeepalive());
  }

  #lineOf(action: SessionAction): string[] {
    switch (action.kind) {
      case "set-timer":
        this.timers.set(action.timer, action.delayMs);
        return [];
      case "clear-timer":
        this.timers.delete(action.timer);
        return [];
      case "send": {
        const type = action.bytes[18]!;
        if (type === 1) this.open = action.bytes;
        return [`${action.side} ${names[type] ?? `NOTIFICATION ${action.bytes[19]!}/${action.bytes[20]!}`}`];
      }
      case "close":
        return [`${action.side} ${action.abrupt ? "abort" : "close"}`];
      case "failed":
        return [`${action.wasEstablished ? "down" : "failed"}: ${action.reason}`];
      default:
        return [action.kind];
    }
  }
}

export function peerOpen(values: Partial<OpenMessage> = {}): Buffer {
  return encodeOpen({
    asn: 65_000,
    holdTimeSeconds: 180,
    routerId: 0x0a0000fe,
    capabilities: peerCapabilities,
    ...values,
  });
}

function asTimer(timer: Extract<SessionEvent, { kind: "timer" }>["timer"]): SessionEvent {
  return { kind: "timer", timer };
}
