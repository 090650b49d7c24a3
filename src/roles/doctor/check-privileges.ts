// SPDX-License-Identifier: Apache-2.0
// Whether this process may do what it is asked to: node:ffi, capabilities, ports, keys. Pure.

import type { AnnounceConfig } from "../../announce/index.ts";
import type { AnnounceOptions } from "../announce/announce-options.ts";
import { capability, lacks } from "../capabilities.ts";
import type { Facts, PortFact } from "./facts.ts";
import { ok, type Finding } from "./finding.ts";

/** What others than the owner may do with a file. */
const othersBits = 0o077;

type Asked = Pick<AnnounceOptions, "bindVip" | "bgpListen" | "heartbeats">;

/** `config` null = no files were named, so what they need is not known. */
export function checkPrivileges(facts: Facts, options: Asked, config: AnnounceConfig | null): readonly Finding[] {
  return [
    checkFfi(facts, options, config),
    checkNetRaw(facts, config),
    checkNetAdmin(facts, options),
    checkBindService(facts, options),
    ...checkPorts(facts),
    ...checkKeys(facts, options),
  ];
}

function checkFfi({ nodeVersion, ffi }: Facts, { bindVip }: Asked, config: AnnounceConfig | null): Finding {
  const check = "node:ffi";
  if (ffi === null) return ok(check, `Node.js ${nodeVersion} has it`);
  const needs = [
    ...(config === null || config.l2.length > 0 ? ["layer 2"] : []),
    ...(config?.peers.some(({ password }) => password !== null) === true ? ["passwords of BGP peers"] : []),
    ...(bindVip ? ["--bind-vip"] : []),
  ];
  return {
    check,
    status: needs.length === 0 ? "info" : config === null ? "warning" : "error",
    what: ffi,
    why: needs.length === 0 ? "nothing here needs it" : `${needs.join(" and ")} cannot do without`,
    fix: "use Node.js 26.5 or newer, without --no-experimental-ffi; under --permission also --allow-ffi",
  };
}

function checkNetRaw({ ffi, packets, capabilities }: Facts, config: AnnounceConfig | null): Finding {
  const check = "net-raw";
  const needed = config === null || config.l2.length > 0;
  const missing = packets !== null || lacks(capabilities, capability.netRaw);
  if (!missing) return ok(check, "CAP_NET_RAW is there, and packet sockets can be opened");
  if (!needed) return ok(check, "CAP_NET_RAW is not there, nor needed without an L2Advertisement");
  return {
    check,
    status: config === null ? "warning" : "error",
    what: lacks(capabilities, capability.netRaw) ? "CAP_NET_RAW is not there" : (packets ?? ""),
    why: "layer 2 answers ARP and neighbor discovery by packet sockets; naru announce would not start",
    fix:
      ffi !== null && !lacks(capabilities, capability.netRaw)
        ? "see node:ffi"
        : "run as root, with setcap cap_net_raw+ep on node, with AmbientCapabilities=CAP_NET_RAW in a systemd unit, or in Kubernetes with NET_RAW and hostNetwork: true",
  };
}

function checkNetAdmin({ capabilities }: Facts, { bindVip }: Asked): Finding {
  const check = "net-admin";
  if (!bindVip) return ok(check, "CAP_NET_ADMIN is not needed without --bind-vip");
  if (!lacks(capabilities, capability.netAdmin)) return ok(check, "CAP_NET_ADMIN is there");
  return {
    check,
    status: "error",
    what: "CAP_NET_ADMIN is not there",
    why: "--bind-vip cannot put announced addresses on this machine",
    fix: "add CAP_NET_ADMIN in the way CAP_NET_RAW is given, or leave --bind-vip out",
  };
}

function checkBindService({ capabilities, firstFreePort }: Facts, { bgpListen }: Asked): Finding {
  const check = "bind-service";
  const first = firstFreePort ?? 1024;
  if (bgpListen === null || bgpListen.port >= first || bgpListen.port === 0) {
    return ok(check, "CAP_NET_BIND_SERVICE is not needed: no port is a privileged one");
  }
  if (!lacks(capabilities, capability.bindService)) return ok(check, "CAP_NET_BIND_SERVICE is there");
  return {
    check,
    status: "error",
    what: "CAP_NET_BIND_SERVICE is not there",
    why: `--bgp-listen ${bgpListen.port} is below ${first}, where ports are privileged`,
    fix: `add CAP_NET_BIND_SERVICE, set net.ipv4.ip_unprivileged_port_start to ${bgpListen.port}, or leave --bgp-listen out: this node connects by itself`,
  };
}

function checkPorts({ ports, running }: Facts): readonly Finding[] {
  if (running !== null) return [ok("ports", "naru announce runs here and has them")];
  const failed = ports.filter(({ failure }) => failure !== null);
  if (failed.length > 0) return failed.map(portFinding);
  return [ok("ports", `${ports.map(({ at, use }) => `${at} (${use})`).join(", ")} can be had`)];
}

function portFinding({ use, option, at, port, failure }: PortFact): Finding {
  const finding = { check: "ports", status: "error", why: `naru announce needs it for ${use}` } as const;
  switch (failure) {
    case "EADDRINUSE":
      return {
        ...finding,
        what: `${at} is taken`,
        fix: `stop what has it (ss -lnp 'sport = :${port}'), or change ${option}`,
      };
    case "EACCES":
      return { ...finding, what: `${at} is a privileged port`, fix: `see bind-service, or change ${option}` };
    case "EADDRNOTAVAIL":
      return { ...finding, what: `${at} is no address of this machine`, fix: `change ${option}` };
    default:
      return { ...finding, what: `${at} cannot be bound: ${failure}`, fix: `change ${option}` };
  }
}

function checkKeys({ keyFile }: Facts, { heartbeats }: Asked): readonly Finding[] {
  const check = "keys";
  if (keyFile === null || heartbeats === null) {
    const what = "without --key-file this node is alone and takes every address";
    const why = "two such nodes on one network announce the same addresses";
    return [{ check, status: "info", what, why, fix: "give all nodes one key file when there are several" }];
  }
  const { path, failure, mode } = keyFile;
  if (failure !== null) {
    const fix = "make one with 'openssl rand -hex 32', and copy it to all nodes";
    const why = "nodes believe only heartbeats that are signed; naru announce would not start";
    return [{ check, status: "error", what: `${path}: ${failure}`, why, fix }];
  }
  if ((mode & othersBits) === 0) return [ok(check, `${path} can be read, by its owner only`)];
  const why = "whoever knows the key can take addresses away from the nodes";
  const what = `${path} can be read by others: its mode is ${mode.toString(8).padStart(4, "0")}`;
  return [{ check, status: "warning", what, why, fix: `chmod 600 ${path}` }];
}
