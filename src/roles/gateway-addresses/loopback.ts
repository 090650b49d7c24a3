// SPDX-License-Identifier: Apache-2.0
// Addresses of this machine's loopback, for a gateway that can have no announced ones. Pure.

import { allocate, type Allocation, type AnnouncedService } from "../../announce/index.ts";
import type { IPAddressPool } from "../../model/index.ts";
import type { LiveVips } from "../announce/live-vips.ts";

/** The first is the one that every system has, and that `localhost` means. */
const pool: IPAddressPool = {
  kind: "IPAddressPool",
  namespace: "",
  name: "loopback",
  labels: {},
  createdMs: null,
  order: 0,
  position: { file: "", line: 0, column: 0 },
  ranges: [
    {
      position: { file: "", line: 0, column: 0 },
      text: "127.0.0.1-127.0.0.254",
      family: 4,
      first: "127.0.0.1",
      last: "127.0.0.254",
    },
  ],
  autoAssign: true,
  avoidBuggyIPs: false,
  serviceAllocation: null,
};

/** One for each service, in the order given; what they ask for is not to be had. */
export function loopbackAddresses(services: readonly AnnouncedService[]): readonly Allocation[] {
  const asking = services.map((service) => ({
    ...service,
    families: [4 as const],
    familyPolicy: "SingleStack" as const,
    requested: [],
    requestedPool: "",
    current: [],
  }));
  return allocate([pool], asking).services;
}

/** The page /vips of a process that announces nothing. */
export function localVips(node: string, allocations: readonly Allocation[], reason: string): LiveVips {
  return {
    node,
    state: `LIVE (announces nothing: ${reason})`,
    stale: false,
    layer2Failure: null,
    members: [],
    vips: allocations.map(({ service, addresses, pool: name, failure }) => {
      const note = failure ?? `reachable from this machine only: ${reason}`;
      return { service, addresses, pool: name, layer2: null, bgp: null, note };
    }),
    layer2: [],
    bgpPeers: [],
    splitBrains: [],
    nameCollisions: [],
    serviceL2Statuses: [],
    serviceBGPStatuses: [],
  };
}
