// SPDX-License-Identifier: Apache-2.0
// What a data plane takes from the system, on whichever thread it runs.

import { randomFillSync } from "node:crypto";
import { lookup } from "node:dns/promises";
import { systemClock } from "../core/index.ts";
import { createNodeTransport, type DataPlaneDeps } from "../proxy/index.ts";

/** Sockets, time, chance and names. */
export function systemDeps(): Pick<DataPlaneDeps, "transport" | "clock" | "random" | "resolveHost" | "fillRandom"> {
  return {
    transport: createNodeTransport(),
    clock: systemClock,
    random: Math.random,
    resolveHost: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    fillRandom: (bytes) => void randomFillSync(bytes),
  };
}
