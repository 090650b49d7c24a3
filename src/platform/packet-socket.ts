// SPDX-License-Identifier: Apache-2.0
// One AF_PACKET socket that hears one protocol on all interfaces (packet(7)). What it receives comes in batches, by one
// system call each, into memory of its own; how much it receives in a time is bounded.

import type { Cancel, Clock } from "../core/index.ts";
import type { Libc } from "./libc.ts";
import { mapMemory, type MappedMemory } from "./mapped-memory.ts";
import type { FilterInstruction } from "./packet-filter.ts";
import { ReadableWatch } from "./readable.ts";
import { attachFilter } from "./socket-filter.ts";
import { systemError } from "./system-error.ts";

const packetFamily = 17;
const rawSocket = 3;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const socketLevel = { packet: 263 } as const;
const packetStatistics = 6;
const dontWait = 0x40;
const truncated = 0x20;
const eagain = -11;
const eintr = -4;

/** sockaddr_ll: what of it the kernel reads and writes. */
const address = { bytes: 20, protocolAt: 2, linkAt: 4 } as const;
/** An Ethernet's longest frame, for solicitations that are signed (RFC 3971) have long options. */
const slotBytes = 1_536;
const batchFrames = 64;
/** mmsghdr, in words of 32 bits on every 64-bit Linux. */
const headerWords = 16;
const headerWord = {
  nameLow: 0,
  nameHigh: 1,
  nameBytes: 2,
  vectorLow: 4,
  vectorHigh: 5,
  vectors: 6,
  flags: 12,
  length: 14,
} as const;
const vectorWords = 4;
const nameWords = 8;

/** Frames handled in a window of time; what more arrives waits, and then drops, in the kernel. */
const windowMs = 20;
const framesPerWindow = 512;
const retryAfterErrorMs = 100;

/** `frame[0, length)` is valid during the call only. `link` is the index of the interface. */
export type FrameHandler = (frame: Uint8Array, length: number, link: number) => void;

export class PacketSocket {
  /** Frames handed over. */
  received = 0;
  /** Longer than an Ethernet's frames. */
  oversized = 0;
  /** Receive calls that failed. */
  failures = 0;
  readonly #libc: Libc;
  readonly #clock: Clock;
  /** -1 once it is closed: the number may be somebody else's by then. */
  #fd: number;
  readonly #memory: MappedMemory;
  readonly #words: Int32Array;
  readonly #slots: readonly Uint8Array[];
  readonly #namesAt: number;
  readonly #to = new Uint8Array(new ArrayBuffer(address.bytes));
  readonly #toLink: DataView;
  #watch: ReadableWatch | null = null;
  #onFrame: FrameHandler | null = null;
  #dropped = 0;
  #windowEndsMs = 0;
  #windowFrames = 0;
  #pause: Cancel | null = null;

  /** `protocol` is an EtherType. Hears nothing before `listen`. Throws the system's error: EPERM without CAP_NET_RAW. */
  constructor(libc: Libc, clock: Clock, protocol: number) {
    this.#libc = libc;
    this.#clock = clock;
    // Of no protocol until it is bound: nothing arrives before the filter is in place.
    this.#fd = libc.resultOf(libc.socket(packetFamily, rawSocket | nonBlocking | closeOnExec, 0));
    if (this.#fd < 0) throw systemError("socket", this.#fd);
    const vectorsAt = batchFrames * headerWords;
    this.#namesAt = vectorsAt + batchFrames * vectorWords;
    const slotsAt = (this.#namesAt + batchFrames * nameWords) * 4;
    this.#memory = mapMemory(libc, slotsAt + batchFrames * slotBytes);
    const { buffer } = this.#memory.bytes;
    this.#words = new Int32Array(buffer, 0, slotsAt / 4);
    this.#slots = Array.from(
      { length: batchFrames },
      (_, at) => new Uint8Array(buffer, slotsAt + at * slotBytes, slotBytes),
    );
    this.#lay(vectorsAt, slotsAt);
    this.#toLink = new DataView(this.#to.buffer);
    this.#toLink.setUint16(0, packetFamily, true);
    this.#toLink.setUint16(address.protocolAt, protocol);
  }

  /** Frames that the kernel dropped since the start because they came faster than they were taken. */
  get dropped(): number {
    // The kernel counts from one reading to the next.
    const counts = new Uint32Array(2);
    const size = new Uint32Array([counts.byteLength]);
    if (this.#libc.getsockopt(this.#fd, socketLevel.packet, packetStatistics, counts, size) === 0)
      this.#dropped += counts[1]!;
    return this.#dropped;
  }

  /** Only frames that the program takes are received from now on. Throws the system's error. */
  filter(program: readonly FilterInstruction[]): void {
    attachFilter(this.#libc, this.#fd, program);
  }

  /** Hands over frames from the next turn of the event loop on. Throws the system's error. Once. */
  listen(onFrame: FrameHandler): void {
    const from = new Uint8Array(this.#to);
    from.fill(0, address.linkAt);
    const result = this.#libc.resultOf(this.#libc.bind(this.#fd, from, from.length));
    if (result < 0) throw systemError("bind", result);
    this.#onFrame = onFrame;
    this.#watch = new ReadableWatch(this.#libc, this.#fd, () => this.#receive());
    this.#watch.resume();
  }

  /** Sends a whole frame, Ethernet header included. 0, or the system's negative error number; nothing waits. */
  send(link: number, frame: Uint8Array, length: number): number {
    this.#toLink.setInt32(address.linkAt, link, true);
    const sent = this.#libc.sendto(this.#fd, frame, length, dontWait, this.#to, address.bytes);
    return sent < 0 ? this.#libc.resultOf(sent) : 0;
  }

  close(): void {
    if (this.#onFrame !== null) this.#onFrame = ignoreFrame;
    this.#pause?.();
    this.#watch?.close();
    this.#libc.close(this.#fd);
    this.#fd = -1;
    this.#memory.release();
  }

  /** Where the kernel is to put what it receives. */
  #lay(vectorsAt: number, slotsAt: number): void {
    const { low, high } = this.#memory;
    const words = this.#words;
    for (let at = 0; at < batchFrames; at++) {
      const header = at * headerWords;
      const vector = vectorsAt + at * vectorWords;
      words[header + headerWord.nameLow] = low + (this.#namesAt + at * nameWords) * 4;
      words[header + headerWord.nameHigh] = high;
      words[header + headerWord.nameBytes] = address.bytes;
      words[header + headerWord.vectorLow] = low + vector * 4;
      words[header + headerWord.vectorHigh] = high;
      words[header + headerWord.vectors] = 1;
      words[vector] = low + slotsAt + at * slotBytes;
      words[vector + 1] = high;
      words[vector + 2] = slotBytes;
    }
  }

  /** One batch: what else is there is for the next turn of the event loop. */
  #receive(): void {
    const count = this.#libc.recvmmsg(this.#fd, this.#memory.address, batchFrames, dontWait, 0n);
    if (count < 0) {
      const result = this.#libc.resultOf(count);
      if (result === eagain || result === eintr) return;
      this.failures++;
      this.#rest(retryAfterErrorMs);
      return;
    }
    const words = this.#words;
    for (let at = 0; at < count; at++) {
      const header = at * headerWords;
      words[header + headerWord.nameBytes] = address.bytes;
      if ((words[header + headerWord.flags]! & truncated) !== 0) {
        this.oversized++;
        continue;
      }
      this.received++;
      this.#onFrame?.(this.#slots[at]!, words[header + headerWord.length]!, words[this.#namesAt + at * nameWords + 1]!);
    }
    this.#account(count);
  }

  #account(count: number): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#windowEndsMs) {
      this.#windowEndsMs = nowMs + windowMs;
      this.#windowFrames = 0;
    }
    this.#windowFrames += count;
    if (this.#windowFrames >= framesPerWindow) this.#rest(this.#windowEndsMs - nowMs);
  }

  #rest(durationMs: number): void {
    this.#watch?.pause();
    this.#pause = this.#clock.after(durationMs, () => this.#watch?.resume());
  }
}

function ignoreFrame(): void {
  // Closed by the handler of an earlier frame of the same batch.
}
