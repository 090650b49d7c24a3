// SPDX-License-Identifier: Apache-2.0
// Gives this machine addresses and takes them back, by rtnetlink, and looks whether its kernel would then answer ARP for
// them by itself.

import { readFileSync } from "node:fs";
import { getSystemErrorName } from "node:util";

import { ip } from "../../core/index.ts";
import type { Libc } from "../libc.ts";
import { attribute, NetlinkSocket, requestFlag } from "./netlink.ts";

const request = { newAddress: 20, deleteAddress: 21 } as const;
const addressAttribute = { address: 1, local: 2, cacheInfo: 6, flags: 8 } as const;
const family = { 4: 2, 6: 10 } as const;
/** IFA_F_NODAD: whoever binds an address has checked that it is free. */
const noDuplicateCheck = 0x02;
const forever = 0xffff_ffff;
const missing = -99;

/**
 * Adds `address` alone, without its subnet, to the interface with this index: what is sent to it is then for this machine. It is
 * never chosen as the source of what others on this machine send (RFC 6724 calls that deprecated). The kernel takes it back
 * after `lifetimeSeconds`, null = never; binding it again renews it. null, or in one line why not. Needs NET_ADMIN.
 */
export function bindAddress(
  libc: Libc,
  linkIndex: number,
  address: string,
  lifetimeSeconds: number | null,
): string | null {
  const cacheInfo = new Uint32Array([0, lifetimeSeconds ?? forever, 0, 0]);
  const flags = new Uint32Array([noDuplicateCheck]);
  const result = change(libc, request.newAddress, requestFlag.create | requestFlag.replace, linkIndex, address, [
    attribute(addressAttribute.cacheInfo, new Uint8Array(cacheInfo.buffer)),
    attribute(addressAttribute.flags, new Uint8Array(flags.buffer)),
  ]);
  return problemOf("be bound", address, result);
}

/** Takes the address back; one that is not there is no problem. null, or in one line why not. Needs NET_ADMIN. */
export function unbindAddress(libc: Libc, linkIndex: number, address: string): string | null {
  const result = change(libc, request.deleteAddress, 0, linkIndex, address, []);
  return result === missing ? null : problemOf("be taken back", address, result);
}

/**
 * What would let the kernel answer ARP for bound addresses on these interfaces, whoever announces them, or use them in its own
 * requests: one line each. `root` is where procfs is.
 */
export function arpHazards(interfaces: readonly string[], root = "/proc"): readonly string[] {
  const needed = [
    ["arp_ignore", 1, "this kernel answers ARP for addresses of all its interfaces"],
    ["arp_announce", 2, "this kernel asks by ARP in the name of any of its addresses"],
  ] as const;
  return interfaces.flatMap((name) =>
    needed.flatMap(([setting, least, meaning]) => {
      const values = ["all", name].map((each) => readSetting(`${root}/sys/net/ipv4/conf/${each}/${setting}`));
      // The kernel takes the larger one.
      const value = Math.max(...values);
      if (value >= least) return [];
      return [`net.ipv4.conf.${name}.${setting} is ${value}: ${meaning}; set net.ipv4.conf.all.${setting} to ${least}`];
    }),
  );
}

function change(
  libc: Libc,
  type: number,
  flags: number,
  linkIndex: number,
  text: string,
  more: readonly Uint8Array[],
): number {
  const address = ip.parse(text);
  if (address === null) throw new RangeError(`not an IP address: ${text}`);
  const bytes = bytesOf(address);
  // struct ifaddrmsg.
  const head = new Uint8Array(8);
  head[0] = family[address.family];
  head[1] = bytes.length * 8;
  new DataView(head.buffer).setUint32(4, linkIndex, true);
  const parts = [head, attribute(addressAttribute.local, bytes), attribute(addressAttribute.address, bytes), ...more];
  const socket = new NetlinkSocket(libc, 0);
  try {
    return socket.ask(type, flags | requestFlag.ack, Buffer.concat(parts), ignoreMessage);
  } finally {
    socket.close();
  }
}

function problemOf(what: string, address: string, result: number): string | null {
  if (result === 0) return null;
  const name = getSystemErrorName(result);
  const advice = name === "EPERM" ? ", which needs the capability NET_ADMIN" : "";
  return `${address} cannot ${what}: ${name}${advice}`;
}

/** 0 where there is no such setting: the kernel's default. */
function readSetting(path: string): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return 0;
  }
}

function bytesOf({ family: kind, value }: ip.Ip): Uint8Array {
  const bytes = new Uint8Array(kind === 4 ? 4 : 16);
  let rest = value;
  for (let at = bytes.length - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

function ignoreMessage(): void {
  // The answer is an acknowledgement only.
}
