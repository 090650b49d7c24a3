// SPDX-License-Identifier: Apache-2.0
// What an announcing process is told, and how the options of `naru announce` say it.

import { hostname } from "node:os";

import { parseLabels, parsePaths, usageError, type BindAddress, type OptionValues } from "../../cli/index.ts";
import { parseHostPort, parsePort } from "../../core/index.ts";
import type { Labels } from "../../model/index.ts";
import type { LogLevel } from "../../telemetry/port.ts";

/** What an announcer is told, whichever process it is part of. */
export interface SpeakerOptions {
  readonly node: string;
  /** Beside those of the Node resource. */
  readonly nodeLabels: Labels;
  /** Names of interfaces that layer 2 may use; empty = all that can. */
  readonly interfaces: readonly string[];
  /** Patterns of names of those it must not use; null = the usual ones. */
  readonly excludedInterfaces: readonly string[] | null;
  /** Ask whether somebody else has an address before it is announced for the first time. */
  readonly probe: boolean;
  /** Between announcements in layer 2 after those of the first five seconds; 0 = none. */
  readonly announceIntervalMs: number;
  /** Announced addresses are put on this machine. */
  readonly bindVip: boolean;
  /** null = this node is alone. */
  readonly heartbeats: HeartbeatOptions | null;
  readonly failBackDelayMs: number;
  /** Where BGP peers may connect; null = they may not. */
  readonly bgpListen: { readonly addresses: readonly string[]; readonly port: number } | null;
  /** This node connects to no BGP peer. */
  readonly bgpPassive: boolean;
  readonly loadBalancerClass: string;
}

export interface AnnounceOptions extends SpeakerOptions {
  /** Files and directories of resources; watched. */
  readonly paths: readonly string[];
  readonly admin: BindAddress;
  readonly status: BindAddress;
  readonly stats: BindAddress;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

export interface HeartbeatOptions {
  readonly keyFile: string;
  readonly host: string;
  readonly port: number;
  /** Empty = whoever hears our multicast. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
}

/** Throws a CliError where options contradict each other, and where no files are named when `paths` is left out. */
export function announceOptionsFrom(
  values: OptionValues,
  paths: readonly string[] = parsePaths(values),
): AnnounceOptions {
  return {
    ...speakerOptionsFrom(values, values.flag("bind-vip")),
    paths,
    admin: { host: values.text("admin-bind"), port: values.number("admin-port") },
    status: { host: "", port: values.number("status-port") },
    stats: { host: "", port: values.number("stats-port") },
    logLevel: values.text("log-level") as LogLevel,
    logFormat: values.text("log-format") as "text" | "json",
  };
}

/** The options that every announcing command has. Throws a CliError where they contradict each other. */
export function speakerOptionsFrom(values: OptionValues, bindVip: boolean): SpeakerOptions {
  const node = values.optionalText("node") ?? hostname();
  if (!/^[!-~]{1,253}$/.test(node)) {
    throw usageError(`--node ${node}: a name is printable ASCII without spaces`, values.commandName);
  }
  return {
    node,
    nodeLabels: parseLabels(values, "node-labels"),
    interfaces: namesOf(values, "interfaces"),
    excludedInterfaces: patternsOf(values),
    probe: values.text("probe") === "on",
    announceIntervalMs: values.number("announce-interval") * 1000,
    bindVip,
    heartbeats: heartbeatsFrom(values),
    failBackDelayMs: values.number("fail-back-delay") * 1000,
    ...bgpFrom(values),
    loadBalancerClass: values.optionalText("lb-class") ?? "",
  };
}

function heartbeatsFrom(values: OptionValues): HeartbeatOptions | null {
  const keyFile = values.optionalText("key-file");
  const port = values.number("heartbeat-port");
  const peers = namesOf(values, "peers").map((text) => {
    const target = parseHostPort(text);
    if (target === null) throw usageError(`--peers ${text}: must look like 10.0.0.2 or b:7947`, values.commandName);
    return { host: target.host, port: target.port ?? port };
  });
  if (keyFile !== null) return { keyFile, host: values.text("heartbeat-bind"), port, peers };
  if (peers.length === 0) return null;
  const message = "--peers needs --key-file: a node believes only heartbeats that are signed";
  throw usageError(`${message}. Make a key with 'openssl rand -hex 32' and copy it to all nodes`, values.commandName);
}

function bgpFrom(values: OptionValues): Pick<SpeakerOptions, "bgpListen" | "bgpPassive"> {
  const bgpListen = bgpListenFrom(values);
  const bgpPassive = values.flag("bgp-passive");
  if (bgpListen !== null || !bgpPassive) return { bgpListen, bgpPassive };
  throw usageError(
    "--bgp-passive needs --bgp-listen: peers must be able to connect where this node does not",
    values.commandName,
  );
}

function bgpListenFrom(values: OptionValues): SpeakerOptions["bgpListen"] {
  const places = values.list("bgp-listen").map((text) => {
    const port = parsePort(text);
    const target = port === null ? parseHostPort(text) : { host: "", port };
    if (target?.port != null) return { host: target.host, port: target.port };
    throw usageError(`--bgp-listen ${text}: must look like 179 or 10.0.0.1:179`, values.commandName);
  });
  const [first] = places;
  if (first === undefined) return null;
  if (places.some(({ port }) => port !== first.port)) {
    throw usageError("--bgp-listen: all addresses have one port", values.commandName);
  }
  const addresses = [...new Set(places.flatMap(({ host }) => (host === "" ? ["0.0.0.0", "::"] : [host])))];
  for (const [family, isOfIt] of [
    ["IPv4", (address: string) => !address.includes(":")],
    ["IPv6", (address: string) => address.includes(":")],
  ] as const) {
    if (addresses.filter(isOfIt).length <= 1) continue;
    throw usageError(`--bgp-listen: one ${family} address at most; leave it out to listen on all`, values.commandName);
  }
  return { addresses, port: first.port };
}

function patternsOf(values: OptionValues): readonly string[] | null {
  if (!values.given("exclude-interfaces")) return null;
  const patterns = values.list("exclude-interfaces");
  for (const pattern of patterns) {
    try {
      void new RegExp(pattern);
    } catch {
      throw usageError(`--exclude-interfaces ${pattern}: is no regular expression`, values.commandName);
    }
  }
  return patterns;
}

/** Of an option that is repeatable and takes several names at once. */
function namesOf(values: OptionValues, option: string): readonly string[] {
  const names = values.list(option).flatMap((text) => text.split(","));
  return names.map((name) => name.trim()).filter((name) => name !== "");
}
