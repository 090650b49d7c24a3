// SPDX-License-Identifier: Apache-2.0
// The network interfaces of this machine with their addresses, as rtnetlink has them, and when they change. Needs no
// privilege.

import { ip, type Cancel, type Clock } from "../../core/index.ts";
import type { Libc } from "../libc.ts";
import { attributesOf, NetlinkSocket, requestFlag } from "./netlink.ts";
import { ReadableWatch } from "../readable.ts";
import { systemError } from "../system-error.ts";

const request = { getLink: 18, getAddress: 22 } as const;
const message = { newLink: 16, newAddress: 20 } as const;
const linkAttribute = { address: 1, name: 3, master: 10 } as const;
const addressAttribute = { address: 1, local: 2, flags: 8 } as const;
const linkFlag = { up: 0x1, broadcast: 0x2, loopback: 0x8, running: 0x40, noArp: 0x80 } as const;
/** IFA_F_DADFAILED and IFA_F_TENTATIVE: not usable, or not yet. */
const unusableFlags = 0x08 | 0x40;
const ethernet = 1;
const linkHeaderBytes = 16;
const addressHeaderBytes = 8;
/** Notifications of links and of IPv4 and IPv6 addresses. */
const changeGroups = 0x1 | 0x10 | 0x100;
/** Changes come in flocks: a pod that starts makes a dozen of them. */
const settleMs = 25;
const retryMs = 1_000;

export interface LinkAddress {
  readonly family: 4 | 6;
  /** Canonical text. */
  readonly address: string;
  readonly prefixLength: number;
  /** False while IPv6 still checks whether the address is taken, and when it was. */
  readonly usable: boolean;
}

export interface LinkInfo {
  readonly name: string;
  /** Positive; names may change, and a new interface has a new index. */
  readonly index: number;
  /** `02:00:00:00:00:01`; "" where the hardware is not Ethernet's. */
  readonly mac: string;
  /** Switched on (IFF_UP). */
  readonly up: boolean;
  /** Has a carrier too (IFF_RUNNING). */
  readonly running: boolean;
  readonly noArp: boolean;
  readonly loopback: boolean;
  readonly broadcast: boolean;
  /** Index of the bridge, bond or VRF it is part of, or 0. */
  readonly master: number;
  readonly addresses: readonly LinkAddress[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type OpenLink = Mutable<Omit<LinkInfo, "addresses">> & { readonly addresses: LinkAddress[] };

/** All interfaces, by index. Takes some 0.1 ms, plus 2 µs an interface. Throws the system's error. */
export function readLinks(libc: Libc): readonly LinkInfo[] {
  const socket = new NetlinkSocket(libc, 0);
  try {
    const links = new Map<number, OpenLink>();
    dump(socket, request.getLink, linkHeaderBytes, (type, payload) => {
      const link = type === message.newLink ? decodeLink(payload) : null;
      if (link !== null) links.set(link.index, link);
    });
    dump(socket, request.getAddress, addressHeaderBytes, (type, payload) => {
      if (type !== message.newAddress || payload.byteLength < addressHeaderBytes) return;
      const address = decodeAddress(payload);
      if (address !== null) links.get(payload.getUint32(4, true))?.addresses.push(address);
    });
    return [...links.values()].toSorted((left, right) => left.index - right.index);
  } finally {
    socket.close();
  }
}

/** Watches interfaces until it is closed. */
export interface LinkWatch {
  /** As of the last change. */
  readonly links: readonly LinkInfo[];
  close(): void;
}

/**
 * Reads the interfaces, and again some 25 ms after the kernel says that something changed; calls back when what was read
 * differs. Throws the system's error when they cannot be read to begin with. Keeps the process alive until it is closed.
 */
export function watchLinks(libc: Libc, clock: Clock, onChange: (links: readonly LinkInfo[]) => void): LinkWatch {
  // Subscribed first, so that nothing changes unseen in between.
  const socket = new NetlinkSocket(libc, changeGroups);
  let links: readonly LinkInfo[];
  try {
    links = readLinks(libc);
  } catch (error) {
    socket.close();
    throw error;
  }
  let settle: Cancel | null = null;
  const look = (): void => {
    settle = null;
    const before = JSON.stringify(links);
    try {
      links = readLinks(libc);
    } catch {
      // Out of memory or descriptors, which passes. What was read last holds until then.
      settle = clock.after(retryMs, look);
      return;
    }
    if (JSON.stringify(links) !== before) onChange(links);
  };
  const watch = new ReadableWatch(libc, socket.fd, () => {
    socket.drain();
    settle ??= clock.after(settleMs, look);
  });
  watch.resume();
  return {
    get links() {
      return links;
    },
    close() {
      settle?.();
      watch.close();
      socket.close();
    },
  };
}

function dump(
  socket: NetlinkSocket,
  type: number,
  headerBytes: number,
  read: (type: number, payload: DataView<ArrayBuffer>) => void,
): void {
  const result = socket.ask(type, requestFlag.dump, new Uint8Array(headerBytes), read);
  if (result < 0) throw systemError("netlink", result);
}

/** struct ifinfomsg and its attributes. */
function decodeLink(payload: DataView<ArrayBuffer>): OpenLink | null {
  if (payload.byteLength < linkHeaderBytes) return null;
  const isEthernet = payload.getUint16(2, true) === ethernet;
  const flags = payload.getUint32(8, true);
  const link: OpenLink = {
    name: "",
    index: payload.getInt32(4, true),
    mac: "",
    up: (flags & linkFlag.up) !== 0,
    running: (flags & linkFlag.running) !== 0,
    noArp: (flags & linkFlag.noArp) !== 0,
    loopback: (flags & linkFlag.loopback) !== 0,
    broadcast: (flags & linkFlag.broadcast) !== 0,
    master: 0,
    addresses: [],
  };
  for (const [type, value] of attributesOf(payload, linkHeaderBytes)) {
    if (type === linkAttribute.name) link.name = textOf(value);
    else if (type === linkAttribute.address && isEthernet && value.length === 6) link.mac = macText(value);
    else if (type === linkAttribute.master && value.length === 4) link.master = numberOf(value);
  }
  return link;
}

/** struct ifaddrmsg and its attributes. */
function decodeAddress(payload: DataView<ArrayBuffer>): LinkAddress | null {
  const size = payload.getUint8(0) === 2 ? 4 : payload.getUint8(0) === 10 ? 16 : 0;
  let flags = payload.getUint8(2);
  let bytes: Uint8Array | null = null;
  for (const [type, value] of attributesOf(payload, addressHeaderBytes)) {
    // On point-to-point links IFA_ADDRESS is the other end, and IFA_LOCAL ours.
    if (type === addressAttribute.local || (type === addressAttribute.address && bytes === null)) bytes = value;
    else if (type === addressAttribute.flags && value.length === 4) flags = numberOf(value);
  }
  if (bytes === null || size === 0 || bytes.length !== size) return null;
  const family = size === 4 ? 4 : 6;
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const usable = (flags & unusableFlags) === 0;
  return { family, address: ip.format({ family, value }), prefixLength: payload.getUint8(1), usable };
}

function numberOf(value: Uint8Array<ArrayBuffer>): number {
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}

/** Ends at the first zero byte. */
function textOf(value: Uint8Array): string {
  const end = value.indexOf(0);
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString();
}

function macText(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
