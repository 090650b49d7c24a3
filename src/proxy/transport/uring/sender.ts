// SPDX-License-Identifier: Apache-2.0
// The sending side of a connection. At most one send is in the kernel at a time, and it completes at once, whole, in
// part or not at all: no memory is the kernel's for longer than a call, however slowly the peer reads. What the kernel
// does not take is kept here until it says that there is room.

import { Buffer } from "node:buffer";

import type { OperationSlot } from "./operation-slot.ts";
import { SendQueue } from "./send-queue.ts";
import { operation, takenId, type SlotOwner } from "./uring-thread.ts";

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
  /** Not yet taken by the kernel. */
  queuedBytes = 0;
  readonly #slot: OperationSlot;
  readonly #events: SenderEvents;
  #sending = false;
  #sendAt = 0;
  #sendLength = 0;
  /** What is being sent is a copy of what stands first in the queue. */
  #sendsQueued = false;
  #polling = false;
  #queue: SendQueue | null = null;
  /** Lent last, when it is not the arena's. */
  #lent: Buffer | null = null;

  constructor(slot: OperationSlot, events: SenderEvents) {
    this.#slot = slot;
    this.#events = events;
  }

  reserve(bytes: number): Buffer {
    this.#lent = null;
    const lent = this.#slot.closing ? null : this.#slot.thread.arena.lend(bytes);
    // More than the arena ever lends, all of it in use, or for a connection that is gone.
    return lent ?? (this.#lent = Buffer.allocUnsafeSlow(bytes));
  }

  /** Sends the first bytes of what was lent last. */
  send(length: number): void {
    const { arena } = this.#slot.thread;
    this.queuedBytes += length;
    if (this.#lent !== null) {
      this.#enqueue(this.#lent, 0, length);
      this.#lent = null;
      this.#pump();
      return;
    }
    const at = arena.keep(length);
    if (!this.#sending && this.#queue === null) {
      this.#sendFrom(at, length, false);
      return;
    }
    this.#enqueue(arena.view(at), 0, length);
    arena.release(at);
  }

  /** Drops what is queued; nothing will be begun. */
  stop(): void {
    this.#queue = null;
    this.queuedBytes = 0;
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

  onCompletion(result: number): void {
    const { arena, check } = this.#slot.thread;
    const at = this.#sendAt;
    const length = this.#sendLength;
    const taken = Math.max(0, result);
    const isOver = this.#slot.closing;
    this.#sending = false;
    if (!isOver) {
      this.queuedBytes -= taken;
      if (this.#sendsQueued) this.#queue!.drop(taken);
      else if (taken < length) this.#requeue(arena.view(at), taken, length);
    }
    check?.sent(at, arena.view(at), length);
    arena.release(at);
    if (isOver) return;
    if (result < 0 && result !== eagain && result !== eintr) this.#events.onSendFailed(result);
    else if (taken < length) this.#awaitRoom();
    else if (this.#queue !== null && this.#queue.bytes > 0) this.#pump();
    else this.#onFlushed();
  }

  #onFlushed(): void {
    this.#queue = null;
    this.#events.onFlushed();
  }

  #sendFrom(at: number, length: number, queued: boolean): void {
    const { thread, fd, generation } = this.#slot;
    const { ring, arena } = thread;
    thread.check?.sends(at);
    this.#sending = true;
    this.#sendAt = at;
    this.#sendLength = length;
    this.#sendsQueued = queued;
    const id = this.#slot.begin(operation.send);
    ring.send(fd, arena, at, length, id, generation);
    if (length < directSendBytes || queued) return;
    ring.submit();
    const result = ring.takeNewest(id, generation, takenId);
    if (result === null) return;
    this.#slot.operations--;
    this.onCompletion(result);
  }

  /** Sends the first of what is queued, unless something is on its way. */
  #pump(): void {
    const queue = this.#queue;
    if (queue === null || this.#sending || this.#polling || this.#slot.closing) return;
    const { arena } = this.#slot.thread;
    const wanted = Math.min(queue.bytes, queuedSendBytes);
    const memory = arena.lend(wanted);
    if (memory === null) {
      this.#slot.thread.later(this.#events);
      return;
    }
    const length = queue.copyTo(memory, wanted);
    this.#sendFrom(arena.keep(length), length, true);
  }

  #enqueue(bytes: Buffer, from: number, to: number): void {
    (this.#queue ??= new SendQueue()).push(bytes, from, to);
  }

  /** What the kernel left of a send goes before what was queued behind it. */
  #requeue(bytes: Buffer, from: number, to: number): void {
    const behind = this.#queue;
    this.#queue = new SendQueue();
    this.#queue.push(bytes, from, to);
    if (behind !== null) this.#queue.append(behind);
  }

  #awaitRoom(): void {
    this.#polling = true;
    const { thread, fd, generation } = this.#slot;
    thread.ring.pollWritable(fd, this.#slot.begin(operation.poll), generation);
  }
}
