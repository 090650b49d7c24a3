// SPDX-License-Identifier: Apache-2.0
// Which service has which address, and who announces it to whom: the one shape of it that `naru vips` and the admin page
// /vips show, as data and as a table. Pure.

import { renderTable } from "../../cli/index.ts";

/** One service. */
export interface Vip {
  /** `namespace/name`. */
  readonly service: string;
  /** IPv4 first; empty = it has none. */
  readonly addresses: readonly string[];
  /** "" without addresses. */
  readonly pool: string;
  /** null = no L2Advertisement is about it, or nobody can announce it. */
  readonly layer2: {
    /** `anyNode` = whichever there is; files that describe no node do not tell. */
    readonly node: string;
    /** Of the node that was asked; null = another one announces it. Empty = all. */
    readonly interfaces: readonly string[] | null;
  } | null;
  /** null = it is announced to nobody. */
  readonly bgp: { readonly nodes: readonly string[]; readonly peers: readonly string[] } | null;
  /** Why it has no address or is not announced, or less than asked for; null = all is well. */
  readonly note: string | null;
}

/** Stands for a node where none has a name. */
export const anyNode = "(any)";

/** Whether it can be reached, as far as is known. */
export function isReachable({ layer2, bgp }: Vip): boolean {
  return layer2 !== null || bgp !== null;
}

/** A row for each way in which a service is announced; a service that is not announced has one, too. */
export function renderVips(
  vips: readonly Vip[],
  width: number | null,
  styleTitle: (text: string) => string = (text) => text,
): string {
  const titles = ["SERVICE", "ADDRESS", "POOL", "PROTOCOL", "NODE", "PEERS", "NOTE"];
  const rows = vips.flatMap((vip) => {
    const { layer2, bgp } = vip;
    const head = [vip.service, vip.addresses.join(",") || "-", vip.pool || "-"];
    const note = vip.note ?? "";
    const lines: string[][] = [];
    if (layer2 !== null) lines.push([...head, "layer2", layer2.node, "", note]);
    if (bgp !== null) lines.push([...head, "bgp", bgp.nodes.join(","), bgp.peers.join(","), note]);
    return lines.length > 0 ? lines : [[...head, "-", "-", "", note]];
  });
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
    width,
    styleTitle,
  );
}
