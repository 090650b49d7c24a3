// SPDX-License-Identifier: Apache-2.0
// One ring of one thread: operations go in, completions come out. An operation is known by two numbers that its
// completion carries back, `id` and `generation`. No BigInt and no allocation per operation.

import type { Libc } from "../libc.ts";
import { mapMemory, type MappedMemory, type Sendable } from "../mapped-memory.ts";
import { encodeSocketAddress } from "../socket-address.ts";
import { systemError } from "../system-error.ts";
import { completionFlag, enterFlag, entryFlag, entryWords, ioprio, opcode, sqFlag, syscallNumber } from "./abi.ts";
import { setUpRing, type RingLayout } from "./ring-setup.ts";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
/** Per entry: a sockaddr, which the kernel copies when it takes the entry. */
const addressSlotBytes = 128;
const timespecBytes = 16;
const timedArgBytes = 24;
const timedArgSize = BigInt(timedArgBytes);
const dontWait = 0x40;
/** Of a send: less than everything is a failure, which its completion tells. */
const waitAll = 0x100;
const sendFlags = dontWait | waitAll;
/** Of a send: more follows at once, and may go into the same packets. */
const moreFollows = 0x8000;
const pollIn = 0x01;
const pollOut = 0x04;
const eintr = -4;
const eagain = -11;
const ebusy = -16;
const etime = -62;

export class Ring {
  /** Of the completion that `next` found. */
  id = 0;
  generation = 0;
  result = 0;
  flags = 0;
  /** Times the completion queue was full; what came then was kept by the kernel. */
  overflows = 0;
  /** System calls made. */
  enters = 0;
  /** Entries that the kernel has taken, and completions it has shown, since the beginning. */
  submissions = 0;
  completions = 0;
  readonly fd: number;
  readonly #libc: Libc;
  readonly #layout: RingLayout;
  readonly #rings: Int32Array;
  readonly #entries: Int32Array;
  readonly #sqMask: number;
  readonly #cqMask: number;
  readonly #completionsAt: number;
  readonly #addresses: MappedMemory;
  readonly #timedArg: MappedMemory;
  readonly #timedWords: Int32Array;
  #sqTail = 0;
  #submitted = 0;
  #cqHead = 0;
  #cqTail = 0;
  #wasFull = false;
  /** Completions up to here were looked at by `takeEarly`. */
  #early = 0;
  #closed = false;

  /** Both counts are powers of two. Throws what is in the way, and leaves nothing open then. */
  constructor(libc: Libc, entryCount: number, completionCount: number) {
    this.#libc = libc;
    this.#addresses = mapMemory(libc, entryCount * addressSlotBytes);
    this.#timedArg = mapMemory(libc, timedArgBytes + 2 * timespecBytes);
    const layout = setUpRing(libc, entryCount, completionCount);
    this.#layout = layout;
    this.fd = layout.fd;
    this.#rings = layout.rings;
    this.#entries = layout.entries;
    this.#sqMask = layout.sqMask;
    this.#cqMask = layout.cqMask;
    this.#completionsAt = layout.completions;
    const words = new Int32Array(this.#timedArg.bytes.buffer);
    // io_uring_getevents_arg: no signal mask, no minimum wait, then the address of the timespec behind it.
    words[4] = this.#timedArg.low + timedArgBytes;
    words[5] = this.#timedArg.high;
    this.#timedWords = words;
  }

  /** Entries that the kernel has not seen yet. */
  get queued(): number {
    return (this.#sqTail - this.#submitted) | 0;
  }

  /** Accepts until it is cancelled or fails; each completion carries a file descriptor, of the kind that does not wait. */
  accept(fd: number, id: number, generation: number): void {
    const flags = closeOnExec | nonBlocking;
    this.#put(opcode.accept | ioprio.acceptMultishot, fd, 0, 0, 0, flags, id, generation, 0);
  }

  /** Receives into buffers of `group` until it is cancelled, fails, or the peer ends. */
  receive(fd: number, group: number, id: number, generation: number): void {
    this.#put(opcode.recv | ioprio.recvMultishot | entryFlag.bufferSelect, fd, 0, 0, 0, 0, id, generation, group);
  }

  /**
   * Sends what the kernel takes at once of `memory`, from its offset `at`. It is over when the call that hands it in
   * returns, and completes only when not everything was taken: then its result is what was.
   */
  send(fd: number, memory: Sendable, at: number, length: number, id: number, generation: number): void {
    const { low, high } = memory;
    this.#put(opcode.send | entryFlag.skipSuccess, fd, low + at, high, length, sendFlags, id, generation, 0);
  }

  /**
   * Says of the send known by these that bytes follow it at once: the kernel may keep it for the same packets until they do.
   * Only when it was put last and has not been handed in.
   */
  sendsMore(id: number, generation: number): void {
    if (this.queued === 0) return;
    const entries = this.#entries;
    const at = ((this.#sqTail - 1) & this.#sqMask) * entryWords;
    if (entries[at + 8] === id && entries[at + 9] === generation) entries[at + 7]! |= moreFollows;
  }

  /** Completes once the socket takes bytes again, or is broken. */
  pollWritable(fd: number, id: number, generation: number): void {
    this.#put(opcode.pollAdd, fd, 0, 0, 0, pollOut, id, generation, 0);
  }

  /** Completes once `fd` is readable. */
  pollReadable(fd: number, id: number, generation: number): void {
    this.#put(opcode.pollAdd, fd, 0, 0, 0, pollIn, id, generation, 0);
  }

  /** Completes after so many microseconds, below a second. */
  timeout(delayUs: number, id: number, generation: number): void {
    const { low, high } = this.#timedArg;
    this.#timedWords[12] = delayUs * 1_000;
    this.#put(opcode.timeout, -1, low + timedArgBytes + timespecBytes, high, 1, 0, id, generation, 0);
  }

  /** False when `address` is none. */
  connect(fd: number, address: string, port: number, id: number, generation: number): boolean {
    this.#makeRoom();
    const at = (this.#sqTail & this.#sqMask) * addressSlotBytes;
    const slot = this.#addresses.bytes.subarray(at, at + addressSlotBytes);
    const length = encodeSocketAddress(address, port, slot);
    if (length === 0) return false;
    const { low, high } = this.#addresses;
    this.#put(opcode.connect, fd, low + at, high, 0, 0, id, generation, 0);
    // The length of the address stands where others have an offset.
    this.#entries[((this.#sqTail - 1) & this.#sqMask) * entryWords + 2] = length;
    return true;
  }

  /** Ends the operation known by `targetId` and `targetGeneration`; its own completion says so too. */
  cancel(targetId: number, targetGeneration: number, id: number, generation: number): void {
    this.#put(opcode.asyncCancel, -1, targetId, targetGeneration, 0, 0, id, generation, 0);
  }

  close(fd: number, id: number, generation: number): void {
    this.#put(opcode.close, fd, 0, 0, 0, 0, id, generation, 0);
  }

  /** Hands queued entries to the kernel and does not look for completions. */
  submit(): void {
    this.#entered(this.#enter(0, 0));
  }

  /**
   * Hands queued entries to the kernel, lets it work off what is ready, and waits for a completion: not at all (0),
   * for so many milliseconds, or without end (-1). Signals cut it short.
   */
  wait(timeoutMs: number): void {
    this.#noteOverflow();
    if (timeoutMs === 0) this.#entered(this.#enter(0, enterFlag.getEvents));
    else if (timeoutMs < 0) this.#entered(this.#enter(1, enterFlag.getEvents));
    else {
      const seconds = Math.floor(timeoutMs / 1000);
      this.#entered(this.#enterTimed(1, seconds, (timeoutMs - seconds * 1000) * 1_000_000));
    }
    this.#look();
  }

  /**
   * The same, but waits until there are `count` completions, or for those that have come after so many microseconds, below
   * a second; when that is none, for the first.
   */
  waitFor(count: number, delayUs: number): void {
    this.#noteOverflow();
    this.#entered(this.#enterTimed(count, 0, delayUs * 1_000));
    this.#look();
    if (this.ready === 0) this.wait(-1);
  }

  /** Completions that the kernel could not even keep, for want of memory; then `wait` throws EBADR. */
  get lost(): number {
    return this.#rings[this.#layout.cqOverflow]! >>> 0;
  }

  /** Whether the kernel still holds completions for which there was no room: `wait` fetches them. */
  get overflowing(): boolean {
    return (this.#rings[this.#layout.sqFlags]! & sqFlag.cqOverflow) !== 0;
  }

  /** Completions that the last `wait` saw and `next` has not been to. */
  get ready(): number {
    return (this.#cqTail - this.#cqHead) | 0;
  }

  /** Puts the next completion into the fields. */
  next(): boolean {
    const head = this.#cqHead;
    if (head === this.#cqTail) return false;
    const at = this.#completionsAt + ((head & this.#cqMask) << 2);
    const rings = this.#rings;
    this.id = rings[at]!;
    this.generation = rings[at + 1]!;
    this.result = rings[at + 2]!;
    this.flags = rings[at + 3]!;
    this.#cqHead = (head + 1) | 0;
    return true;
  }

  /** Gives the kernel the room of completions that `next` has been to. */
  free(): void {
    Atomics.store(this.#rings, this.#layout.cqHead, this.#cqHead);
  }

  /**
   * Puts the next completion whose id ends with `kind` into the fields, among those that are there and that it has not
   * looked at; `next` will show it with `replacedId`. False when there are none.
   */
  takeEarly(kind: number, kindMask: number, replacedId: number): boolean {
    const rings = this.#rings;
    const tail = Atomics.load(rings, this.#layout.cqTail);
    for (let head = this.#early; head !== tail; head = (head + 1) | 0) {
      const at = this.#completionsAt + ((head & this.#cqMask) << 2);
      const id = rings[at]!;
      if ((id & kindMask) !== kind) continue;
      this.#early = (head + 1) | 0;
      this.id = id;
      this.generation = rings[at + 1]!;
      this.result = rings[at + 2]!;
      rings[at] = replacedId;
      return true;
    }
    this.#early = tail;
    return false;
  }

  /** Whether more completions of the same operation follow the one in the fields. */
  get hasMore(): boolean {
    return (this.flags & completionFlag.more) !== 0;
  }

  /** Ends the ring and every operation in it. Its memory stays mapped and is given back. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#libc.close(this.fd);
    this.#addresses.release();
  }

  #put(
    first: number,
    fd: number,
    addressLow: number,
    addressHigh: number,
    length: number,
    operationFlags: number,
    id: number,
    generation: number,
    group: number,
  ): void {
    this.#makeRoom();
    const entries = this.#entries;
    const at = (this.#sqTail & this.#sqMask) * entryWords;
    entries[at] = first;
    entries[at + 1] = fd;
    entries[at + 2] = 0;
    entries[at + 3] = 0;
    entries[at + 4] = addressLow;
    entries[at + 5] = addressHigh;
    entries[at + 6] = length;
    entries[at + 7] = operationFlags;
    entries[at + 8] = id;
    entries[at + 9] = generation;
    entries[at + 10] = group;
    this.#sqTail = (this.#sqTail + 1) | 0;
  }

  #noteOverflow(): void {
    const isFull = this.overflowing;
    if (isFull && !this.#wasFull) this.overflows++;
    this.#wasFull = isFull;
  }

  #makeRoom(): void {
    if (this.queued > this.#sqMask) this.submit();
    if (this.queued > this.#sqMask) throw systemError("io_uring_enter", ebusy);
  }

  #enter(minimum: number, flags: number): number {
    this.enters++;
    this.#rings[this.#layout.sqTail] = this.#sqTail;
    const result = this.#libc.syscallShort(syscallNumber.enter, this.fd, this.queued, minimum, flags, 0, 0);
    return result < 0 ? this.#libc.resultOf(result) : result;
  }

  #enterTimed(minimum: number, seconds: number, nanoseconds: number): number {
    this.enters++;
    const words = this.#timedWords;
    words[6] = seconds;
    words[8] = nanoseconds;
    this.#rings[this.#layout.sqTail] = this.#sqTail;
    const flags = enterFlag.getEvents | enterFlag.extArg;
    const { address } = this.#timedArg;
    const { syscallTimed } = this.#libc;
    const result = syscallTimed(syscallNumber.enter, this.fd, this.queued, minimum, flags, address, timedArgSize);
    return result < 0 ? this.#libc.resultOf(result) : result;
  }

  /** Finds out what has completed. */
  #look(): void {
    const tail = Atomics.load(this.#rings, this.#layout.cqTail);
    this.completions += (tail - this.#cqTail) | 0;
    this.#cqTail = tail;
    this.#noteOverflow();
  }

  #entered(result: number): void {
    if (result > 0) {
      this.#submitted = (this.#submitted + result) | 0;
      this.submissions += result;
      return;
    }
    // Interrupted, out of time, or the kernel wants completions fetched first: the next call goes on.
    if (result === 0 || result === eintr || result === etime || result === eagain || result === ebusy) return;
    throw systemError("io_uring_enter", result);
  }
}
