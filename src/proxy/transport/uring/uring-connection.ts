// SPDX-License-Identifier: Apache-2.0
// One connection of the ring, from its beginning to its end: what may be called when, and what follows from it.

import type { Buffer } from "node:buffer";

import { systemError, type SocketAddress } from "../../../platform/index.ts";
import type { Connection, ConnectionHandler, ForwardEvents } from "../transport.ts";
import { OperationSlot } from "./operation-slot.ts";
import { Receiver, type ForwardTarget, type ReceiverEvents } from "./receiver.ts";
import { Sender, type SenderEvents } from "./sender.ts";
import { operation, type UringThread } from "./uring-thread.ts";

/** Queued bytes above which `send` asks the sender to wait. */
const highWaterBytes = 64 * 1024;
const einval = -22;
const nowhere: SocketAddress = { address: "", port: 0 };

/** Told when an accepted connection is gone. */
export interface ConnectionOwner {
  onConnectionGone(): void;
}

export class UringConnection implements Connection, ForwardTarget, ReceiverEvents, SenderEvents {
  readonly #slot: OperationSlot;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #owner: ConnectionOwner | null;
  #handler: ConnectionHandler | null = null;
  #connected: boolean;
  #connecting = false;
  #peerEnded = false;
  #needsDrain = false;
  /** `end` was called; then, everything is flushed and FIN sent. */
  #ending = false;
  #writeEnded = false;
  /** `close` was called: flushing. */
  #leaving = false;
  #closed = false;
  #error: Error | null = null;
  #remote: SocketAddress;
  #local: SocketAddress | null = null;

  /** An accepted connection when `owner` is given, or one to be opened, `fd` then being -1. */
  constructor(thread: UringThread, fd: number, owner: ConnectionOwner | null) {
    this.#owner = owner;
    this.#connected = owner !== null;
    this.#remote = owner === null ? nowhere : thread.sockets.remoteAddress(fd);
    this.#slot = new OperationSlot(thread, this, fd);
    // Upstreams send bodies until they are known to send small ones.
    this.#receiver = new Receiver(this.#slot, this, owner === null);
    this.#sender = new Sender(this.#slot, this);
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
    return this.#sender.queuedBytes;
  }

  /** An accepted connection has its handler. */
  begin(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#receiver.start();
  }

  /** Nobody wants an accepted connection. */
  refuse(): void {
    this.#startClosing(true);
  }

  /** Starts connecting. Failures come by onClose. */
  open(address: string, port: number, handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#remote = { address, port };
    const { thread, generation } = this.#slot;
    const fd = thread.sockets.openStream(address);
    if (fd < 0) {
      this.#fail(fd, "connect");
      return;
    }
    this.#slot.setFile(fd);
    if (thread.ring.connect(fd, address, port, this.#slot.begin(operation.connect), generation)) {
      this.#connecting = true;
      return;
    }
    this.#slot.operations--;
    this.#fail(einval, "connect");
  }

  reserve(bytes: number): Buffer {
    return this.#sender.reserve(bytes);
  }

  send(length: number): boolean {
    if (length === 0 || !this.#connected || this.#ending || this.#leaving || this.#slot.closing) return true;
    this.#sender.send(length);
    return this.#mayGoOn();
  }

  sendWith(length: number, bytes: Buffer, from: number, to: number): boolean {
    if (!this.#connected || this.#ending || this.#leaving || this.#slot.closing) return true;
    this.#sender.sendWith(length, bytes, from, to);
    return this.#mayGoOn();
  }

  forward(to: Connection, bytes: number, events: ForwardEvents): void {
    // Those of another transport cannot.
    if (#slot in to) this.#receiver.forward(to, bytes, events);
  }

  get keepsUp(): boolean {
    return this.#connected && !this.#ending && !this.#leaving && !this.#slot.closing && this.#sender.keepsUp;
  }

  fileToSend(): number {
    return this.#sender.isFreeForMore() ? this.#slot.fd : -1;
  }

  pause(): void {
    this.#receiver.paused = true;
  }

  resume(): void {
    this.#receiver.resume();
  }

  end(): void {
    if (this.#ending || this.#leaving || this.#slot.closing) return;
    if (!this.#connected) {
      this.destroy(false);
      return;
    }
    this.#ending = true;
    if (this.#sender.queuedBytes === 0) this.#endWriting();
    else this.#sender.flush();
  }

  close(): void {
    if (this.#leaving || this.#slot.closing) return;
    this.#leaving = true;
    this.#receiver.dropHeld();
    if (!this.#connected || this.#sender.queuedBytes === 0) {
      this.#startClosing(false);
      return;
    }
    this.#sender.flush();
    // What the peer still sends has to be read, or its window hides what becomes of it.
    this.#receiver.resume();
  }

  destroy(reset: boolean): void {
    if (!this.#slot.closing) this.#startClosing(reset && this.#connected);
  }

  onCompletion(kind: number, result: number, hasMore: boolean, buffer: number): void {
    if (kind === operation.send) {
      this.#sender.onShort(result);
      return;
    }
    if (!hasMore) this.#slot.operations--;
    if (kind === operation.receive) this.#receiver.onCompletion(result, hasMore, buffer);
    else if (kind === operation.readable) this.#receiver.onReadable(result);
    else if (kind === operation.connect) this.#onConnected(result);
    else if (kind === operation.poll) this.#sender.onWritable();
    if (this.#slot.closing && this.#slot.operations === 0) this.#slot.thread.later(this);
  }

  afterBatch(): void {
    if (!this.#slot.closing) this.#receiver.afterBatch();
    if (!this.#slot.closing) this.#sender.afterBatch();
    else if (this.#slot.operations === 0) this.#finish();
  }

  onBytes(bytes: Buffer, from: number, to: number): void {
    if (!this.#leaving && !this.#slot.closing) this.#handler!.onData(bytes, from, to);
  }

  onReceiveEnd(result: number): void {
    if (result < 0) {
      this.#fail(result, "read");
      return;
    }
    this.#peerEnded = true;
    if (this.#leaving) return;
    this.#handler!.onEnd();
    if (this.#writeEnded && !this.#slot.closing) this.#startClosing(false);
  }

  onFlushed(): void {
    if (this.#leaving) {
      this.#startClosing(false);
    } else if (this.#ending) {
      this.#endWriting();
    } else if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#handler!.onDrain();
    }
  }

  onSendFailed(errno: number): void {
    this.#fail(errno, "write");
  }

  #mayGoOn(): boolean {
    if (this.#sender.queuedBytes < highWaterBytes) return true;
    this.#needsDrain = true;
    this.#sender.flush();
    return false;
  }

  #knownLocal(): SocketAddress {
    if (this.#local !== null) return this.#local;
    if (!this.#connected) return nowhere;
    const local = this.#slot.thread.sockets.localAddress(this.#slot.fd);
    // A Unix socket's own path is the listener's.
    this.#local = local.port === 0 ? nowhere : local;
    return this.#local;
  }

  #endWriting(): void {
    this.#writeEnded = true;
    this.#slot.thread.sockets.endWriting(this.#slot.fd);
    if (this.#peerEnded) this.#startClosing(false);
  }

  #onConnected(result: number): void {
    this.#connecting = false;
    if (this.#slot.closing) return;
    if (result < 0) {
      this.#fail(result, "connect");
      return;
    }
    this.#connected = true;
    // Not before: connecting to a Unix socket that has no room for now would fail instead of taking longer.
    this.#slot.thread.sockets.stopWaiting(this.#slot.fd);
    this.#handler!.onConnect();
    // After whatever is sent now: a peer that answers unasked must not be heard before that has gone out.
    if (!this.#slot.closing) this.#receiver.start();
  }

  #fail(errno: number, call: string): void {
    if (this.#slot.closing) return;
    // After `close` the end is what was wanted, however it comes.
    if (!this.#leaving) {
      this.#error = call === "connect" ? systemError(call, errno, this.#remote) : systemError(call, errno);
    }
    this.#startClosing(false);
  }

  /** Cancels what is under way, then closes the file; onClose follows the last completion. */
  #startClosing(reset: boolean): void {
    if (this.#connected) this.#knownLocal();
    const { thread, fd } = this.#slot;
    this.#receiver.stop();
    this.#sender.stop();
    if (this.#connecting) this.#slot.cancel(operation.connect);
    if (reset) thread.sockets.resetOnClose(fd);
    this.#slot.close();
    if (this.#slot.operations === 0) thread.later(this);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#slot.release();
    const handler = this.#handler;
    this.#handler = null;
    handler?.onClose(this.#error);
    if (handler !== null) this.#owner?.onConnectionGone();
  }
}
