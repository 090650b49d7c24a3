// SPDX-License-Identifier: Apache-2.0
// The ring of one thread and its turns. A turn hands everything that was queued to the kernel and waits for completions
// by one system call, works them off, and returns to Node's event loop. The ring does the waiting for both: the loop's
// own descriptor is polled through it, and the loop's next timer bounds the wait. So no callback from native code is
// needed, promises and ticks run after each turn as after any other callback, and a thread can be ended while it waits.

import type { Buffer } from "node:buffer";

import {
  EventLoop,
  FileLedger,
  openLibc,
  ReceiveBuffers,
  Ring,
  SendArena,
  Sockets,
  bufferShift,
  mapMemory,
  type Libc,
  type MappedMemory,
  type Sendable,
  type SplicePipe,
} from "../../../platform/index.ts";
import { Coalescing, threadCpuMs } from "./coalescing.ts";
import { OwnershipCheck } from "./ownership-check.ts";
import type { UringDeps, UringOptions } from "./uring-options.ts";

const entryCount = 1_024;
const completionCount = 4_096;
const arenaBytes = 1024 * 1024;
/** For messages that come whole: they are received as they come. Many are filled at once. */
const smallBufferBytes = 16 * 1024;
const firstSmallBuffers = 64;
/** For bodies, one read of one connection at a time: 64 KiB with a head come by one, and it stays in the cache. */
const bodyBytes = 128 * 1024;
/** A timer that never matters, so that Node's loop counts as alive. */
const foreverMs = 0x7fff_ffff;

/** What a completion belongs to; the low bits of its id. */
export const operation = {
  accept: 0,
  receive: 1,
  send: 2,
  connect: 3,
  poll: 4,
  cancel: 5,
  close: 6,
  readable: 7,
} as const;
const operationBits = 3;
const operationMask = (1 << operationBits) - 1;

/** Slot 0 is the thread's own. */
const loopPollId = 0;
/** Of completions that were worked off already. */
const takenId = 1;
const stayId = 3;
/**
 * What Node does between two turns of its loop, promises and ticks above all, may wait so long once something has
 * happened here. Nothing on the way of a request needs it.
 */
const stayUs = 1_000;
const fewCompletions = 6;
const manyCompletions = 16;

/** What owns a slot: operations are submitted for it, and it lives until the last of them has completed. */
export interface SlotOwner {
  /** Called for each completion; `hasMore`: the operation goes on. `buffer` is -1 when none came. */
  onCompletion(operation: number, result: number, hasMore: boolean, buffer: number): void;
  /** Called after the batch in which, or before which, it asked for it by `later`. */
  afterBatch(): void;
}

export class UringThread {
  readonly ring: Ring;
  readonly small: ReceiveBuffers;
  /** What bodies are read into; valid during onData. */
  readonly body: MappedMemory;
  readonly arena: SendArena;
  readonly sockets: Sockets;
  readonly check: OwnershipCheck | null;
  readonly ledger: FileLedger | null;
  batch = 0;
  /** Grows when it is known what became of everything that was sent. */
  epoch = 0;
  /** Batches in which the kernel had no small buffer to receive into. */
  smallShortages = 0;
  readonly coalescing: Coalescing;
  readonly #loop: EventLoop;
  #pipe: SplicePipe | null = null;
  readonly #owners: (SlotOwner | null)[] = [null];
  readonly #generations: number[] = [0];
  readonly #freeSlots: number[] = [];
  /** Asked for by owners; two lists that take turns. */
  #later: SlotOwner[] = [];
  #laterNow: SlotOwner[] = [];
  #nextTurn: SlotOwner[] = [];
  #active = 0;
  /** The next turn. */
  #next: NodeJS.Immediate | null = null;
  #loopPolled = false;
  /** The time to go on without the event loop is running. */
  #staying = false;
  /** Of the last batch. */
  #completions = 0;
  /** Small buffers ran out in this batch. */
  #starved = false;
  #keepAlive: NodeJS.Timeout | null = null;
  #atRest: PromiseWithResolvers<void> | null = null;
  #disposed = false;
  readonly #turn = (): void => this.#run();

  constructor(libc: Libc, deps: UringDeps, options: UringOptions) {
    this.ring = new Ring(libc, entryCount, completionCount);
    try {
      const smallBuffers = smallBufferCount(options.bufferBytes);
      const firstSmall = Math.min(firstSmallBuffers, smallBuffers);
      this.small = new ReceiveBuffers(libc, this.ring, 1, smallBufferBytes, smallBuffers, firstSmall);
      this.body = mapMemory(libc, bodyBytes);
      this.arena = new SendArena(libc, arenaBytes);
    } catch (error) {
      this.ring.dispose();
      throw error;
    }
    this.sockets = new Sockets(libc);
    this.coalescing = new Coalescing({ nowMs: () => deps.clock.nowMs(), cpuMs: threadCpuMs }, options.coalesces);
    this.check = options.check ? new OwnershipCheck() : null;
    this.ledger = deps.ledger === null ? null : new FileLedger(deps.ledger);
    this.ledger?.add(this.ring.fd);
    this.ledger?.addMapped(libc);
    this.#loop = new EventLoop(libc);
  }

  /** A slot for operations of `owner`. */
  claim(owner: SlotOwner): number {
    const slot = this.#freeSlots.pop() ?? this.#owners.length;
    this.#owners[slot] = owner;
    this.#generations[slot] ??= 1;
    if (++this.#active === 1) this.#keepAlive = setInterval(ignoreTimer, foreverMs);
    this.#schedule();
    return slot;
  }

  generationOf(slot: number): number {
    return this.#generations[slot]!;
  }

  /** The last operation of the slot has completed. */
  release(slot: number): void {
    this.#owners[slot] = null;
    this.#generations[slot] = (this.#generations[slot]! + 1) | 0;
    this.#freeSlots.push(slot);
    if (--this.#active > 0) return;
    clearInterval(this.#keepAlive!);
    this.#keepAlive = null;
    this.#atRest?.resolve();
  }

  idOf(slot: number, kind: number): number {
    return (slot << operationBits) | kind;
  }

  /** `owner.afterBatch` is called at the end of this batch, or after the next one. */
  later(owner: SlotOwner): void {
    this.#later.push(owner);
    this.#schedule();
  }

  /** `owner.afterBatch` is called after the next batch: it can do nothing now. */
  again(owner: SlotOwner): void {
    this.#nextTurn.push(owner);
    this.#schedule();
  }

  /**
   * Hands in what is queued. What became of everything that was sent is known then, unless the kernel cannot take or
   * tell all of it for the moment.
   */
  settle(): void {
    this.ring.submit();
    this.learn();
  }

  /** After entries were handed in: sends complete by that, and those that failed are told of. */
  learn(): void {
    const { ring } = this;
    const isAllIn = ring.queued === 0;
    while (ring.takeEarly(operation.send, operationMask, takenId)) {
      const slot = ring.id >>> operationBits;
      const owner = this.#owners[slot];
      this.check?.completion(owner, this.#generations[slot], ring.generation);
      if (this.#generations[slot] === ring.generation) owner?.onCompletion(operation.send, ring.result, false, -1);
    }
    if (!isAllIn || ring.overflowing) return;
    this.epoch = (this.epoch + 1) | 0;
    this.check?.sent(this.arena.used);
    this.arena.reset();
  }

  /** The memory that `bytes` are all of, if they were received. */
  receivedInto(bytes: Buffer): Sendable | null {
    if (bytes === this.body.bytes) return this.body;
    return bytes === this.small.bytes ? this.small : null;
  }

  /** Made when it is first needed; null: there are no files left for it. */
  get pipe(): SplicePipe | null {
    if (this.#pipe !== null) return this.#pipe;
    const pipe = this.sockets.openPipe();
    if (pipe === null) return null;
    this.ledger?.add(pipe.readEnd);
    this.ledger?.add(pipe.writeEnd);
    return (this.#pipe = pipe);
  }

  /** A small buffer that was received into has been read. */
  giveBack(buffer: number): void {
    this.check?.gives(this.small, buffer);
    this.small.give(buffer);
  }

  /** There was no small buffer: more are needed from now on. */
  onStarved(): void {
    this.#starved = true;
  }

  /** Slots in use. */
  get active(): number {
    return this.#active;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Waits until nothing is in use, then gives back ring and memory. */
  async close(): Promise<void> {
    this.#atRest = Promise.withResolvers<void>();
    if (this.#active > 0) await this.#atRest.promise;
    this.check?.atRest();
    this.#disposed = true;
    this.ledger?.remove(this.ring.fd);
    this.ring.dispose();
    this.#closePipe();
    this.small.release();
    this.body.release();
    this.arena.dispose();
  }

  #closePipe(): void {
    const pipe = this.#pipe;
    if (pipe === null) return;
    this.ledger?.remove(pipe.readEnd);
    this.ledger?.remove(pipe.writeEnd);
    pipe.close();
  }

  #schedule(): void {
    if (this.#next === null) this.#next = setImmediate(this.#turn);
  }

  #run(): void {
    this.#next = null;
    if (this.#disposed) return;
    const { ring } = this;
    if (!this.#loopPolled) {
      this.#loopPolled = true;
      ring.pollReadable(this.#loop.fd, loopPollId, 0);
    }
    const timeoutMs = this.#timeoutMs();
    ring.wait(timeoutMs);
    if (timeoutMs !== 0) this.#loop.updateTime();
    try {
      this.#work();
      this.#stay();
    } finally {
      if (this.#active > 0 || this.#later.length > 0 || ring.queued > 0) this.#schedule();
    }
  }

  /** Goes on without the event loop for a little while: its turn costs about as much as a request. */
  #stay(): void {
    const { ring, coalescing } = this;
    if (!this.#mayStay()) return;
    if (!this.#staying) {
      this.#staying = true;
      ring.timeout(stayUs, stayId, 0);
    }
    while (this.#staying && this.#mayStay()) {
      const isBusy = this.#later.length > 0 || this.#nextTurn.length > 0 || ring.overflowing;
      if (isBusy) ring.wait(0);
      else if (coalescing.wanted > 1) ring.waitFor(coalescing.wanted, coalescing.waitUs);
      else ring.wait(-1);
      this.#work();
    }
  }

  /** Between few and many the turn is worth its time: more arrives meanwhile, and is handled at once. */
  #mayStay(): boolean {
    const completions = this.#completions;
    const pays = completions < fewCompletions || completions >= manyCompletions;
    return pays && this.#active > 0 && this.#loopPolled;
  }

  /** How long to wait: until the loop's next timer, and not at all when there is something to do here or there. */
  #timeoutMs(): number {
    if (
      this.#later.length > 0 ||
      this.#nextTurn.length > 0 ||
      this.#active === 0 ||
      this.ring.ready > 0 ||
      this.ring.overflowing
    )
      return 0;
    // Node keeps its loop from waiting while immediates are to come. Without ours, the loop tells of everything else.
    const next = (this.#next = setImmediate(this.#turn));
    next.unref();
    const timeoutMs = this.#loop.timeoutMs();
    next.ref();
    return timeoutMs;
  }

  /** Works off a batch of completions, then what owners wanted done after it. */
  #work(): void {
    this.batch++;
    const { ring } = this;
    this.#completions = ring.ready;
    this.coalescing.note();
    this.learn();
    if (this.#nextTurn.length > 0) this.#later.push(...this.#nextTurn.splice(0));
    try {
      while (ring.next()) this.#complete();
    } finally {
      ring.free();
    }
    if (this.#starved) {
      this.#starved = false;
      this.smallShortages++;
      this.small.grow();
    }
    while (this.#later.length > 0) {
      const now = this.#later;
      this.#later = this.#laterNow;
      this.#laterNow = now;
      for (const owner of now) owner.afterBatch();
      now.length = 0;
    }
  }

  #complete(): void {
    const { ring } = this;
    const { id, generation, result, flags } = ring;
    const slot = id >>> operationBits;
    if (slot === 0) {
      if (id === loopPollId) this.#loopPolled = false;
      else if (id === stayId) this.#staying = false;
      return;
    }
    this.coalescing.hear(slot);
    const owner = this.#owners[slot];
    this.check?.completion(owner, this.#generations[slot], generation);
    if (owner === null || owner === undefined || this.#generations[slot] !== generation) return;
    const buffer = (flags & 1) === 0 ? -1 : flags >>> bufferShift;
    owner.onCompletion(id & operationMask, result, ring.hasMore, buffer);
  }
}

/** Throws when there is no io_uring; ask `probeUring` first. */
export function openUringThread(deps: UringDeps, options: UringOptions): UringThread {
  const libc = openLibc();
  if (typeof libc === "string") throw new Error(libc);
  return new UringThread(libc, deps, options);
}

/** A power of two of buffers, in what bodies leave of `bytes`. */
function smallBufferCount(bytes: number): number {
  const wanted = Math.max(1, Math.floor((bytes - bodyBytes) / smallBufferBytes));
  return Math.min(32_768, 2 ** Math.floor(Math.log2(wanted)));
}

function ignoreTimer(): void {
  // It only keeps the loop alive.
}
