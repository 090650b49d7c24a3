// SPDX-License-Identifier: Apache-2.0
// ARP and neighbor discovery on the wire, for addresses that are not the kernel's own: whole Ethernet frames in and out on
// all interfaces, and the multicast groups that solicitations are sent to.

import { ip, type Clock } from "../core/index.ts";
import { openLibc, type Libc } from "./libc.ts";
import { arpFilter, neighborFilter } from "./packet-filter.ts";
import { PacketSocket, type FrameHandler } from "./packet-socket.ts";

const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;
const ipv6Family = 10;
const datagramSocket = 2;
const closeOnExec = 0o2000000;
const ipv6Level = 41;
const ipv6Option = { joinGroup: 20, leaveGroup: 21 } as const;
const enomem = -12;
const eaddrinuse = -98;
const enobufs = -105;

export interface PacketCounts {
  /** Frames that passed the filter. */
  readonly received: number;
  /** Frames dropped by the kernel because they came faster than they may be taken. */
  readonly overrun: number;
  readonly oversized: number;
  /** Frames that the system did not send, and receive calls that failed. */
  readonly failed: number;
}

/** Frames of ARP and of neighbor discovery. Whoever opened it closes it. */
export interface PacketPort {
  /** Which addresses frames must name to be received: none to begin with. Throws the system's error. */
  setAddresses(addresses: readonly ip.Ip[]): void;
  /** Hands over what is received. Once. Throws the system's error. */
  start(onFrame: FrameHandler): void;
  /** Receives what is sent to this IPv6 group on this interface. False when the interface has no IPv6, or is gone. */
  join(link: number, group: string): boolean;
  leave(link: number, group: string): void;
  /** Sends `frame[0, length)`, an ARP or IPv6 frame, by this interface. False when the system did not take it. */
  send(link: number, frame: Uint8Array, length: number): boolean;
  counts(): PacketCounts;
  close(): void;
}

/** Opens the sockets, or says in one line why not and what to do. Needs node:ffi and CAP_NET_RAW. */
export function openPackets(clock: Clock): PacketPort | string {
  if (process.platform !== "linux") return `packet sockets are of Linux, and this is ${process.platform}`;
  const libc = openLibc();
  if (typeof libc === "string")
    return `${libc}; Node 26.5 or newer has it, unless --no-experimental-ffi or --permission forbids it`;
  try {
    return open(libc, clock);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "EPERM" || code === "EACCES") {
      return (
        "packet sockets need the capability NET_RAW: run as root, with `setcap cap_net_raw+ep` on node, or in Kubernetes " +
        'with securityContext.capabilities.add: ["NET_RAW"] and hostNetwork: true'
      );
    }
    throw error;
  }
}

function open(libc: Libc, clock: Clock): PacketPort {
  const arp = new PacketSocket(libc, clock, etherType.arp);
  try {
    const packets = new Packets(libc, arp, new PacketSocket(libc, clock, etherType.ipv6));
    packets.setAddresses([]);
    return packets;
  } catch (error) {
    arp.close();
    throw error;
  }
}

class Packets implements PacketPort {
  readonly #libc: Libc;
  readonly #arp: PacketSocket;
  readonly #neighbor: PacketSocket;
  /** The kernel bounds how many groups one socket is in: another takes the rest. */
  readonly #groupSockets: number[] = [];
  /** `link group` → the socket that is in it. */
  readonly #groups = new Map<string, number>();
  #unsent = 0;

  constructor(libc: Libc, arp: PacketSocket, neighbor: PacketSocket) {
    this.#libc = libc;
    this.#arp = arp;
    this.#neighbor = neighbor;
  }

  setAddresses(addresses: readonly ip.Ip[]): void {
    this.#arp.filter(arpFilter(addresses));
    this.#neighbor.filter(neighborFilter(addresses));
  }

  start(onFrame: FrameHandler): void {
    this.#arp.listen(onFrame);
    this.#neighbor.listen(onFrame);
  }

  join(link: number, group: string): boolean {
    const key = `${link} ${group}`;
    if (this.#groups.has(key)) return true;
    for (let at = 0; ; at++) {
      const isNew = at === this.#groupSockets.length;
      if (isNew) {
        const fd = this.#libc.resultOf(this.#libc.socket(ipv6Family, datagramSocket | closeOnExec, 0));
        // A kernel without IPv6, or out of descriptors.
        if (fd < 0) return false;
        this.#groupSockets.push(fd);
      }
      const fd = this.#groupSockets[at]!;
      const result = this.#membership(fd, ipv6Option.joinGroup, link, group);
      const isFull = result === enobufs || result === enomem;
      if (isFull && !isNew) continue;
      // In it already: the interface was switched off and on.
      const joined = result === 0 || result === eaddrinuse;
      if (joined) this.#groups.set(key, fd);
      return joined;
    }
  }

  leave(link: number, group: string): void {
    const key = `${link} ${group}`;
    const fd = this.#groups.get(key);
    if (fd === undefined) return;
    this.#groups.delete(key);
    // Fails when the interface is gone, and its groups with it.
    this.#membership(fd, ipv6Option.leaveGroup, link, group);
  }

  send(link: number, frame: Uint8Array, length: number): boolean {
    const isArp = frame[12] === etherType.arp >> 8 && frame[13] === (etherType.arp & 0xff);
    const sent = (isArp ? this.#arp : this.#neighbor).send(link, frame, length) === 0;
    if (!sent) this.#unsent++;
    return sent;
  }

  counts(): PacketCounts {
    const [arp, neighbor] = [this.#arp, this.#neighbor];
    return {
      received: arp.received + neighbor.received,
      overrun: arp.dropped + neighbor.dropped,
      oversized: arp.oversized + neighbor.oversized,
      failed: arp.failures + neighbor.failures + this.#unsent,
    };
  }

  close(): void {
    this.#arp.close();
    this.#neighbor.close();
    // Which leaves the groups too.
    for (const fd of this.#groupSockets) this.#libc.close(fd);
    this.#groupSockets.length = 0;
    this.#groups.clear();
  }

  /** struct ipv6_mreq: the group and the interface. */
  #membership(fd: number, option: number, link: number, group: string): number {
    const request = new Uint8Array(20);
    let rest = ip.parse(group)?.value ?? 0n;
    for (let at = 15; at >= 0; at--, rest >>= 8n) request[at] = Number(rest & 0xffn);
    new DataView(request.buffer).setUint32(16, link, true);
    return this.#libc.resultOf(this.#libc.setsockopt(fd, ipv6Level, option, request, request.length));
  }
}
