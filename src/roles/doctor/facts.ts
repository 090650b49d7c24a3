// SPDX-License-Identifier: Apache-2.0
// All that the checks know of this machine. Data: read once by read-facts.ts, and made up by tests.

import type { LiveVips } from "../announce/live-vips.ts";
import type { LinkInfo, UringAvailability } from "../../platform/index.ts";

export interface Facts {
  /** Of Node.js, without a v. */
  readonly nodeVersion: string;
  /** Why node:ffi cannot be used; null = it can. */
  readonly ffi: string | null;
  /** Why packet sockets cannot be opened, and what to do; null = they can. */
  readonly packets: string | null;
  /** CapEff of this process; null = the system has none. */
  readonly capabilities: bigint | null;
  readonly uring: UringAvailability;
  /** null = unknown, for want of node:ffi. */
  readonly links: readonly LinkInfo[] | null;
  /** Names of interfaces that are Wi-Fi. */
  readonly wireless: readonly string[];
  /** What of ARP would make this kernel answer for addresses that it only has, as `arpHazards` says it. */
  readonly arpHazards: readonly string[];
  /** net.ipv4.conf.NAME.rp_filter by NAME, `all` included; a name that is not there has none. */
  readonly reversePathFilters: ReadonlyMap<string, number>;
  /** `ulimit -n`; null = unknown. */
  readonly openFiles: number | null;
  readonly threads: number;
  /** net.core.somaxconn; null = unknown. */
  readonly longestBacklog: number | null;
  /** net.ipv4.ip_unprivileged_port_start; null = unknown. */
  readonly firstFreePort: number | null;
  /** net.ipv4.tcp_migrate_req is 1. */
  readonly migratesConnections: boolean;
  /** Ports that the announcer would have here. Empty when one runs already. */
  readonly ports: readonly PortFact[];
  /** What the announcer says that answers at the admin port; null = none does. */
  readonly running: LiveVips | null;
  /** null = there is no --key-file. */
  readonly keyFile: KeyFileFact | null;
}

export interface PortFact {
  /** What it is for. */
  readonly use: string;
  /** Option that changes it, with dashes. */
  readonly option: string;
  /** `host:port`. */
  readonly at: string;
  readonly port: number;
  /** Code of the system's error when it was bound for a moment; null = it can be had. */
  readonly failure: string | null;
}

export interface KeyFileFact {
  readonly path: string;
  /** Why it gives no keys; null = it does. */
  readonly failure: string | null;
  /** Permission bits of its mode; 0 where it gives no keys. */
  readonly mode: number;
}

/** Who answers for an address that is to be announced. */
export interface ForeignClaim {
  readonly ip: string;
  readonly mac: string;
  readonly interface: string;
}
