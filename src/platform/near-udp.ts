// SPDX-License-Identifier: Apache-2.0
// UDP sockets that hear only what has passed no router: the check of RFC 5082, done by the kernel, for node:dgram, which
// does not tell the TTL of what it receives. Linux only.

import { openLibc, type Libc } from "./libc.ts";
import type { FilterInstruction } from "./packet-filter.ts";
import { encodeSocketAddress, family as addressFamily, maxAddressBytes } from "./socket-address.ts";
import { attachFilter } from "./socket-filter.ts";
import { systemError } from "./system-error.ts";

const datagramSocket = 2;
const closeOnExec = 0o2000000;
const ipv6Level = 41;
const ipv6Only = 26;
/** SKF_NET_OFF: where the kernel shows a program the IP header of what comes to a UDP socket. */
const ipHeaderAt = 0xfff0_0000;
const ttlAt = { 4: 8, 6: 7 } as const;
const neverForwarded = 255;
const everything = 0x4_0000;

/**
 * A descriptor of a socket bound to `port` of all addresses of a family, for `dgram.Socket.bind({ fd })`. null where
 * node:ffi cannot be used. Throws the system's error.
 */
export function openNearUdp(family: 4 | 6, port: number): number | null {
  const libc = process.platform === "linux" ? openLibc() : "not Linux";
  if (typeof libc === "string") return null;
  const at = { address: family === 4 ? "0.0.0.0" : "::", port };
  const kind = family === 4 ? addressFamily.ipv4 : addressFamily.ipv6;
  const fd = libc.resultOf(libc.socket(kind, datagramSocket | closeOnExec, 0));
  if (fd < 0) throw systemError("socket", fd, at);
  try {
    attachFilter(libc, fd, neverForwardedFilter(family));
    if (family === 6) check(libc, "setsockopt", libc.setsockopt(fd, ipv6Level, ipv6Only, new Int32Array([1]), 4), at);
    const address = new Uint8Array(maxAddressBytes);
    const length = encodeSocketAddress(at.address, port, address);
    check(libc, "bind", libc.bind(fd, address, length), at);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function neverForwardedFilter(family: 4 | 6): readonly FilterInstruction[] {
  return [
    [0x30, 0, 0, ipHeaderAt + ttlAt[family]],
    [0x15, 0, 1, neverForwarded],
    [0x06, 0, 0, everything],
    [0x06, 0, 0, 0],
  ];
}

function check(libc: Libc, call: string, returned: number, at: { address: string; port: number }): void {
  const result = libc.resultOf(returned);
  if (result < 0) throw systemError(call, result, at);
}
