// SPDX-License-Identifier: Apache-2.0
// Settings of the kernel and of the process that bound what a gateway on this machine can do. Pure.

import { automaticConnections } from "../../model/index.ts";
import { connectionBudget } from "../connection-budget.ts";
import type { Facts } from "./facts.ts";
import { ok, type Finding } from "./finding.ts";

/** `backlog`: what listeners of the data plane ask for. */
export function checkLimits(facts: Facts, backlog: number): readonly Finding[] {
  return [checkFiles(facts), checkBacklog(facts, backlog), checkMigration(facts), checkUring(facts)];
}

function checkFiles({ openFiles, threads }: Facts): Finding {
  const check = "open-files";
  const { neededFiles, maxConnections } = connectionBudget(automaticConnections, openFiles, threads);
  if (openFiles === null) return ok(check, "the system does not say how many files there may be");
  if (neededFiles === null)
    return ok(check, `ulimit -n is ${openFiles}: enough for ${automaticConnections} connections`);
  return {
    check,
    status: "warning",
    what: `ulimit -n is ${openFiles}`,
    why: `a gateway here has room for ${maxConnections} clients, and resets those beyond`,
    fix: `raise the hard limit to ${neededFiles}: LimitNOFILE (systemd), ulimits (Docker), /etc/security/limits.conf`,
  };
}

function checkBacklog({ longestBacklog }: Facts, backlog: number): Finding {
  const check = "somaxconn";
  if (longestBacklog === null) return ok(check, "the system does not say");
  if (longestBacklog >= backlog) return ok(check, `net.core.somaxconn is ${longestBacklog}`);
  return {
    check,
    status: "warning",
    what: `net.core.somaxconn is ${longestBacklog}`,
    why: `a gateway asks for ${backlog} waiting connections per port; of a burst beyond, some wait a second or more`,
    fix: `sysctl -w net.core.somaxconn=${backlog}`,
  };
}

function checkMigration({ migratesConnections }: Facts): Finding {
  const check = "take-over";
  if (migratesConnections) return ok(check, "net.ipv4.tcp_migrate_req is 1");
  return {
    check,
    status: "info",
    what: "net.ipv4.tcp_migrate_req is not 1",
    why: "a gateway that is replaced with --take-over may reset connections under way in that instant",
    fix: "sysctl -w net.ipv4.tcp_migrate_req=1 (Linux 5.14 or newer)",
  };
}

function checkUring({ uring }: Facts): Finding {
  const check = "io_uring";
  if (uring.available) return ok(check, "can be used, and is unless --transport node says otherwise");
  const why = "naru goes on over Node.js sockets, which need more CPU time for a request";
  return { check, status: "info", what: uring.reason, why, fix: "" };
}
