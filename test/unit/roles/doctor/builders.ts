// SPDX-License-Identifier: Apache-2.0
// A machine and files on which nothing is wrong, and what tests change of them.

import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import type { LinkInfo } from "../../../../src/platform/index.ts";
import { AnnouncingConfig } from "../../../../src/roles/announce/announcing-config.ts";
import type { LiveVips } from "../../../../src/roles/announce/live-vips.ts";
import type { FilesQuestion } from "../../../../src/roles/doctor/check-files.ts";
import type { Facts } from "../../../../src/roles/doctor/facts.ts";
import type { Finding } from "../../../../src/roles/doctor/finding.ts";
import { link } from "../../announce/layer2/bench.ts";

/** CAP_NET_BIND_SERVICE, CAP_NET_ADMIN and CAP_NET_RAW. */
export const allCapabilities = (1n << 10n) | (1n << 12n) | (1n << 13n);

export function facts(changes: Partial<Facts> = {}): Facts {
  return {
    nodeVersion: "26.10.0",
    ffi: null,
    packets: null,
    capabilities: allCapabilities,
    uring: { available: true },
    links: [eth("eth0", 2, "10.9.0.1")],
    wireless: [],
    arpHazards: [],
    reversePathFilters: new Map([["all", 0]]),
    openFiles: 1_048_576,
    threads: 2,
    longestBacklog: 4_096,
    firstFreePort: 1_024,
    migratesConnections: true,
    ports: [{ use: "metrics", option: "--stats-port", at: "*:7472", port: 7_472, failure: null }],
    running: null,
    keyFile: null,
    ...changes,
  };
}

/** An Ethernet with an address in a /24. */
export function eth(name: string, index: number, address: string, changes: Partial<LinkInfo> = {}): LinkInfo {
  const family = address.includes(":") ? 6 : 4;
  return link({ name, index, addresses: [{ family, address, prefixLength: 24, usable: true }], ...changes });
}

/** A node `a` that is alone, with these documents. */
export function files(documents: readonly string[], changes: Partial<FilesQuestion> = {}): FilesQuestion {
  const { resources, problems } = decodeDocuments("vip.yaml", documents.join("\n---\n"), 0);
  const options = { node: "a", nodeLabels: {}, loadBalancerClass: "" };
  const announcing = new AnnouncingConfig(options).take(resources);
  const all = [...problems, ...announcing.problems];
  return { announcing, problems: all, node: "a", alone: true, links: facts().links, ...changes };
}

/** What an announcer says of itself that is alone and well. */
export function live(changes: Partial<LiveVips> = {}): LiveVips {
  return {
    node: "a",
    state: "LIVE",
    stale: false,
    layer2Failure: null,
    members: [{ node: "a", ready: true, seasoned: true, addresses: 0 }],
    vips: [],
    layer2: [],
    bgpPeers: [],
    splitBrains: [],
    nameCollisions: [],
    serviceL2Statuses: [],
    serviceBGPStatuses: [],
    ...changes,
  };
}

/** What is not in order, as `status check: what`. */
export function complaints(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter(({ status }) => status !== "ok")
    .map(({ status, check, what }) => `${status} ${check}: ${what}`);
}
