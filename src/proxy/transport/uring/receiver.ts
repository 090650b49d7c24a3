// SPDX-License-Identifier: Apache-2.0
// The receiving side of a connection. Small messages are received by one operation that goes on. Bodies are waited for,
// and read when it is their turn, all into the same memory, which stays in the processor's cache. Pausing costs nothing
// until something arrives; messages are kept then, and no more is asked for.

import { Buffer } from "node:buffer";

import type { ForwardEvents } from "../transport.ts";
import type { SplicePipe } from "../../../platform/index.ts";
import type { OperationSlot } from "./operation-slot.ts";
import { operation, type SlotOwner } from "./uring-thread.ts";

/** After so many small messages in a row a connection is no longer taken for one of bodies. */
const smallReadsToLeaveBulk = 8;
/** Reads of a connection before others have their turn. */
const maxReads = 4;
/** Fewer bytes are copied: that costs no more than to move them, and the peers find them in the cache. */
const leastMovedBytes = 96 * 1024;
/** Read first of a message whose body may be moved: its head. */
const headBytes = 2 * 1024;
/** After a body that could not be moved so many long reads go by before the next is hoped for. */
const longReadsToHope = 16;
/** At a time: what does not fit into the other socket is copied, and kept in the heap. */
const mostMovedBytes = 128 * 1024;
const eintr = -4;
const eagain = -11;
const enobufs = -105;
const ecanceled = -125;
/** No end, orderly or not, is held back. */
const notEnded = 1;

/** Where bytes may go without being seen. */
export interface ForwardTarget {
  /** Bytes may go there, as far as is known. */
  readonly keepsUp: boolean;
  /** The file to write to at once, behind everything that was sent; -1: bytes may not go there after all. */
  fileToSend(): number;
}

export interface ReceiverEvents extends SlotOwner {
  onBytes(bytes: Buffer, from: number, to: number): void;
  /** Nothing more will come: 0, or an error number. */
  onReceiveEnd(result: number): void;
}

export class Receiver {
  paused = false;
  readonly #slot: OperationSlot;
  readonly #events: ReceiverEvents;
  #active = false;
  #receiving = false;
  #cancelled = false;
  /** Bodies are expected: waited for, then read. */
  #bulk: boolean;
  /** What is under way: `operation.receive` or `operation.readable`. */
  #kind: number = operation.receive;
  #smallReads = 0;
  /** Reads of what might have been moved; at 0 and above the head of the next message is read alone. */
  #longReads = -1;
  /** Of the next bytes so many are meant for another connection. */
  #forwardLeft = 0;
  #forwardTo: ForwardTarget | null = null;
  #forwardEvents: ForwardEvents | null = null;
  /** Received while paused. */
  #held: Buffer[] | null = null;
  /** 0 or an error number, received behind what is held; or `notEnded`. */
  #heldEnd = notEnded;

  constructor(slot: OperationSlot, events: ReceiverEvents, bulk: boolean) {
    this.#slot = slot;
    this.#events = events;
    this.#bulk = bulk;
  }

  /** The connection is established. */
  start(): void {
    this.#active = true;
    this.#receive();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.#held !== null || this.#heldEnd !== notEnded) this.#slot.thread.later(this.#events);
    else this.#receive();
  }

  forward(to: ForwardTarget, bytes: number, events: ForwardEvents): void {
    this.#forwardTo = to;
    this.#forwardEvents = events;
    this.#forwardLeft = bytes;
  }

  /** Bytes are of no interest any more, held ones neither. */
  dropHeld(): void {
    this.#held = null;
    this.#passed(this.#forwardLeft);
  }

  /** Ends what is under way; nothing will be begun. */
  stop(): void {
    this.#active = false;
    this.dropHeld();
    this.#cancel();
  }

  /** Goes on with what could not be done in the batch. */
  afterBatch(): void {
    while (this.#held !== null && !this.paused) {
      const chunk = this.#held.shift();
      if (chunk === undefined) this.#held = null;
      else this.#deliver(chunk, 0, chunk.length);
    }
    if (this.#heldEnd !== notEnded && !this.paused) {
      const end = this.#heldEnd;
      this.#heldEnd = notEnded;
      this.#end(end);
    }
    this.#receive();
  }

  onCompletion(result: number, hasMore: boolean, buffer: number): void {
    if (!hasMore) {
      this.#receiving = false;
      this.#cancelled = false;
    }
    if (buffer >= 0) this.#take(buffer, result);
    if (result === 0) this.#end(0);
    else if (result === enobufs) this.#onNoBuffer();
    else if (result < 0 && result !== ecanceled && result !== eagain && result !== eintr) this.#end(result);
    if (!hasMore && result !== enobufs) this.#receive();
  }

  /** A body, or what may be one, can be read; or the connection has ended. */
  onReadable(result: number): void {
    this.#receiving = false;
    this.#cancelled = false;
    if (result >= 0) this.#read();
    else if (result !== ecanceled) this.#end(result);
    this.#receive();
  }

  #read(): void {
    for (let reads = 0; reads < maxReads; reads++) {
      if (!this.#active || this.paused || this.#held !== null) return;
      const mayMove = this.#forwardLeft >= leastMovedBytes && this.#forwardTo!.keepsUp;
      const pipe = mayMove ? this.#slot.thread.pipe : null;
      if (!(pipe === null ? this.#readOnce() : this.#move(pipe))) return;
    }
  }

  /** False: nothing more is there, or expected. */
  #readOnce(): boolean {
    const { thread, fd } = this.#slot;
    const { bytes } = thread.body;
    const isHead = this.#forwardLeft === 0 && this.#longReads >= 0;
    const most = isHead ? headBytes : bytes.length;
    const length = thread.sockets.receive(fd, thread.body, most);
    if (length <= 0) return this.#onNothing(length);
    const isFull = length === most;
    if (!isHead || !isFull) this.#learnSize(length, thread.small.bytesEach);
    this.#deliver(bytes, 0, length);
    thread.check?.read(bytes);
    if (!isHead) {
      if (length >= leastMovedBytes) this.#longReads++;
    } else if (isFull && this.#forwardLeft < leastMovedBytes) this.#longReads = -longReadsToHope;
    return isFull;
  }

  /** The same, of bytes that are meant for another connection. What that has no room for is read like any other. */
  #move(pipe: SplicePipe): boolean {
    const { thread, fd } = this.#slot;
    // More than is left, or less: what follows the last of them has to be seen together with it.
    const wanted = this.#forwardLeft === mostMovedBytes ? mostMovedBytes - 1 : mostMovedBytes;
    const length = pipe.take(fd, wanted);
    if (length <= 0) return this.#onNothing(length);
    this.#learnSize(length, thread.small.bytesEach);
    const to = length > this.#forwardLeft ? -1 : this.#forwardTo!.fileToSend();
    // What had to be sent first may have failed, and more with it.
    if (to >= 0 && this.#active) this.#onMoved(pipe.give(to));
    while (pipe.rest > 0) {
      const rest = pipe.read(thread.body);
      if (!this.#active) continue;
      if (this.paused || this.#held !== null) this.#hold(thread.body.bytes, 0, rest);
      else this.#deliver(thread.body.bytes, 0, rest);
      thread.check?.read(thread.body.bytes);
    }
    return length === wanted;
  }

  #onMoved(bytes: number): void {
    if (bytes === 0) return;
    const events = this.#forwardEvents!;
    this.#passed(bytes);
    events.onForwarded(bytes);
  }

  #onNothing(result: number): false {
    if (result !== eagain && result !== eintr) this.#end(result);
    return false;
  }

  #deliver(bytes: Buffer, from: number, to: number): void {
    this.#passed(to - from);
    this.#events.onBytes(bytes, from, to);
  }

  /** So many bytes fewer are meant for another connection. */
  #passed(bytes: number): void {
    if (this.#forwardLeft > bytes) {
      this.#forwardLeft -= bytes;
      return;
    }
    this.#forwardLeft = 0;
    this.#forwardTo = null;
    this.#forwardEvents = null;
  }

  /** Receives from now on, if anything is to be received. */
  #receive(): void {
    if (this.#receiving || this.paused || !this.#active || this.#held !== null || this.#heldEnd !== notEnded) return;
    this.#receiving = true;
    this.#kind = this.#bulk ? operation.readable : operation.receive;
    const { thread, fd, generation } = this.#slot;
    const id = this.#slot.begin(this.#kind);
    if (this.#bulk) thread.ring.pollReadable(fd, id, generation);
    else thread.ring.receive(fd, thread.small.group, id, generation);
  }

  #take(buffer: number, length: number): void {
    const { thread } = this.#slot;
    const { small, check } = thread;
    this.#learnSize(length, small.bytesEach);
    check?.received(small, buffer, length);
    const from = buffer * small.bytesEach;
    if (length > 0 && this.#active) {
      if (this.paused || this.#held !== null) this.#hold(small.bytes, from, from + length);
      else this.#deliver(small.bytes, from, from + length);
    }
    thread.giveBack(buffer);
  }

  /** Bodies fill small buffers to the brim; whoever sends none for a while is received from as it comes again. */
  #learnSize(length: number, smallBytes: number): void {
    if (length < smallBytes) {
      if (this.#bulk && ++this.#smallReads >= smallReadsToLeaveBulk) this.#bulk = false;
      return;
    }
    this.#smallReads = 0;
    if (this.#bulk) return;
    this.#bulk = true;
    this.#cancel();
  }

  #onNoBuffer(): void {
    const { thread } = this.#slot;
    thread.onStarved();
    thread.later(this.#events);
  }

  /** Keeps what came in spite of a pause, and sees to it that no more comes. */
  #hold(bytes: Buffer, from: number, to: number): void {
    const copy = Buffer.allocUnsafeSlow(to - from);
    bytes.copy(copy, 0, from, to);
    (this.#held ??= []).push(copy);
    this.#cancel();
  }

  #cancel(): void {
    if (!this.#receiving || this.#cancelled) return;
    this.#cancelled = true;
    this.#slot.cancel(this.#kind);
  }

  #end(result: number): void {
    if (!this.#active) return;
    if (this.paused || this.#held !== null) {
      this.#heldEnd = result;
      return;
    }
    this.#active = false;
    this.#events.onReceiveEnd(result);
  }
}
