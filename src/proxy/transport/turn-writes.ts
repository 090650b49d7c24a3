// SPDX-License-Identifier: Apache-2.0
// What the connections of a thread send during a busy turn of the event loop: gathered, and handed to the kernel together
// when the turn's events are worked off. System calls one after the other find the kernel's code and data in the cache
// and wake the peers once; each between two requests' worth of JavaScript finds neither. With few events in a turn it
// would cost more than it brings, and the peers would wait for nothing.

import { Buffer } from "node:buffer";

import { eventBatch } from "./event-batch.ts";

/** Events of a turn from which on it is worth to gather (measured: with 8 connections no, with 64 yes). */
export const defaultBusyEvents = 16;
/** Longer sends go out at once: copying them once more would cost what gathering brings. */
const slotBytes = 16 * 1024;
/** What a turn may gather; 4 MiB at most, of which only what is written to takes memory. */
const maxSlots = 256;
/** A read, and a head in front of it. */
const largeBytes = 132 * 1024;

/** Whose bytes these are. */
export interface Writer {
  /** Writes, or drops, the bytes. False: the kernel has not taken all of them, and the memory is the writer's now. */
  write(bytes: Buffer): boolean;
}

interface Slot {
  memory: Buffer;
  length: number;
  writer: Writer | null;
}

export class TurnWrites {
  readonly #busyEvents: number;
  readonly #slots: Slot[] = [];
  #filled = 0;
  #large: Buffer = Buffer.allocUnsafeSlow(largeBytes);
  /** What `reserve` has lent. */
  lent: Buffer = this.#large;
  /** It goes out at once. */
  #lentLarge = true;
  #batch = 0;
  /** This turn is gathered. */
  #gathers = false;
  /** Something of this turn was written before its end. */
  #wroteEarly = false;

  /** `busyEvents`: events of a turn, at least, for its sends to be gathered. */
  constructor(busyEvents: number) {
    this.#busyEvents = busyEvents;
  }

  readonly #endTurn = (): void => {
    this.#gathers = false;
    this.#wroteEarly = false;
    this.flush();
  };

  /**
   * Contract: Transport.batch. A turn that is gathered is one batch, as nothing is written before it is over. If
   * something was, and libuv asks the kernel again within the turn (more than 1,024 events), answers may be among what
   * that brings. The number counts events, so two of them tell how busy the loop has been in between.
   */
  batch(): number {
    if (this.#gathers && !this.#wroteEarly) return this.#batch;
    const before = this.#batch;
    this.#batch = eventBatch();
    if (this.#batch - before >= this.#busyEvents && !this.#gathers) {
      this.#gathers = true;
      setImmediate(this.#endTurn);
    }
    return this.#batch;
  }

  /** Memory for the next `post`. */
  reserve(bytes: number): Buffer {
    this.#lentLarge = !this.#gathers || bytes > slotBytes;
    if (this.#lentLarge) {
      if (bytes > this.#large.length) this.#large = Buffer.allocUnsafeSlow(bytes);
      return (this.lent = this.#large);
    }
    if (this.#filled === maxSlots) this.#writeEarly();
    if (this.#filled === this.#slots.length) {
      this.#slots.push({ memory: Buffer.allocUnsafeSlow(slotBytes), length: 0, writer: null });
    }
    return (this.lent = this.#slots[this.#filled]!.memory);
  }

  /** Sends the first `length` reserved bytes, later in this turn when they are few. True: later. */
  post(writer: Writer, length: number): boolean {
    if (!this.#lentLarge) {
      const slot = this.#slots[this.#filled++]!;
      slot.length = length;
      slot.writer = writer;
      return true;
    }
    if (this.#gathers) this.#writeEarly();
    if (!writer.write(this.#large.subarray(0, length))) this.#large = Buffer.allocUnsafeSlow(largeBytes);
    return false;
  }

  /** Writes what was posted. */
  flush(): void {
    for (let index = 0; index < this.#filled; index++) {
      const slot = this.#slots[index]!;
      const writer = slot.writer!;
      slot.writer = null;
      if (!writer.write(slot.memory.subarray(0, slot.length))) slot.memory = Buffer.allocUnsafeSlow(slotBytes);
    }
    this.#filled = 0;
  }

  #writeEarly(): void {
    this.#wroteEarly = true;
    this.flush();
  }
}
