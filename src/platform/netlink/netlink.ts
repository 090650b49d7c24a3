// SPDX-License-Identifier: Apache-2.0
// rtnetlink (RFC 3549): questions answered at once by the kernel of this machine, and the notifications it sends. What
// messages mean is their readers' business.

import type { Libc } from "../libc.ts";
import { systemError } from "../system-error.ts";

const netlinkFamily = 16;
const rawSocket = 3;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const routeProtocol = 0;
const headerBytes = 16;
const addressBytes = 12;
const messageType = { error: 2, done: 3 } as const;
const enobufs = -105;
const eintr = -4;
/** The kernel fills at most 32 KiB of an answer at a time. */
const receiveBytes = 64 * 1024;

export const requestFlag = { request: 0x1, ack: 0x4, dump: 0x300, create: 0x400, replace: 0x100 } as const;

/** Called with the type of a message and its payload, which is valid during the call only. */
export type MessageReader = (type: number, payload: DataView<ArrayBuffer>) => void;

export class NetlinkSocket {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #received = new Uint8Array(new ArrayBuffer(receiveBytes));

  /** `groups` is a mask of RTMGRP_*, 0 for questions only. Throws the system's error. Needs no privilege. */
  constructor(libc: Libc, groups: number) {
    this.#libc = libc;
    this.fd = libc.resultOf(libc.socket(netlinkFamily, rawSocket | nonBlocking | closeOnExec, routeProtocol));
    if (this.fd < 0) throw systemError("netlink", this.fd);
    const address = new Uint8Array(addressBytes);
    const view = new DataView(address.buffer);
    view.setUint16(0, netlinkFamily, true);
    view.setUint32(8, groups, true);
    const bound = libc.resultOf(libc.bind(this.fd, address, addressBytes));
    if (bound === 0) return;
    libc.close(this.fd);
    throw systemError("netlink", bound);
  }

  /**
   * Asks, and reads the whole answer. Returns 0 or the kernel's negative error number. A kernel answers its own machine
   * while it takes the question, so nothing waits here.
   */
  ask(type: number, flags: number, payload: Uint8Array, read: MessageReader): number {
    const message = new Uint8Array(headerBytes + payload.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, message.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags | requestFlag.request, true);
    message.set(payload, headerBytes);
    const kernel = new Uint8Array(addressBytes);
    kernel[0] = netlinkFamily;
    const sent = this.#libc.resultOf(this.#libc.sendto(this.fd, message, message.length, 0, kernel, addressBytes));
    if (sent < 0) return sent;
    for (;;) {
      const result = this.#receive(read);
      if (result.finished) return result.error;
    }
  }

  /** Throws away what is waiting to be read: that something changed is all that is wanted of notifications. */
  drain(): void {
    for (;;) {
      const length = this.#libc.resultOf(this.#libc.recv(this.fd, this.#received, receiveBytes, 0));
      // Some were lost: a change too, and the next call reads on.
      if (length < 0 && length !== enobufs && length !== eintr) return;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  #receive(read: MessageReader): { readonly finished: boolean; readonly error: number } {
    const length = this.#libc.resultOf(this.#libc.recv(this.fd, this.#received, receiveBytes, 0));
    if (length === eintr) return { finished: false, error: 0 };
    if (length < 0) return { finished: true, error: length };
    const { buffer } = this.#received;
    const view = new DataView(buffer, 0, length);
    for (let at = 0; at + headerBytes <= length;) {
      const size = view.getUint32(at, true);
      if (size < headerBytes || at + size > length) break;
      const type = view.getUint16(at + 4, true);
      if (type === messageType.done) return { finished: true, error: 0 };
      // An acknowledgement is an error of 0.
      if (type === messageType.error) return { finished: true, error: view.getInt32(at + headerBytes, true) };
      read(type, new DataView(buffer, at + headerBytes, size - headerBytes));
      at += align(size);
    }
    return { finished: false, error: 0 };
  }
}

/** Attributes (struct rtattr) from `start` on: their type and value. Lists that do not fit end early. */
export function* attributesOf(
  payload: DataView<ArrayBuffer>,
  start: number,
): Generator<readonly [number, Uint8Array<ArrayBuffer>]> {
  for (let at = start; at + 4 <= payload.byteLength;) {
    const size = payload.getUint16(at, true);
    if (size < 4 || at + size > payload.byteLength) return;
    // The top bits say how the value is to be understood, which its reader knows.
    yield [
      payload.getUint16(at + 2, true) & 0x3fff,
      new Uint8Array(payload.buffer, payload.byteOffset + at + 4, size - 4),
    ];
    at += align(size);
  }
}

/** One attribute as bytes, padded. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
