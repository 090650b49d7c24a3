// SPDX-License-Identifier: Apache-2.0
// Announced addresses on this machine's loopback, so that its programs can listen on them. Needs CAP_NET_ADMIN.

import type { Cancel, Clock } from "../../core/index.ts";
import { bindAddress, openLibc, unbindAddress, type Libc } from "../../platform/index.ts";
import type { Logger } from "../../telemetry/port.ts";

/** `lo` is the first interface of every network namespace. */
const loopbackIndex = 1;
/** Bound addresses go by themselves when nobody renews them any more: a process that was killed leaves none. */
const lifetimeSeconds = 5;
const renewMs = 2_000;

export class BoundAddresses {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #libc: Libc | null = null;
  #bound: ReadonlySet<string> = new Set();
  #failure: string | null = null;
  #cancelRenewal: Cancel = () => undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** All addresses to have from now on; with none left, nothing runs. What fails is logged, once, and tried again. */
  set(wanted: ReadonlySet<string>): void {
    this.#cancelRenewal();
    if (wanted.size === 0 && this.#bound.size === 0) return;
    const libc = this.#open();
    if (libc === null) return;
    for (const address of this.#bound.difference(wanted)) this.#note(unbindAddress(libc, loopbackIndex, address));
    for (const address of wanted) this.#note(bindAddress(libc, loopbackIndex, address, lifetimeSeconds));
    this.#bound = wanted;
    if (wanted.size > 0) this.#cancelRenewal = this.#clock.after(renewMs, () => this.set(wanted));
  }

  #open(): Libc | null {
    const libc = this.#libc ?? openLibc();
    if (typeof libc === "string") {
      this.#note(libc);
      return null;
    }
    this.#libc = libc;
    return libc;
  }

  #note(failure: string | null): void {
    if (failure === null || failure === this.#failure) return;
    this.#failure = failure;
    this.#logger.error("an address cannot be put on this machine", { reason: failure });
  }
}
