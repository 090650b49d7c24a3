// SPDX-License-Identifier: Apache-2.0
// What the admin pages show of an announcer, as plain data. Pure but for asking it.

import type { Announcer } from "./announcer.ts";
import type { LiveVips } from "./live-vips.ts";
import type { Vip } from "./vips.ts";

/** The page /vips. */
export function liveVips(announcer: Announcer, node: string): LiveVips {
  const { announcing, decision, members, stale, layer2Failure } = announcer.state();
  const { state, reason } = announcer.readiness();
  const layer2 = announcer.network.status();
  const byAddress = new Map(layer2.map((status) => [status.ip, status]));
  const allocations = new Map(announcing?.allocations.services.map((each) => [each.service, each]));
  const vips = (decision?.services ?? []).map((service): Vip => {
    const allocation = allocations.get(service.service);
    const { addresses, layer2Node, bgpPeers } = service;
    const isOurs = layer2Node === node && service.layer2Reason === null;
    const interfaces = addresses.flatMap((address) => byAddress.get(address)?.interfaces ?? []);
    const conflicts = addresses.flatMap((address) => {
      const { phase, foreign } = byAddress.get(address) ?? { phase: "announcing", foreign: null };
      return phase === "conflict" && foreign !== null ? [`${address} is in use by ${foreign.mac}`] : [];
    });
    const unserved = addresses.flatMap((address) => {
      const because = announcer.unserved.get(address);
      return because === undefined ? [] : [`${address} is not announced from here: ${because}`];
    });
    // That another node announces it is no news beside the name of that node.
    const why = layer2Node === null && bgpPeers.length === 0 && unserved.length === 0 ? service.reason : null;
    const notes = [...(allocation?.notes ?? []), ...conflicts, ...unserved, ...(why === null ? [] : [why])];
    return {
      service: service.service,
      addresses,
      pool: service.pool,
      layer2: layer2Node === null ? null : { node: layer2Node, interfaces: isOurs ? [...new Set(interfaces)] : null },
      bgp: bgpPeers.length === 0 ? null : { nodes: [node], peers: bgpPeers },
      note: allocation?.failure ?? (notes.join("; ") || null),
    };
  });
  return {
    node,
    state: state === "LIVE" ? state : `${state} (${reason})`,
    stale,
    layer2Failure,
    members: members.map(({ node: name, ready, seasoned, announced }) => ({
      node: name,
      ready,
      seasoned,
      addresses: announced.size,
    })),
    vips,
    layer2,
    bgpPeers: announcer.bgp.status(),
    splitBrains: announcer.group.splitBrains(),
    nameCollisions: announcer.group.nameCollisions(),
    serviceL2Statuses: vips.flatMap((vip) => {
      const interfaces = vip.layer2?.interfaces;
      return interfaces == null ? [] : [{ ...statusOf(node, vip), interfaces: interfaces.map((name) => ({ name })) }];
    }),
    serviceBGPStatuses: vips.flatMap((vip) =>
      vip.bgp === null ? [] : [{ ...statusOf(node, vip), peers: vip.bgp.peers }],
    ),
  };
}

/** The page /config_dump: all of it but secrets. */
export function announcingDump(announcer: Announcer) {
  const { announcing, problems, stale } = announcer.state();
  if (announcing === null) return { problems, stale };
  const { config, allocations } = announcing;
  return {
    problems,
    stale,
    ...config,
    peers: config.peers.map((peer) => ({ ...peer, password: peer.password === null ? null : "(hidden)" })),
    allocations: allocations.services,
  };
}

function statusOf(node: string, { service }: Vip) {
  const [serviceNamespace = "", serviceName = ""] = service.split("/");
  return { node, serviceName, serviceNamespace };
}
