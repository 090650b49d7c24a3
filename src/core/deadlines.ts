// SPDX-License-Identifier: Apache-2.0
// Many coarse timers for one real one: a hashed wheel of intrusive lists. Scheduling and cancelling allocate nothing,
// which a setTimeout per request would.
//
//   slot:   0     1     2    ...  511
//           |     |     |
//           o<->o o     o<->o<->o        entry.rounds = full turns still to go

import type { Cancel, Clock } from "./clock.ts";

const slotCount = 512;
/** Value of `rounds` between expiry and the callback. */
const aboutToFire = -1;

/** One timer. Owned by whoever created it; embedded in long-lived objects and reused. */
export class Deadline {
  /** INVARIANT: null exactly when not scheduled. */
  slot: DeadlineSlot | null = null;
  next: Deadline | null = null;
  previous: Deadline | null = null;
  rounds = 0;
  readonly onExpire: () => void;

  constructor(onExpire: () => void) {
    this.onExpire = onExpire;
  }

  get scheduled(): boolean {
    return this.slot !== null;
  }
}

class DeadlineSlot {
  head: Deadline | null = null;
}

/** Fires each deadline no earlier than asked and at most two ticks late. */
export class Deadlines {
  readonly #slots: readonly DeadlineSlot[] = Array.from({ length: slotCount }, () => new DeadlineSlot());
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #expired: Deadline[] = [];
  #position = 0;
  #scheduled = 0;
  #lastTickMs = 0;
  #cancelTick: Cancel | null = null;

  constructor(clock: Clock, tickMs = 10) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** How many deadlines are pending; zero when everything that scheduled one has cleaned up. */
  get size(): number {
    return this.#scheduled;
  }

  /** Schedules, or moves when already scheduled. */
  schedule(deadline: Deadline, delayMs: number): void {
    if (deadline.slot !== null) this.#unlink(deadline);
    if (this.#cancelTick === null) this.#start();
    // The wheel may lag behind the clock by the time spent in callbacks since the last tick; count from now.
    const lagMs = Math.max(0, this.#clock.nowMs() - this.#lastTickMs);
    const ticks = Math.max(1, Math.ceil((delayMs + lagMs) / this.#tickMs) + 1);
    const slot = this.#slots[(this.#position + ticks) % slotCount]!;
    deadline.rounds = Math.floor((ticks - 1) / slotCount);
    deadline.slot = slot;
    deadline.previous = null;
    deadline.next = slot.head;
    if (slot.head !== null) slot.head.previous = deadline;
    slot.head = deadline;
    this.#scheduled++;
  }

  /** Forgets a deadline; does nothing when it is not scheduled. */
  cancel(deadline: Deadline): void {
    if (deadline.slot !== null) this.#unlink(deadline);
    deadline.rounds = 0;
  }

  #start(): void {
    this.#lastTickMs = this.#clock.nowMs();
    this.#cancelTick = this.#clock.every(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    let ticks = Math.floor((nowMs - this.#lastTickMs) / this.#tickMs);
    // A stalled loop must not make the wheel spin once per missed tick beyond one full turn of every slot.
    if (ticks > slotCount) {
      this.#skipRounds(Math.floor(ticks / slotCount) - 1);
      ticks = slotCount + (ticks % slotCount);
    }
    this.#lastTickMs = nowMs - ((nowMs - this.#lastTickMs) % this.#tickMs);
    for (; ticks > 0; ticks--) this.#advance();
    if (this.#scheduled === 0 && this.#cancelTick !== null) {
      this.#cancelTick();
      this.#cancelTick = null;
    }
  }

  #advance(): void {
    this.#position = (this.#position + 1) % slotCount;
    const slot = this.#slots[this.#position]!;
    for (let entry = slot.head; entry !== null;) {
      const next: Deadline | null = entry.next;
      if (entry.rounds > 0) {
        entry.rounds--;
      } else {
        this.#unlink(entry);
        entry.rounds = aboutToFire;
        this.#expired.push(entry);
      }
      entry = next;
    }
    // A callback may cancel or move others that expired in this same tick: both clear the mark.
    for (let index = 0; index < this.#expired.length; index++) {
      const entry = this.#expired[index]!;
      if (entry.rounds !== aboutToFire) continue;
      entry.rounds = 0;
      entry.onExpire();
    }
    this.#expired.length = 0;
  }

  #skipRounds(rounds: number): void {
    if (rounds <= 0) return;
    for (const slot of this.#slots) {
      for (let entry = slot.head; entry !== null; entry = entry.next) entry.rounds = Math.max(0, entry.rounds - rounds);
    }
  }

  #unlink(deadline: Deadline): void {
    const slot = deadline.slot!;
    if (deadline.previous !== null) deadline.previous.next = deadline.next;
    else slot.head = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.slot = null;
    deadline.next = null;
    deadline.previous = null;
    this.#scheduled--;
  }
}
