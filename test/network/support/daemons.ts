// SPDX-License-Identifier: Apache-2.0
// The four routing daemons of Debian behind one interface: a peer of AS 65000 that waits for a node of AS 65001.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";

import type { TestTool } from "../../support/tools.ts";
import { Bird, eventually, scratch } from "./routers.ts";
import type { Host, HostProcess } from "./test-network.ts";

export interface Neighbor {
  /** Of the node. */
  readonly address: string;
  /** Of the daemon. */
  readonly local: string;
  readonly password: string | null;
  readonly gracefulRestart: boolean;
}

/** What the daemon has of a prefix, as it shows it itself. */
export interface SeenRoute {
  readonly path: string;
  readonly nextHop: string;
  /** `65001:7`. */
  readonly communities: string;
  /** `1:2:3`. */
  readonly largeCommunities: string;
}

export interface Daemon {
  readonly process: HostProcess;
  route(prefix: string): Promise<SeenRoute | null>;
}

export interface DaemonKind {
  readonly name: string;
  readonly tool: TestTool;
  /** Keeps the routes of a node that restarts. */
  readonly helps: boolean;
  start(t: TestContext, host: Host, neighbor: Neighbor): Promise<Daemon>;
}

const routerId = "10.8.0.254";

export const daemons: readonly DaemonKind[] = [
  { name: "BIRD", tool: "bird", helps: true, start: startBird },
  { name: "FRR", tool: "vtysh", helps: true, start: startFrr },
  { name: "GoBGP", tool: "gobgpd", helps: true, start: startGobgp },
  { name: "ExaBGP", tool: "exabgp", helps: false, start: startExabgp },
];

async function startBird(t: TestContext, host: Host, neighbor: Neighbor): Promise<Daemon> {
  const bird = await Bird.start(
    t,
    host,
    routerId,
    `protocol bgp from node {
      local as 65000; neighbor ${neighbor.address} as 65001; passive on;
      ${neighbor.password === null ? "" : `password "${neighbor.password}";`}
      graceful restart ${neighbor.gracefulRestart ? "on" : "off"};
      ipv4 { import all; export none; };
      ipv6 { import all; export none; };
    }`,
  );
  return {
    process: bird.process,
    route: async (prefix) => {
      const answer = await bird.ask(`show route all for ${prefix}`);
      if (!answer.includes("BGP.as_path")) return null;
      const attribute = (name: string): string => new RegExp(`BGP\\.${name}: (.*)`).exec(answer)?.[1] ?? "";
      const numbers = (name: string): string => attribute(name).replaceAll(/[() ]/g, "").replaceAll(",", ":");
      return {
        path: attribute("as_path"),
        nextHop: attribute("next_hop").split(" ", 1)[0]!,
        communities: numbers("community"),
        largeCommunities: numbers("large_community"),
      };
    },
  };
}

interface FrrRoute {
  readonly paths?: readonly {
    readonly aspath: { readonly string: string };
    readonly nexthops: readonly { readonly ip: string }[];
    readonly community?: { readonly string: string };
    readonly largeCommunity?: { readonly string: string };
  }[];
}

async function startFrr(t: TestContext, host: Host, neighbor: Neighbor): Promise<Daemon> {
  const folder = await scratch(t);
  const { address } = neighbor;
  const family = (name: string): string => `address-family ${name} unicast
  neighbor ${address} activate
 exit-address-family`;
  const config = `router bgp 65000
 bgp router-id ${routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor ${address} remote-as 65001
 neighbor ${address} passive
 neighbor ${address} timers connect 1
 ${neighbor.password === null ? "!" : `neighbor ${address} password ${neighbor.password}`}
 ${neighbor.gracefulRestart ? `neighbor ${address} graceful-restart-helper` : `neighbor ${address} graceful-restart-disable`}
 ${family("ipv4")}
 ${family("ipv6")}
`;
  await writeFile(join(folder, "bgpd.conf"), config);
  const own = ["-f", join(folder, "bgpd.conf"), "-i", join(folder, "pid"), "--vty_socket", folder];
  // Without the daemon that puts routes into the kernel, and as the user we are.
  const process = host.start("/usr/lib/frr/bgpd", ...own, "-Z", "-S", "-p", "179", "-A", "127.0.0.1");
  const ask = async (command: string) => host.attempt("vtysh", "--vty_socket", folder, "-d", "bgpd", "-c", command);
  await eventually(
    () => ask("show bgp neighbors json"),
    ({ stdout }) => stdout.includes(address),
  );
  return {
    process,
    route: async (prefix) => {
      const kind = prefix.includes(":") ? "ipv6" : "ipv4";
      const answer = await ask(`show bgp ${kind} unicast ${prefix} json`);
      const path = (JSON.parse(answer.stdout || "{}") as FrrRoute).paths?.[0];
      if (path === undefined) return null;
      return {
        path: path.aspath.string,
        nextHop: path.nexthops[0]!.ip,
        communities: path.community?.string ?? "",
        largeCommunities: path.largeCommunity?.string ?? "",
      };
    },
  };
}

interface GobgpAttribute {
  readonly type: number;
  readonly value?: unknown;
  readonly nexthop?: string;
  readonly as_paths?: readonly { readonly asns: readonly number[] }[];
  readonly communities?: readonly number[];
}

async function startGobgp(t: TestContext, host: Host, neighbor: Neighbor): Promise<Daemon> {
  const folder = await scratch(t);
  const restart = neighbor.gracefulRestart;
  const family = (name: string): string => `
    [[neighbors.afi-safis]]
      [neighbors.afi-safis.config]
        afi-safi-name = "${name}"
      [neighbors.afi-safis.mp-graceful-restart.config]
        enabled = ${restart}`;
  const config = `
[global.config]
  as = 65000
  router-id = "${routerId}"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${neighbor.address}"
    peer-as = 65001
    ${neighbor.password === null ? "" : `auth-password = "${neighbor.password}"`}
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = ${restart}
    restart-time = 20
  ${family("ipv4-unicast")}
  ${family("ipv6-unicast")}
`;
  await writeFile(join(folder, "gobgp.toml"), config);
  await host.ip("link set lo up");
  const process = host.start("gobgpd", "-f", join(folder, "gobgp.toml"), "--api-hosts", "127.0.0.1:50051", "-p");
  const ask = async (...command: readonly string[]) => host.attempt("gobgp", "-j", ...command);
  await eventually(
    () => ask("neighbor", neighbor.address),
    ({ code }) => code === 0,
  );
  return {
    process,
    route: async (prefix) => {
      const { stdout } = await ask("global", "rib", "-a", prefix.includes(":") ? "ipv6" : "ipv4");
      const table = JSON.parse(stdout || "{}") as Record<
        string,
        readonly { readonly attrs: readonly GobgpAttribute[] }[]
      >;
      const attributes = table[prefix]?.[0]?.attrs;
      if (attributes === undefined) return null;
      const find = (type: number): GobgpAttribute | undefined => attributes.find((each) => each.type === type);
      const large = (find(32)?.value ?? []) as readonly Record<string, number>[];
      return {
        path: find(2)!
          .as_paths!.flatMap(({ asns }) => asns)
          .join(" "),
        nextHop: (find(3) ?? find(14))!.nexthop!,
        communities: (find(8)?.communities ?? []).map((each) => `${each >>> 16}:${each & 0xffff}`).join(" "),
        largeCommunities: large.map((each) => Object.values(each).join(":")).join(" "),
      };
    },
  };
}

interface ExabgpLine {
  readonly neighbor?: {
    readonly message?: {
      readonly update?: {
        readonly attribute?: {
          readonly "as-path"?: readonly number[];
          readonly community?: readonly (readonly number[])[];
          readonly "large-community"?: readonly (readonly number[])[];
        };
        readonly announce?: Record<string, Record<string, readonly { readonly nlri: string }[]>>;
        readonly withdraw?: Record<string, readonly { readonly nlri: string }[]>;
      };
    };
    readonly state?: string;
  };
}

async function startExabgp(t: TestContext, host: Host, neighbor: Neighbor): Promise<Daemon> {
  const folder = await scratch(t);
  const lines = join(folder, "received.jsonl");
  const config = `
process log { run /bin/sh -c "cat >> ${lines}"; encoder json; }
neighbor ${neighbor.address} {
  router-id ${routerId};
  local-address ${neighbor.local};
  local-as 65000;
  peer-as 65001;
  passive true;
  listen 179;
  ${neighbor.password === null ? "" : `md5-password "${neighbor.password}";`}
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ log ]; neighbor-changes; receive { parsed; update; } }
}
`;
  await writeFile(join(folder, "exabgp.conf"), config);
  await writeFile(lines, "");
  // The environment is how it is told to stay who it is and to make no pipes for its command line.
  const env = ["exabgp.daemon.user=root", "exabgp.api.cli=false", "exabgp.log.destination=stderr"];
  const process = host.start("env", ...env, "exabgp", join(folder, "exabgp.conf"));
  await eventually(
    () => host.run("ss", "-Hltn"),
    (sockets) => sockets.includes(":179 "),
  );
  return { process, route: async (prefix) => exabgpRoute(await readFile(lines, "utf8"), prefix) };
}

/** It has no table: what it holds is what the messages so far make of it. */
function exabgpRoute(lines: string, prefix: string): SeenRoute | null {
  let route: SeenRoute | null = null;
  for (const line of lines.split("\n").slice(0, -1)) {
    const { neighbor } = JSON.parse(line) as ExabgpLine;
    if (neighbor?.state === "down") route = null;
    const update = neighbor?.message?.update;
    const has = (all: readonly { readonly nlri: string }[]): boolean => all.some(({ nlri }) => nlri === prefix);
    if (Object.values(update?.withdraw ?? {}).some(has)) route = null;
    for (const byHop of Object.values(update?.announce ?? {})) {
      const nextHop = Object.entries(byHop).find(([, all]) => has(all))?.[0];
      if (nextHop === undefined) continue;
      const attribute = update?.attribute;
      const joined = (all: readonly (readonly number[])[] = []): string => all.map((each) => each.join(":")).join(" ");
      route = {
        path: (attribute?.["as-path"] ?? []).join(" "),
        nextHop,
        communities: joined(attribute?.community),
        largeCommunities: joined(attribute?.["large-community"]),
      };
    }
  }
  return route;
}
