// SPDX-License-Identifier: Apache-2.0
// What the announcer that runs here says is wrong, put into findings. Pure.

import { countOf } from "../../cli/index.ts";
import { formatHostPort } from "../../core/index.ts";
import type { LiveVips } from "../announce/live-vips.ts";
import { ok, type Finding } from "./finding.ts";

/** Nothing where none runs. */
export function checkRunning(live: LiveVips | null): readonly Finding[] {
  if (live === null) return [];
  const findings = [...stateFindings(live), ...groupFindings(live), ...claimFindings(live), ...sessionFindings(live)];
  if (findings.length > 0) return findings;
  const { node, members, layer2, bgpPeers } = live;
  const parts = [countOf(members.length, "node"), countOf(bgpPeers.length, "BGP session")];
  return [ok("announcer", `${node} answers for ${addressesOf(layer2.length)}; ${parts.join(", ")}`)];
}

/** Addresses that other nodes announce in layer 2, as the announcer that runs here knows. */
export function announcedElsewhere(live: LiveVips | null): ReadonlySet<string> {
  const others = live?.vips.filter(({ layer2 }) => layer2 !== null && layer2.node !== live.node) ?? [];
  return new Set(others.flatMap(({ addresses }) => addresses));
}

function stateFindings({ node, state, stale, layer2Failure }: LiveVips): readonly Finding[] {
  const check = "announcer";
  const findings: Finding[] = [];
  if (state !== "LIVE") {
    findings.push({ check, status: "warning", what: `${node} is ${state}`, why: "it announces nothing new", fix: "" });
  }
  if (stale) {
    const what = `${node} works with an older configuration`;
    const why = "pools, advertisements and peers of the present one have errors";
    findings.push({ check, status: "error", what, why, fix: "see files, or 'naru validate'" });
  }
  if (layer2Failure !== null) {
    const why = "an L2Advertisement asks for layer 2";
    findings.push({ check, status: "error", what: layer2Failure, why, fix: "see node:ffi and net-raw" });
  }
  return findings;
}

function groupFindings({ splitBrains, nameCollisions }: LiveVips): readonly Finding[] {
  const check = "announcer";
  return [
    ...splitBrains.map(({ address, nodes }): Finding => {
      const what = `${address} is announced by several nodes: ${nodes.join(", ")}`;
      const why = "clients reach now one, now the other";
      const fix = "let heartbeats through both ways (UDP 7947), and give all nodes the same files and keys";
      return { check, status: "error", what, why, fix };
    }),
    ...nameCollisions.map((name): Finding => {
      const what = `two live nodes are called ${name}`;
      return { check, status: "error", what, why: "the later one announces nothing", fix: "give each its own --node" };
    }),
  ];
}

function claimFindings({ layer2 }: LiveVips): readonly Finding[] {
  return layer2.flatMap(({ ip, phase, foreign }): readonly Finding[] => {
    if (phase !== "conflict") return [];
    const what = `${ip} is withheld: ${foreign === null ? "somebody" : `${foreign.mac} on ${foreign.interface}`} has it`;
    const fix = "take the address from there, or out of the pool; it is asked for again every 30 seconds";
    return [{ check: "announcer", status: "error", what, why: "nobody of ours announces it", fix }];
  });
}

function sessionFindings({ bgpPeers }: LiveVips): readonly Finding[] {
  return bgpPeers.flatMap(({ name, address, port, state, lastError }): readonly Finding[] => {
    if (state === "Established") return [];
    const what = `the session with BGPPeer ${name} (${formatHostPort(address, port)}) is ${state}`;
    const why = lastError ?? "nothing is announced to it";
    const fix = "compare myASN, peerASN, peerAddress and password with the router's";
    return [{ check: "announcer", status: "warning", what, why, fix }];
  });
}

function addressesOf(count: number): string {
  return `${count} ${count === 1 ? "address" : "addresses"}`;
}
