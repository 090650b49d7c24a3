// SPDX-License-Identifier: Apache-2.0
// Stream sockets as file descriptors: made, bound, asked, closed. Everything here returns at once; what may take time
// is the ring's. Results below 0 are negative error numbers.

import type { Libc } from "./libc.ts";
import type { MappedMemory, Sendable } from "./mapped-memory.ts";
import { SendMessage } from "./send-message.ts";
import {
  decodeSocketAddress,
  encodeSocketAddress,
  family,
  familyOf,
  maxAddressBytes,
  type SocketAddress,
} from "./socket-address.ts";
import { openSplicePipe, type SplicePipe } from "./splice-pipe.ts";
import { systemError } from "./system-error.ts";

const streamSocket = 1;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setFileFlags = 4;
const level = { socket: 1, tcp: 6, ipv6: 41 } as const;
const option = { reuseAddress: 2, keepAlive: 9, linger: 13, reusePort: 15 } as const;
const tcpOption = { noDelay: 1, keepIdleSeconds: 4 } as const;
const ipv6Only = 26;
/** TCP keep-alive finds peers that vanished without a word. */
const keepAliveAfterSeconds = 60;
const shutdownWrite = 1;
const eafnosupport = -97;

export interface BindOptions {
  /** An IP address, the path of a Unix socket, or "" for all addresses. */
  readonly address: string;
  readonly port: number;
  readonly backlog: number;
  readonly reusePort: boolean;
}

export class Sockets {
  readonly #libc: Libc;
  readonly #address = new Uint8Array(maxAddressBytes);
  readonly #length = new Uint32Array(1);
  readonly #number = new Int32Array(1);
  readonly #linger = new Int32Array([1, 0]);
  /** Made when it is first needed. */
  #message: SendMessage | null = null;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** A listening socket. Throws the system's error. What it accepts inherits its TCP options. */
  openListener(options: BindOptions): number {
    if (options.address !== "") return this.#bind(options, options.address, false);
    try {
      return this.#bind(options, "::", true);
    } catch (error) {
      // A kernel without IPv6 still has all of IPv4.
      if (error instanceof Error && "errno" in error && error.errno === eafnosupport) {
        return this.#bind(options, "0.0.0.0", false);
      }
      throw error;
    }
  }

  /** A socket to connect to `address` with. */
  openStream(address: string): number {
    const kind = familyOf(address);
    const fd = this.#libc.resultOf(this.#libc.socket(kind, streamSocket | closeOnExec, 0));
    if (fd >= 0 && kind !== family.unix) this.#tune(fd);
    return fd;
  }

  localAddress(fd: number): SocketAddress {
    return this.#ask(this.#libc.getsockname, fd);
  }

  remoteAddress(fd: number): SocketAddress {
    return this.#ask(this.#libc.getpeername, fd);
  }

  /**
   * From now on `acceptNow`, `receive` and a pipe do not wait here. Of what a ring does only accepting and connecting
   * minds; receiving, sending and polling do not.
   */
  stopWaiting(fd: number): void {
    this.#libc.fcntl(fd, setFileFlags, nonBlocking);
  }

  /** The next connection that is complete; it does not wait either. */
  acceptNow(fd: number): number {
    return this.#libc.resultOf(this.#libc.accept4(fd, 0n, 0n, closeOnExec | nonBlocking));
  }

  /** Reads up to `most` bytes into `memory` where it need not wait; how many, 0 at the end, -EAGAIN when there is nothing. */
  receive(fd: number, memory: MappedMemory, most: number): number {
    return this.#libc.resultOf(this.#libc.readAt(fd, memory.address, most));
  }

  /** Sends what the kernel takes at once of `first` from `at` on and of `second` behind it; in bytes, or a negative error number. */
  sendBoth(
    fd: number,
    first: Sendable,
    at: number,
    length: number,
    second: Sendable,
    at2: number,
    length2: number,
  ): number {
    this.#message ??= new SendMessage(this.#libc);
    return this.#message.send(fd, first, at, length, second, at2, length2);
  }

  /** To move bytes from one socket to another by; null: there are no files left. */
  openPipe(): SplicePipe | null {
    return openSplicePipe(this.#libc);
  }

  /** Closing will send RST. */
  resetOnClose(fd: number): void {
    this.#libc.setsockopt(fd, level.socket, option.linger, this.#linger, this.#linger.byteLength);
  }

  endWriting(fd: number): number {
    return this.#libc.resultOf(this.#libc.shutdown(fd, shutdownWrite));
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  #bind(options: BindOptions, address: string, dual: boolean): number {
    const at = { address, port: options.port };
    const kind = familyOf(address);
    const length = encodeSocketAddress(address, options.port, this.#address);
    if (length === 0) throw systemError("listen", -22, at);
    const fd = this.#libc.resultOf(this.#libc.socket(kind, streamSocket | closeOnExec, 0));
    if (fd < 0) throw systemError("listen", fd, at);
    if (kind !== family.unix) {
      this.#set(fd, level.socket, option.reuseAddress, 1);
      if (options.reusePort) this.#set(fd, level.socket, option.reusePort, 1);
      if (kind === family.ipv6) this.#set(fd, level.ipv6, ipv6Only, dual ? 0 : 1);
      this.#tune(fd);
    }
    let result = this.#libc.resultOf(this.#libc.bind(fd, this.#address, length));
    if (result === 0) result = this.#libc.resultOf(this.#libc.listen(fd, options.backlog));
    if (result === 0) return fd;
    this.#libc.close(fd);
    throw systemError("listen", result, at);
  }

  #tune(fd: number): void {
    this.#set(fd, level.tcp, tcpOption.noDelay, 1);
    this.#set(fd, level.socket, option.keepAlive, 1);
    this.#set(fd, level.tcp, tcpOption.keepIdleSeconds, keepAliveAfterSeconds);
  }

  #set(fd: number, at: number, name: number, value: number): void {
    this.#number[0] = value;
    this.#libc.setsockopt(fd, at, name, this.#number, this.#number.byteLength);
  }

  #ask(call: Libc["getsockname"], fd: number): SocketAddress {
    this.#length[0] = maxAddressBytes;
    if (call(fd, this.#address, this.#length) !== 0) return { address: "", port: 0 };
    return decodeSocketAddress(this.#address, Math.min(this.#length[0], maxAddressBytes));
  }
}
