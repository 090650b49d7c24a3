// SPDX-License-Identifier: Apache-2.0
// The sending side of a connection. A send is over when the call that hands it to the kernel returns, and is heard of
// again only when the kernel did not take everything: no memory is the kernel's for longer than a call, however slowly
// the peer reads. What was not taken is kept here until there is room.

import { Buffer } from "node:buffer";

import type { OperationSlot } from "./operation-slot.ts";
import { SendQueue } from "./send-queue.ts";
import { operation, type SlotOwner } from "./uring-thread.ts";

/** What is sent at a time of what had to be queued. */
const queuedSendBytes = 64 * 1024;
/** Sends from this size on go to the kernel at once: the call is little beside the copying. */
const directSendBytes = 8 * 1024;
const eintr = -4;
const eagain = -11;

export interface SenderEvents extends SlotOwner {
  /** The kernel has taken everything. */
  onFlushed(): void;
  onSendFailed(errno: number): void;
}

export class Sender {
  readonly #slot: OperationSlot;
  readonly #events: SenderEvents;
  /** Of the last send: the thread's epoch, in which its outcome is not known yet, and its memory in the arena. */
  #epoch: number;
  #at = 0;
  #length = 0;
  /** It was a copy of what stands first in the queue. */
  #sendsQueued = false;
  #polling = false;
  #queue: SendQueue | null = null;
  #wantsFlush = false;
  /** Lent last, when it is not the arena's. */
  #lent: Buffer | null = null;

  constructor(slot: OperationSlot, events: SenderEvents) {
    this.#slot = slot;
    this.#events = events;
    this.#epoch = slot.thread.epoch - 1;
  }

  /** As far as is known not yet taken by the kernel. */
  get queuedBytes(): number {
    const queued = this.#queue === null ? 0 : this.#queue.bytes;
    return this.#isUnderWay() && !this.#sendsQueued ? queued + this.#length : queued;
  }

  reserve(bytes: number): Buffer {
    this.#lent = null;
    if (!this.#slot.closing) {
      const { thread } = this.#slot;
      const lent = thread.arena.lend(bytes) ?? this.#lendAfresh(bytes);
      if (lent !== null) return lent;
    }
    // More than the arena ever lends, or for a connection that is gone.
    return (this.#lent = Buffer.allocUnsafeSlow(bytes));
  }

  /** Sends the first bytes of what was lent last. */
  send(length: number): void {
    const lent = this.#lent;
    if (lent !== null) {
      this.#lent = null;
      this.#enqueue(lent, 0, length);
      return;
    }
    const { thread, fd, generation } = this.#slot;
    const { arena, ring } = thread;
    const isFree = this.isFree();
    const at = arena.keep(length);
    if (!isFree) {
      this.#enqueue(arena.view(at), 0, length);
      return;
    }
    this.#begin(at, length);
    ring.send(fd, arena, at, length, this.#slot.idOf(operation.send), generation);
    if (length >= directSendBytes) thread.settle();
  }

  /** Sends the first bytes of what was lent last, then `bytes[from, to)`, which is copied only where it has to be. */
  sendWith(length: number, bytes: Buffer, from: number, to: number): void {
    const { thread, fd } = this.#slot;
    const { arena } = thread;
    const buffers = thread.receivedInto(bytes);
    const lent = this.#lent;
    if (lent !== null || buffers === null || length + to - from < directSendBytes) {
      bytes.copy(lent ?? arena.lend(length + to - from)!, length, from, to);
      this.send(length + to - from);
      return;
    }
    let taken = 0;
    if (this.isFree()) {
      const result = thread.sockets.sendBoth(fd, arena, arena.lentAt, length, buffers, from, to - from);
      if (result === length + to - from) return;
      if (result < 0 && result !== eagain && result !== eintr) {
        this.#events.onSendFailed(result);
        return;
      }
      taken = Math.max(0, result);
      if (!this.#slot.closing) this.#awaitRoom();
    }
    if (taken < length) this.#enqueue(arena.view(arena.keep(length)), taken, length);
    this.#enqueue(bytes, from + Math.max(0, taken - length), to);
  }

  /** Nothing waits here for the peer to read. */
  get keepsUp(): boolean {
    return this.#queue === null;
  }

  /** The same as isFree, and if so there will be something to send at once. */
  isFreeForMore(): boolean {
    const { thread, generation } = this.#slot;
    if (this.#isUnderWay()) thread.ring.sendsMore(this.#slot.idOf(operation.send), generation);
    return this.isFree();
  }

  /** Whether what is sent now follows directly on what the kernel has taken. */
  isFree(): boolean {
    if (this.#queue !== null) return false;
    if (!this.#isUnderWay()) return true;
    this.#slot.thread.settle();
    return this.#queue === null && !this.#isUnderWay() && !this.#slot.closing;
  }

  /** Tells by onFlushed when the kernel has taken everything; not before this returns. */
  flush(): void {
    this.#wantsFlush = true;
    if (!this.#polling) this.#slot.thread.later(this.#events);
  }

  /** Drops what is queued; nothing will be begun. */
  stop(): void {
    this.#queue = null;
    this.#forget();
    if (this.#polling) this.#slot.cancel(operation.poll);
  }

  /** Goes on with what could not be done in the batch. */
  afterBatch(): void {
    this.#pump();
  }

  onWritable(): void {
    this.#polling = false;
    this.#pump();
  }

  /** The kernel has not taken all of the last send, but `result` bytes, or none for that reason. */
  onShort(result: number): void {
    if (this.#slot.closing) return;
    const taken = Math.max(0, result);
    this.#forget();
    if (result < 0 && result !== eagain && result !== eintr) {
      this.#events.onSendFailed(result);
      return;
    }
    if (this.#sendsQueued) this.#queue!.drop(taken);
    else this.#requeue(taken);
    this.#sendsQueued = false;
    this.#awaitRoom();
  }

  /** Handed to the kernel, or about to be, and not known to be taken. */
  #isUnderWay(): boolean {
    return this.#epoch === this.#slot.thread.epoch;
  }

  #begin(at: number, length: number): void {
    const { thread } = this.#slot;
    this.#epoch = thread.epoch;
    this.#at = at;
    this.#length = length;
  }

  /** The last send is not under way any more. */
  #forget(): void {
    this.#epoch = this.#slot.thread.epoch - 1;
  }

  #lendAfresh(bytes: number): Buffer | null {
    const { thread } = this.#slot;
    if (bytes > thread.arena.limitBytes) return null;
    thread.settle();
    return thread.arena.lend(bytes);
  }

  /** Sends what is queued, as far as the kernel takes it. */
  #pump(): void {
    if (this.#queue === null && !this.#wantsFlush) return;
    const { thread, fd, generation } = this.#slot;
    while (!this.#polling && !this.#slot.closing) {
      if (this.#isUnderWay()) thread.settle();
      if (this.#isUnderWay()) {
        thread.again(this.#events);
        return;
      }
      if (this.#polling || this.#slot.closing) return;
      const queue = this.#queue;
      if (queue !== null && this.#sendsQueued) queue.drop(this.#length);
      this.#sendsQueued = false;
      if (queue === null || queue.bytes === 0) {
        this.#onFlushed();
        return;
      }
      const wanted = Math.min(queue.bytes, queuedSendBytes);
      const memory = thread.arena.lend(wanted) ?? this.#lendAfresh(wanted);
      if (memory === null) {
        thread.again(this.#events);
        return;
      }
      const length = queue.copyTo(memory, wanted);
      const at = thread.arena.keep(length);
      this.#begin(at, length);
      this.#sendsQueued = true;
      const { arena, ring } = thread;
      ring.send(fd, arena, at, length, this.#slot.idOf(operation.send), generation);
    }
  }

  #onFlushed(): void {
    this.#queue = null;
    this.#wantsFlush = false;
    this.#events.onFlushed();
  }

  /** Behind everything that is queued. */
  #enqueue(bytes: Buffer, from: number, to: number): void {
    if (this.#slot.closing) return;
    if (this.#queue === null) {
      this.#queue = new SendQueue();
      this.#slot.thread.later(this.#events);
    }
    this.#queue.push(bytes, from, to);
  }

  /** What the kernel left of the last send goes before what was queued behind it. */
  #requeue(taken: number): void {
    const behind = this.#queue;
    const queue = new SendQueue();
    if (taken < this.#length) queue.push(this.#slot.thread.arena.view(this.#at), taken, this.#length);
    if (behind !== null) queue.append(behind);
    this.#queue = queue;
  }

  #awaitRoom(): void {
    this.#polling = true;
    const { thread, fd, generation } = this.#slot;
    thread.ring.pollWritable(fd, this.#slot.begin(operation.poll), generation);
  }
}
