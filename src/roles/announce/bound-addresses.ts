// SPDX-License-Identifier: Apache-2.0
// Announced addresses on this machine's loopback, so that its programs can listen on them. Needs CAP_NET_ADMIN.

import type { Cancel, Clock } from "../../core/index.ts";
import { bindAddress, openLibc, unbindAddress, type Libc } from "../../platform/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { AddressHolder } from "./address-holder.ts";

/** `lo` is the first interface of every network namespace. */
const loopbackIndex = 1;
/** Bound addresses go by themselves when nobody renews them any more: a process that was killed leaves none. */
const lifetimeSeconds = 5;
const renewMs = 2_000;

export class BoundAddresses implements AddressHolder {
  /** Who serves there is not known here. */
  readonly unserved: ReadonlyMap<string, string> = new Map();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lingers: boolean;
  #libc: Libc | null = null;
  #bound: ReadonlySet<string> = new Set();
  /** Not renewed any more. */
  #lingering: ReadonlySet<string> = new Set();
  #failure: string | null = null;
  #cancelRenewal: Cancel = () => undefined;

  /** `lingers`: addresses that are given up stay for some seconds, so that connections can send what they have to say. */
  constructor(clock: Clock, logger: Logger, lingers: boolean) {
    this.#clock = clock;
    this.#logger = logger;
    this.#lingers = lingers;
  }

  hold(addresses: ReadonlySet<string>): null {
    this.#set(this.#bound.union(addresses));
    return null;
  }

  keepOnly(addresses: ReadonlySet<string>): void {
    this.#set(addresses);
  }

  /** Takes all of them off this machine. */
  close(): void {
    this.#set(new Set());
    for (const address of this.#lingering) this.#unbind(address);
    this.#lingering = new Set();
  }

  /** All addresses to have from now on; with none left, nothing runs. What fails is logged, once, and tried again. */
  #set(wanted: ReadonlySet<string>): void {
    this.#cancelRenewal();
    if (wanted.size === 0 && this.#bound.size === 0) return;
    const libc = this.#open();
    if (libc === null) return;
    const left = this.#bound.difference(wanted);
    if (this.#lingers) this.#lingering = this.#lingering.union(left).difference(wanted);
    else for (const address of left) this.#unbind(address);
    for (const address of wanted) this.#note(bindAddress(libc, loopbackIndex, address, lifetimeSeconds));
    this.#bound = wanted;
    if (wanted.size > 0) this.#cancelRenewal = this.#clock.after(renewMs, () => this.#set(wanted));
  }

  #unbind(address: string): void {
    const libc = this.#open();
    if (libc !== null) this.#note(unbindAddress(libc, loopbackIndex, address));
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
