// SPDX-License-Identifier: Apache-2.0
// TCP sockets whose segments carry a keyed digest (RFC 2385) or must not have come far (RFC 5082): the options that
// routing protocols need and that node:net does not have. Linux only.

import { systemClock, type Cancel, type Clock } from "../core/index.ts";
import { openLibc, type Libc } from "./libc.ts";
import { ReadableWatch } from "./readable.ts";
import { encodeSocketAddress, family, familyOf, type SocketAddress } from "./socket-address.ts";
import { Sockets } from "./sockets.ts";
import { systemError } from "./system-error.ts";

export interface TcpGuards {
  /** At most 80 bytes; null = no digest. */
  readonly password: string | null;
  /** Of what is sent, 1..255; null = the system's. */
  readonly ttl: number | null;
  /** What comes with less is dropped by the kernel; null = everything is taken. */
  readonly minTtl: number | null;
}

const maxKeyBytes = 80;
const level = { ip: 0, tcp: 6, ipv6: 41 } as const;
const tcpMd5 = 14;
const ipOption = { ttl: 2, minTtl: 21 } as const;
const ipv6Option = { hops: 16, minHops: 73 } as const;
/** struct tcp_md5sig: sockaddr_storage, flags, prefixlen, keylen at 130, ifindex, key at 136. */
const md5 = { bytes: 216, keyLengthAt: 130, keyAt: 136 } as const;
const backlog = 64;
const maxTtl = 255;
const eagain = -11;
const retryMs = 100;

export class GuardedTcp {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #sockets: Sockets;

  constructor(libc: Libc, clock: Clock) {
    this.#libc = libc;
    this.#clock = clock;
    this.#sockets = new Sockets(libc);
  }

  /** A socket that is not connected yet, for `new net.Socket({ fd }).connect(…)`. Throws the system's error. */
  openStream(peer: string, guards: TcpGuards): number {
    const fd = this.#sockets.openStream(peer);
    if (fd < 0) throw systemError("socket", fd);
    try {
      if (guards.password !== null) this.setPassword(fd, peer, guards.password);
      this.limitHops(fd, peer, guards);
      return fd;
    } catch (error) {
      this.#sockets.close(fd);
      throw error;
    }
  }

  /**
   * Listens on one address of one family. What is accepted is the callback's, and inherits the passwords. Throws the
   * system's error.
   */
  listen(address: string, port: number, onAccepted: (fd: number, remote: SocketAddress) => void): GuardedListener {
    const fd = this.#sockets.openListener({ address, port, backlog, reusePort: false });
    // So that peers that want to see the most there is take our very first packet; others do not mind (RFC 5082 §3).
    this.limitHops(fd, address, { ttl: maxTtl, minTtl: null });
    this.#sockets.stopWaiting(fd);
    let cancel: Cancel = () => undefined;
    const watch: ReadableWatch = new ReadableWatch(this.#libc, fd, () => {
      for (;;) {
        const accepted = this.#sockets.acceptNow(fd);
        if (accepted === eagain) return;
        if (accepted < 0) {
          // A connection that is gone already costs a turn; with no descriptors left the same one would come for ever.
          watch.pause();
          cancel = this.#clock.after(retryMs, () => watch.resume());
          return;
        }
        onAccepted(accepted, this.#sockets.remoteAddress(accepted));
      }
    });
    watch.resume();
    return {
      port: this.#sockets.localAddress(fd).port,
      setPassword: (peer, password) => this.setPassword(fd, peer, password),
      close: () => {
        cancel();
        watch.close();
        this.#sockets.close(fd);
      },
    };
  }

  /** What `peer` must sign with; null takes the key away. Throws the system's error. */
  setPassword(fd: number, peer: string, password: string | null): void {
    const key = Buffer.from(password ?? "");
    if (key.length > maxKeyBytes) throw systemError("setsockopt", -22);
    const option = Buffer.alloc(md5.bytes);
    encodeSocketAddress(peer, 0, option);
    option.writeUInt16LE(key.length, md5.keyLengthAt);
    key.copy(option, md5.keyAt);
    const result = this.#libc.resultOf(this.#libc.setsockopt(fd, level.tcp, tcpMd5, option, option.length));
    option.fill(0);
    // ENOENT: there was no key to take away.
    if (result < 0 && !(password === null && result === -2)) throw systemError("setsockopt", result);
  }

  limitHops(fd: number, peer: string, { ttl, minTtl }: Pick<TcpGuards, "ttl" | "minTtl">): void {
    const isIpv4 = familyOf(peer) === family.ipv4;
    const at = isIpv4 ? level.ip : level.ipv6;
    if (ttl !== null) this.#set(fd, at, isIpv4 ? ipOption.ttl : ipv6Option.hops, ttl);
    if (minTtl !== null) this.#set(fd, at, isIpv4 ? ipOption.minTtl : ipv6Option.minHops, minTtl);
  }

  close(fd: number): void {
    this.#sockets.close(fd);
  }

  #set(fd: number, at: number, name: number, value: number): void {
    const result = this.#libc.resultOf(this.#libc.setsockopt(fd, at, name, new Int32Array([value]), 4));
    if (result < 0) throw systemError("setsockopt", result);
  }
}

export interface GuardedListener {
  readonly port: number;
  setPassword(peer: string, password: string | null): void;
  close(): void;
}

/** Or why there is none here. */
export function openGuardedTcp(clock: Clock = systemClock): GuardedTcp | string {
  if (process.platform !== "linux") return `these socket options are of Linux, and this is ${process.platform}`;
  const libc = openLibc();
  return typeof libc === "string" ? libc : new GuardedTcp(libc, clock);
}
