// SPDX-License-Identifier: Apache-2.0
// Asks the network whether anybody has an address, as layer 2 does before it announces one, and never announces it. Also puts
// the answer into findings.

import { announceDefaults, createLayer2, type Layer2Announcement, type Layer2 } from "../../announce/index.ts";
import type { Cancel, Clock, Random } from "../../core/index.ts";
import type { LinkInfo, PacketPort } from "../../platform/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { ForeignClaim } from "./facts.ts";
import { ok, type Finding } from "./finding.ts";

export interface ProbeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Stays its opener's. */
  readonly packets: PacketPort;
}

/**
 * Probes every announcement on the interfaces it is for, `links` at most, and resolves after a second with who answered. Throws
 * the system's error.
 */
export async function findForeignClaims(
  { clock, random, logger, packets }: ProbeDeps,
  links: readonly LinkInfo[],
  announcements: readonly Layer2Announcement[],
): Promise<readonly ForeignClaim[]> {
  const { probes, probeIntervalMs } = announceDefaults.layer2;
  // Probing never ends, so that nothing is ever announced. The interfaces were chosen already.
  const options = { ...announceDefaults.layer2, probes: Number.POSITIVE_INFINITY, excludedInterfaces: [] };
  const layer2: Layer2 = createLayer2({ clock, random, logger, packets, onConflict: () => undefined }, options);
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  let cancel: Cancel = () => undefined;
  try {
    layer2.setLinks(links);
    layer2.set(announcements.map((announcement) => ({ ...announcement, probe: true })));
    cancel = clock.after(probes * probeIntervalMs, resolve);
    await answered;
    return layer2
      .status()
      .flatMap(({ ip, foreign }) => (foreign === null ? [] : [{ ip, mac: foreign.mac, interface: foreign.interface }]));
  } finally {
    cancel();
    await layer2.stop();
  }
}

/** `claims` as found, of `asked` addresses; `alone`: no other node of ours can be the one who answers. */
export function checkClaims(claims: readonly ForeignClaim[], asked: number, alone: boolean): readonly Finding[] {
  const check = "in-use";
  if (claims.length === 0)
    return [ok(check, `nobody answers for ${asked === 1 ? "the address" : `the ${asked} addresses`} asked for`)];
  return claims.map(({ ip, mac, interface: name }) => ({
    check,
    status: alone ? "error" : "warning",
    what: `${ip} is answered for by ${mac} on ${name}`,
    why: alone
      ? "somebody has the address: naru announce would withhold it"
      : "that is well when it is the node that announces it; else somebody has the address, and naru announce would withhold it",
    fix: `find it by its hardware address, and take the address from there or out of the pool${alone ? "" : "; 'naru vips --admin' on that node shows what it announces"}`,
  }));
}
