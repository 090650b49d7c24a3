// SPDX-License-Identifier: Apache-2.0
// What a running announcer says about itself: the data of its admin page /vips, and the tables made of it. Pure.

import type { BgpPeerStatus, L2Status } from "../../announce/index.ts";
import { renderTable } from "../../cli/index.ts";
import { formatHostPort } from "../../core/index.ts";
import { renderVips, type Vip } from "./vips.ts";

/** Plain data: what JSON.parse of the page gives. */
export interface LiveVips {
  readonly node: string;
  /** LIVE, or why not. */
  readonly state: string;
  /** The configuration has errors, and an older one is in force. */
  readonly stale: boolean;
  /** Why there is no layer 2 here; null = there is, or none is asked for. */
  readonly layer2Failure: string | null;
  readonly members: readonly LiveMember[];
  readonly vips: readonly Vip[];
  /** Addresses that this node answers for. */
  readonly layer2: readonly L2Status[];
  readonly bgpPeers: readonly BgpPeerStatus[];
  /** Addresses that several nodes announce, and names that several nodes have. */
  readonly splitBrains: readonly { readonly address: string; readonly nodes: readonly string[] }[];
  readonly nameCollisions: readonly string[];
  /** `status` of the ServiceL2Status and ServiceBGPStatus resources that MetalLB would write on this node. */
  readonly serviceL2Statuses: readonly ServiceL2Status[];
  readonly serviceBGPStatuses: readonly ServiceBGPStatus[];
}

export interface LiveMember {
  readonly node: string;
  readonly ready: boolean;
  /** It may take addresses from others. */
  readonly seasoned: boolean;
  /** How many addresses it announces by layer 2. */
  readonly addresses: number;
}

interface ServiceStatus {
  readonly node: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
}

export interface ServiceL2Status extends ServiceStatus {
  /** Empty = all. */
  readonly interfaces: readonly { readonly name: string }[];
}

export interface ServiceBGPStatus extends ServiceStatus {
  /** Names of BGPPeers. */
  readonly peers: readonly string[];
}

/** Services, then BGP sessions, nodes and what is wrong, as far as there is any of it. */
export function renderLiveVips(
  live: LiveVips,
  width: number | null,
  styleTitle: (text: string) => string = (text) => text,
): string {
  const { node, state, stale, layer2Failure, members, vips, bgpPeers, splitBrains, nameCollisions } = live;
  const parts = [`node ${node}: ${state}\n`];
  if (vips.length > 0) parts.push(renderVips(vips, width, styleTitle));
  if (bgpPeers.length > 0) {
    const titles = ["BGP PEER", "ADDRESS", "SESSION", "PREFIXES", "LAST ERROR"];
    const rows = bgpPeers.map(({ name, address, port, state: session, announcedPrefixes, lastError }) => [
      name,
      formatHostPort(address, port),
      session,
      String(announcedPrefixes),
      lastError ?? "",
    ]);
    parts.push(tableOf(titles, rows, width, styleTitle));
  }
  if (members.length > 1) {
    const rows = members.map((each) => [each.node, each.ready ? "yes" : "no", String(each.addresses)]);
    parts.push(tableOf(["NODE", "READY", "ADDRESSES"], rows, width, styleTitle));
  }
  const warnings = [
    ...(stale ? ["the configuration has errors, and an older one is in force: see /problems"] : []),
    ...(layer2Failure === null ? [] : [`layer 2 is off: ${layer2Failure}`]),
    ...splitBrains.map(({ address, nodes }) => `${address} is announced by several nodes: ${nodes.join(", ")}`),
    ...nameCollisions.map((name) => `two live nodes are called ${name}`),
  ];
  if (warnings.length > 0) parts.push(warnings.map((warning) => `warning: ${warning}\n`).join(""));
  return parts.join("\n");
}

function tableOf(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | null,
  styleTitle: (text: string) => string,
): string {
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
    width,
    styleTitle,
  );
}
