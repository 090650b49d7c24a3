// SPDX-License-Identifier: Apache-2.0
// Reads what the checks want to know of this machine. Changes nothing: sockets are opened and closed again.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

import { CliError } from "../../cli/index.ts";
import { formatHostPort, messageOf, systemCodeOf, type Clock } from "../../core/index.ts";
import { arpHazards, openLibc, openPackets, probeUring, readLinks } from "../../platform/index.ts";
import { maxOpenFiles } from "../../telemetry/index.ts";
import type { AnnounceOptions } from "../announce/announce-options.ts";
import { readCapabilities } from "../capabilities.ts";
import { askAnnouncer } from "../announce/ask-announcer.ts";
import type { LiveVips } from "../announce/live-vips.ts";
import { readKeys } from "../announce/group.ts";
import { announceableLinks } from "../announce/announceable-links.ts";
import { kernelMigratesConnections } from "../system-deps.ts";
import type { Facts, KeyFileFact, PortFact } from "./facts.ts";

/** Throws a SyntaxError for a pattern in the options that is none, and the system's error when interfaces cannot be read. */
export async function readFacts(clock: Clock, options: AnnounceOptions): Promise<Facts> {
  const libc = openLibc();
  const links = typeof libc === "string" || process.platform !== "linux" ? null : readLinks(libc);
  const names = announceableLinks(links ?? [], options).map(({ name }) => name);
  const ports = await readPorts(options);
  const isTaken = ports.some(({ failure }) => failure === "EADDRINUSE");
  const running = isTaken ? await askRunning(options.admin) : null;
  return {
    nodeVersion: process.versions.node,
    ffi: typeof libc === "string" ? libc : null,
    packets: whyNoPackets(clock),
    capabilities: readCapabilities(),
    uring: probeUring(),
    links,
    wireless: names.filter((name) => existsSync(`/sys/class/net/${name}/phy80211`)),
    arpHazards: arpHazards(names),
    reversePathFilters: readReversePathFilters(["all", ...names]),
    openFiles: maxOpenFiles(),
    threads: availableParallelism(),
    longestBacklog: readNumber("/proc/sys/net/core/somaxconn"),
    firstFreePort: readNumber("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    migratesConnections: kernelMigratesConnections(),
    ports: running === null ? ports : [],
    running,
    keyFile: options.heartbeats === null ? null : readKeyFile(options.heartbeats.keyFile),
  };
}

function whyNoPackets(clock: Clock): string | null {
  try {
    const packets = openPackets(clock);
    if (typeof packets === "string") return packets;
    packets.close();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function readReversePathFilters(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    names.flatMap((name) => {
      const value = readNumber(`/proc/sys/net/ipv4/conf/${name}/rp_filter`);
      return value === null ? [] : [[name, value] as const];
    }),
  );
}

function readKeyFile(path: string): KeyFileFact {
  const keys = readKeys(path);
  if (typeof keys === "string") return { path, failure: keys, mode: 0 };
  return { path, failure: null, mode: statSync(path).mode & 0o777 };
}

async function readPorts(options: AnnounceOptions): Promise<readonly PortFact[]> {
  const { admin, status, stats, bgpListen, heartbeats } = options;
  const tcp = [
    { ...admin, use: "admin pages", option: "--admin-port" },
    { ...status, use: "readiness", option: "--status-port" },
    { ...stats, use: "metrics", option: "--stats-port" },
    ...(bgpListen?.addresses ?? []).map((host) => {
      return { host, port: bgpListen!.port, use: "BGP peers", option: "--bgp-listen" };
    }),
  ];
  const udp = heartbeats === null ? [] : [{ ...heartbeats, use: "heartbeats", option: "--heartbeat-port" }];
  return await Promise.all([
    ...tcp.map((each) => tryPort(each, bindTcp)),
    ...udp.map((each) => tryPort(each, bindUdp)),
  ]);
}

type Bind = (host: string, port: number) => Promise<void>;

async function tryPort(
  { host, port, use, option }: Pick<PortFact, "use" | "option" | "port"> & { readonly host: string },
  bind: Bind,
): Promise<PortFact> {
  const failure = await bind(host, port).then(
    () => null,
    (error: unknown) => systemCodeOf(error) ?? messageOf(error),
  );
  return { use, option, at: formatHostPort(host === "" ? "*" : host, port), port, failure };
}

async function bindTcp(host: string, port: number): Promise<void> {
  const server = createServer();
  // Node may take IPv4 too for :: unless it is told not to, and that is asked for by itself.
  server.listen({ ...(host === "" ? {} : { host, ipv6Only: host === "::" }), port, exclusive: true });
  await once(server, "listening");
  server.close();
  await once(server, "close");
}

async function bindUdp(host: string, port: number): Promise<void> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const closed = once(socket, "close");
  try {
    const listening = once(socket, "listening");
    socket.bind({ address: host, port, exclusive: true });
    await listening;
  } finally {
    socket.close();
    await closed;
  }
}

/** null when somebody else is there, or nobody. */
async function askRunning({ host, port }: AnnounceOptions["admin"]): Promise<LiveVips | null> {
  try {
    return await askAnnouncer(host === "" ? "127.0.0.1" : host, port);
  } catch (error) {
    if (error instanceof CliError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function readNumber(path: string): number | null {
  const text = readText(path);
  return text === null ? null : Number(text);
}

/** null where there is no such file: another system, or an older kernel. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
