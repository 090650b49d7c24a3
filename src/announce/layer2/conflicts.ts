// SPDX-License-Identifier: Apache-2.0
// What to do when somebody else claims an announced address (RFC 5227 §2.4, RFC 4862 §5.4): withhold an address that is not
// announced yet; defend one that is, but not more often than every ten seconds, so that two hosts never shout each other down.

import type { Clock } from "../../core/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import { macText } from "./mac.ts";
import type { UsableLink } from "./usable-links.ts";
import type { Vip } from "./vip.ts";

/** DEFEND_INTERVAL of RFC 5227 §1.1. */
const defendIntervalMs = 10_000;
/**
 * Of two nodes of ours between which an address moves, the new one may be heard before the old one knows. It must not be shouted
 * down: that would cost until its next announcement.
 */
const defendDelayMs = 500;
/**
 * First wait before a withheld address is asked for again. Two nodes of ours that start together may each ask before they hear
 * of the other; one of them soon has it, and must not wait long for it.
 */
const firstRetryMs = 1_000;
/** One line and one event in this time for an address, however many frames say it. */
const reportIntervalMs = 10_000;

export interface Layer2Conflict {
  readonly ip: string;
  readonly interface: string;
  /** Of who claims the address. */
  readonly mac: string;
  /** withheld: not announced for now; defended: announced once more; tolerated: neither, announcing goes on. */
  readonly action: "withheld" | "defended" | "tolerated";
}

export interface ConflictDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Announces once more on one interface, if the address is still announced after `delayMs`. */
  readonly defend: (delayMs: number, vip: Vip, link: UsableLink) => void;
  readonly onConflict: (conflict: Layer2Conflict) => void;
}

export class Conflicts {
  readonly #deps: ConflictDeps;
  readonly #defends: boolean;
  readonly #maxRetryMs: number;
  #yields = false;

  /** An address is withheld for a second before its next probe, then twice as long each time, up to `maxRetryMs`. */
  constructor(deps: ConflictDeps, defends: boolean, maxRetryMs: number) {
    this.#deps = deps;
    this.#defends = defends;
    this.#maxRetryMs = maxRetryMs;
  }

  /** From here on an address belongs to whoever claims it: that is expected, and nothing to report. */
  yield(): void {
    this.#yields = true;
  }

  /** `mac`, which is none of ours, was seen to claim the address on this interface. */
  seen(vip: Vip, link: UsableLink, mac: Uint8Array): void {
    if (this.#yields) {
      vip.phase = "conflict";
      return;
    }
    const nowMs = this.#deps.clock.nowMs();
    vip.conflicts++;
    if (vip.phase !== "announcing") {
      const isNew = vip.phase === "probing";
      if (isNew) vip.retryMs = Math.min(this.#maxRetryMs, vip.retryMs === 0 ? firstRetryMs : vip.retryMs * 2);
      vip.phase = "conflict";
      // Still there: no need to ask soon.
      vip.dueMs = nowMs + vip.retryMs;
      if (isNew && nowMs - vip.reportedMs >= reportIntervalMs) this.#report(vip, link, mac, "withheld", nowMs);
      return;
    }
    const defends = this.#defends && nowMs - vip.defendedMs >= defendIntervalMs;
    if (defends) {
      vip.defendedMs = nowMs;
      this.#deps.defend(defendDelayMs, vip, link);
    }
    if (defends || nowMs - vip.reportedMs >= reportIntervalMs) {
      this.#report(vip, link, mac, defends ? "defended" : "tolerated", nowMs);
    }
  }

  #report(vip: Vip, link: UsableLink, mac: Uint8Array, action: Layer2Conflict["action"], nowMs: number): void {
    vip.reportedMs = nowMs;
    const conflict = { ip: vip.ip, interface: link.name, mac: macText(mac, 0), action };
    vip.foreign = conflict;
    this.#deps.logger.warning("Another host claims an announced address", conflict);
    this.#deps.onConflict(conflict);
  }
}
