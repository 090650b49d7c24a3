// SPDX-License-Identifier: Apache-2.0
// One connection of the ring. Its slot is its own until the last of its operations has completed; at most one send is
// in the kernel at a time, and it completes at once, whole, in part or not at all, so that no memory is the kernel's
// for longer than a call.

import { Buffer } from "node:buffer";

import { completionFlag, systemError, type SocketAddress } from "../../../platform/index.ts";
import type { Connection, ConnectionHandler } from "../transport.ts";
import { SendQueue } from "./send-queue.ts";
import { operation, takenId, type SlotOwner, type UringThread } from "./uring-thread.ts";

/** Queued bytes above which `send` asks the sender to wait. */
const highWaterBytes = 64 * 1024;
/** What is sent at a time of what had to be queued. */
const queuedSendBytes = 64 * 1024;
/** Sends from this size on go to the kernel at once: the call is little beside the copying. */
const directSendBytes = 8 * 1024;
/** After so many small messages in a row a connection is no longer taken for one of bodies. */
const smallReadsToLeaveBulk = 8;
const eagain = -11;
const ecanceled = -125;
const enobufs = -105;
const einval = -22;
const eintr = -4;
/** No end, orderly or not, has been received and held back. */
const notEnded = 1;

/** Told when an accepted connection is gone. */
export interface ConnectionOwner {
  onConnectionGone(): void;
}

export class UringConnection implements Connection, SlotOwner {
  readonly #thread: UringThread;
  readonly #slot: number;
  readonly #generation: number;
  readonly #owner: ConnectionOwner | null;
  #handler: ConnectionHandler | null = null;
  #fd: number;
  /** Operations that have not completed. */
  #operations = 0;
  #connected: boolean;
  #receiving = false;
  /** Bodies are expected: received one buffer at a time, into large ones. */
  #bulk: boolean;
  /** What the receive that is under way, or was last, is. */
  #receivingBulk = false;
  #smallReads = 0;
  /** The socket has more than was received. */
  #notEmpty = false;
  #receiveCancelled = false;
  #connecting = false;
  #polling = false;
  #paused = false;
  /** Received while paused. */
  #held: Buffer[] | null = null;
  /** 0 or an error number, received behind what is held; `notEnded` otherwise. */
  #heldEnd = notEnded;
  #peerEnded = false;
  #sending = false;
  #sendAt = 0;
  #sendLength = 0;
  #sendQueued = false;
  #queue: SendQueue | null = null;
  #queuedBytes = 0;
  #needsDrain = false;
  /** `end` was called; then, everything is flushed and FIN sent. */
  #ending = false;
  #writeEnded = false;
  /** `close` was called: flushing. */
  #leaving = false;
  /** The file is being closed. */
  #closing = false;
  #closed = false;
  #error: Error | null = null;
  #lent: Buffer | null = null;
  #remote: SocketAddress;
  #local: SocketAddress | null = null;

  /** An accepted connection when `owner` is given, or one to be opened, `fd` then being -1. */
  constructor(thread: UringThread, fd: number, owner: ConnectionOwner | null) {
    this.#thread = thread;
    this.#fd = fd;
    this.#owner = owner;
    this.#connected = owner !== null;
    // Upstreams send bodies until they are known to send small ones.
    this.#bulk = owner === null;
    if (fd >= 0) thread.ledger?.add(fd);
    this.#remote = owner === null ? nowhere : thread.sockets.remoteAddress(fd);
    this.#slot = thread.claim(this);
    this.#generation = thread.generationOf(this.#slot);
  }

  get remoteAddress(): string {
    return this.#remote.address;
  }

  get remotePort(): number {
    return this.#remote.port;
  }

  get localAddress(): string {
    return this.#knownLocal().address;
  }

  get localPort(): number {
    return this.#knownLocal().port;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** An accepted connection has its handler. */
  begin(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#receive();
  }

  /** Nobody wants an accepted connection. */
  refuse(): void {
    this.#startClosing(true);
  }

  /** Starts connecting. Failures come by onClose. */
  open(address: string, port: number, handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#remote = { address, port };
    const fd = this.#thread.sockets.openStream(address);
    if (fd < 0) {
      this.#fail(fd, "connect");
      return;
    }
    this.#fd = fd;
    this.#thread.ledger?.add(fd);
    const id = this.#thread.idOf(this.#slot, operation.connect);
    if (!this.#thread.ring.connect(fd, address, port, id, this.#generation)) {
      this.#fail(einval, "connect");
      return;
    }
    this.#operations++;
    this.#connecting = true;
  }

  reserve(bytes: number): Buffer {
    const lent = this.#closing ? null : this.#thread.arena.lend(bytes);
    if (lent !== null) return lent;
    // More than the arena ever lends, all of it in use, or for a connection that is gone.
    this.#lent = Buffer.allocUnsafeSlow(bytes);
    return this.#lent;
  }

  send(length: number): boolean {
    const lent = this.#lent;
    this.#lent = null;
    if (length === 0 || !this.#connected || this.#ending || this.#leaving || this.#closing) return true;
    this.#queuedBytes += length;
    if (lent !== null) {
      this.#enqueue(lent, 0, length);
      if (!this.#sending && !this.#polling) this.#pump();
    } else {
      const at = this.#thread.arena.keep(length);
      if (this.#sending || this.#queue !== null) {
        this.#enqueue(this.#thread.arena.view(at), 0, length);
        this.#thread.arena.release(at);
      } else {
        this.#sendFrom(at, length, false);
      }
    }
    if (this.#queuedBytes < highWaterBytes) return true;
    this.#needsDrain = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#held !== null || this.#heldEnd !== notEnded) this.#thread.later(this);
    else this.#receive();
  }

  end(): void {
    if (this.#ending || this.#leaving || this.#closing) return;
    if (!this.#connected) {
      this.destroy(false);
      return;
    }
    this.#ending = true;
    if (this.#queuedBytes === 0) this.#endWriting();
  }

  close(): void {
    if (this.#leaving || this.#closing) return;
    this.#leaving = true;
    this.#held = null;
    if (!this.#connected || this.#queuedBytes === 0) this.#startClosing(false);
    // What the peer still sends has to be read, or its window hides what becomes of it.
    else if (this.#paused) this.resume();
  }

  destroy(reset: boolean): void {
    if (!this.#closing) this.#startClosing(reset && this.#connected);
  }

  onCompletion(kind: number, result: number, hasMore: boolean, buffer: number): void {
    if (!hasMore) this.#operations--;
    if (kind === operation.receive) this.#onReceived(result, hasMore, buffer);
    else if (kind === operation.send) this.#onSent(result);
    else if (kind === operation.connect) this.#onConnected(result);
    else if (kind === operation.poll) this.#onWritable();
    if (this.#closing && this.#operations === 0) this.#thread.later(this);
  }

  afterBatch(): void {
    if (this.#closing) {
      if (this.#operations === 0) this.#finish();
      return;
    }
    this.#deliverHeld();
    this.#receive();
    if (this.#queue !== null && !this.#sending && !this.#polling) this.#pump();
  }

  #knownLocal(): SocketAddress {
    if (this.#local !== null) return this.#local;
    if (!this.#connected) return nowhere;
    this.#local = this.#thread.sockets.localAddress(this.#fd);
    if (this.#local.port === 0) this.#local = nowhere;
    return this.#local;
  }

  /** Receives from now on, if anything is to be received. */
  #receive(): void {
    if (this.#receiving || this.#paused || this.#peerEnded || this.#closing || !this.#connected) return;
    if (this.#heldEnd !== notEnded) return;
    this.#receiving = true;
    this.#receivingBulk = this.#bulk;
    this.#operations++;
    const { ring, bulk, small } = this.#thread;
    const id = this.#thread.idOf(this.#slot, operation.receive);
    if (this.#bulk) ring.receiveOnce(this.#fd, bulk.group, !this.#notEmpty, id, this.#generation);
    else ring.receive(this.#fd, small.group, id, this.#generation);
  }

  #onReceived(result: number, hasMore: boolean, buffer: number): void {
    if (!hasMore) {
      this.#receiving = false;
      this.#receiveCancelled = false;
    }
    if (buffer >= 0) this.#take(buffer, result);
    if (result === 0) this.#onEnd(0);
    else if (result === enobufs) this.#onNoBuffer();
    else if (result < 0 && result !== ecanceled && result !== eagain && result !== eintr) this.#onEnd(result);
    if (!hasMore && result !== enobufs) this.#receive();
  }

  #take(buffer: number, length: number): void {
    const { bulk, small, check, ring } = this.#thread;
    const buffers = this.#receivingBulk ? bulk : small;
    this.#notEmpty = (ring.flags & completionFlag.notEmpty) !== 0;
    this.#learnSize(length, small.bytesEach);
    check?.received(buffers, buffer, length);
    const from = buffer * buffers.bytesEach;
    if (length > 0) this.#use(buffers.bytes, from, from + length);
    check?.gives(buffers, buffer);
    buffers.give(buffer);
  }

  #use(bytes: Buffer, from: number, to: number): void {
    if (this.#leaving || this.#closing) return;
    if (this.#paused || this.#held !== null) this.#hold(bytes, from, to);
    else this.#handler!.onData(bytes, from, to);
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
    this.#cancelReceive();
  }

  #onNoBuffer(): void {
    this.#notEmpty = true;
    if (this.#receivingBulk) {
      this.#thread.queueForBulk(this);
    } else {
      this.#thread.onStarved();
      this.#thread.later(this);
    }
  }

  /** Keeps what came in spite of a pause, and sees to it that no more comes. */
  #hold(bytes: Buffer, from: number, to: number): void {
    const copy = Buffer.allocUnsafeSlow(to - from);
    bytes.copy(copy, 0, from, to);
    (this.#held ??= []).push(copy);
    this.#cancelReceive();
  }

  #cancelReceive(): void {
    if (!this.#receiving || this.#receiveCancelled) return;
    this.#receiveCancelled = true;
    this.#cancel(operation.receive);
  }

  #cancel(kind: number): void {
    this.#operations++;
    const { ring } = this.#thread;
    const target = this.#thread.idOf(this.#slot, kind);
    ring.cancel(target, this.#generation, this.#thread.idOf(this.#slot, operation.cancel), this.#generation);
  }

  #deliverHeld(): void {
    while (this.#held !== null && !this.#paused && !this.#closing) {
      const chunk = this.#held.shift();
      if (chunk === undefined) {
        this.#held = null;
        break;
      }
      this.#handler!.onData(chunk, 0, chunk.length);
    }
    if (this.#heldEnd === notEnded || this.#paused || this.#closing) return;
    const end = this.#heldEnd;
    this.#heldEnd = notEnded;
    this.#onEnd(end);
  }

  /** The peer has sent all it will: 0, or an error number. */
  #onEnd(result: number): void {
    if (this.#closing) return;
    if (this.#paused || this.#held !== null) {
      this.#heldEnd = result;
      return;
    }
    if (result < 0) {
      this.#fail(result, "read");
      return;
    }
    this.#peerEnded = true;
    if (this.#leaving) return;
    this.#handler!.onEnd();
    if (this.#writeEnded && !this.#closing) this.#startClosing(false);
  }

  #sendFrom(at: number, length: number, queued: boolean): void {
    const { ring, arena, check } = this.#thread;
    check?.sends(at);
    this.#sending = true;
    this.#sendAt = at;
    this.#sendLength = length;
    this.#sendQueued = queued;
    this.#operations++;
    const id = this.#thread.idOf(this.#slot, operation.send);
    ring.send(this.#fd, arena.low + at, arena.high, length, id, this.#generation);
    if (length < directSendBytes || queued) return;
    ring.submit();
    const result = ring.takeNewest(id, this.#generation, takenId);
    if (result === null) return;
    this.#operations--;
    this.#onSent(result);
  }

  #onSent(result: number): void {
    const { arena, check } = this.#thread;
    const at = this.#sendAt;
    const length = this.#sendLength;
    const taken = Math.max(0, result);
    this.#sending = false;
    if (!this.#closing) {
      this.#queuedBytes -= taken;
      if (this.#sendQueued) this.#queue!.drop(taken);
      else if (taken < length && result > ecanceled) this.#requeue(arena.view(at), taken, length);
    }
    check?.sent(at, arena.view(at), length);
    arena.release(at);
    if (this.#closing) return;
    if (result < 0 && result !== eagain && result !== eintr) this.#fail(result, "write");
    else if (taken < length) this.#awaitWritable();
    else if (this.#queue !== null && this.#queue.bytes > 0) this.#pump();
    else this.#onFlushed();
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

  #awaitWritable(): void {
    this.#polling = true;
    this.#operations++;
    const id = this.#thread.idOf(this.#slot, operation.poll);
    this.#thread.ring.pollWritable(this.#fd, id, this.#generation);
  }

  #onWritable(): void {
    this.#polling = false;
    if (!this.#closing) this.#pump();
  }

  /** Sends the first of what is queued. */
  #pump(): void {
    const { arena } = this.#thread;
    const queue = this.#queue!;
    const memory = arena.lend(Math.min(queue.bytes, queuedSendBytes));
    if (memory === null) {
      this.#thread.later(this);
      return;
    }
    const length = queue.copyTo(memory, Math.min(queue.bytes, queuedSendBytes));
    this.#sendFrom(arena.keep(length), length, true);
  }

  #onFlushed(): void {
    this.#queue = null;
    if (this.#leaving) this.#startClosing(false);
    else if (this.#ending) this.#endWriting();
    else if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#handler!.onDrain();
    }
  }

  #endWriting(): void {
    this.#writeEnded = true;
    this.#thread.sockets.endWriting(this.#fd);
    if (this.#peerEnded) this.#startClosing(false);
  }

  #onConnected(result: number): void {
    this.#connecting = false;
    if (this.#closing) return;
    if (result < 0) {
      this.#fail(result, "connect");
      return;
    }
    this.#connected = true;
    this.#handler!.onConnect();
    // After whatever is sent now: a peer that answers unasked must not be heard before that has gone out.
    this.#receive();
  }

  #fail(errno: number, call: string): void {
    if (this.#closing) return;
    // After `close` the end is what was wanted, however it comes.
    if (!this.#leaving) {
      this.#error = call === "connect" ? systemError(call, errno, this.#remote) : systemError(call, errno);
    }
    this.#startClosing(false);
  }

  /** Cancels what is under way, then closes the file; onClose follows the last completion. */
  #startClosing(reset: boolean): void {
    const { ring, sockets } = this.#thread;
    if (this.#connected) this.#knownLocal();
    this.#closing = true;
    this.#held = null;
    this.#queue = null;
    this.#queuedBytes = 0;
    if (this.#fd < 0) {
      this.#thread.later(this);
      return;
    }
    this.#cancelReceive();
    if (this.#connecting) this.#cancel(operation.connect);
    if (this.#polling) this.#cancel(operation.poll);
    if (reset) sockets.resetOnClose(this.#fd);
    this.#operations++;
    this.#thread.ledger?.remove(this.#fd);
    ring.close(this.#fd, this.#thread.idOf(this.#slot, operation.close), this.#generation);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#thread.check?.slotEnds(this.#operations);
    this.#thread.release(this.#slot);
    const handler = this.#handler;
    this.#handler = null;
    handler?.onClose(this.#error);
    if (handler !== null) this.#owner?.onConnectionGone();
  }
}

const nowhere: SocketAddress = { address: "", port: 0 };
