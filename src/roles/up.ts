// SPDX-License-Identifier: Apache-2.0
// `naru up`: gateway and mesh in one process, and on stdout what is served where.

import {
  countOf,
  parsePaths,
  type BindAddress,
  type CommandContext,
  type OptionValues,
  type Terminal,
} from "../cli/index.ts";
import { formatHostPort } from "../core/index.ts";
import { formatProblem, type RoutingSnapshot } from "../model/index.ts";
import type { ListenerStatus } from "../telemetry/port.ts";
import type { Vip } from "./announce/vips.ts";
import { listRoutes, renderRoutes } from "./route-list.ts";
import { serveOptionsFrom } from "./serve-options.ts";
import { serveUntilStopped } from "./serve-until-stopped.ts";
import type { Serving } from "./serve.ts";

/** The command. */
export async function runUp(values: OptionValues, context: CommandContext): Promise<number> {
  const announce = values.flag("no-announce") ? "never" : "where possible";
  const options = serveOptionsFrom(values, parsePaths(values), { meshPort: values.number("mesh-port"), announce });
  return await serveUntilStopped(options, context, (serving) => writeOverview(context.terminal, serving));
}

/** URLs, routes and problems of what is served now. */
export function writeOverview(terminal: Terminal, serving: Serving): void {
  const { dataPlane } = serving;
  const placed = serving.placed();
  const heading = (text: string) => terminal.out(`\n${terminal.tone("strong", text)}\n`);
  terminal.out(`${terminal.tone("good", "naru is up")}: stop it with Ctrl-C\n`);
  heading("Addresses");
  for (const listener of dataPlane.listeners()) terminal.out(`  ${listenerText(listener, placed)}\n`);
  for (const vip of serving.vips()?.vips ?? []) terminal.out(`  ${vipText(vip)}\n`);
  const { admin, status, stats } = serving.admin;
  terminal.out(`  ${urlOf(admin)}  admin pages\n`);
  terminal.out(`  ${urlOf(stats)}stats/prometheus  metrics\n`);
  terminal.out(`  ${urlOf(status)}healthz/ready  readiness\n`);
  heading("Routes");
  const listed = listRoutes(serving.routing(), { role: null, port: null });
  if (listed.length === 0) terminal.out("  none\n");
  else terminal.out(renderRoutes(listed, terminal.width, (text) => terminal.tone("dim", text)));
  const problems = serving.problems().filter(({ severity }) => severity !== "info");
  if (problems.length === 0) return;
  heading(countOf(problems.length, "problem"));
  for (const problem of problems) {
    terminal.out(
      `${terminal.tone(problem.severity === "error" ? "bad" : "caution", problem.severity)} ${formatProblem(problem)}\n`,
    );
  }
}

function listenerText(status: ListenerStatus, routing: RoutingSnapshot): string {
  const url = urlOf({ host: status.address, port: status.port });
  const spec = routing.listeners.find(({ name }) => name === status.name);
  if (status.role === "mesh") {
    const ports = [...(spec?.tables.keys() ?? [])].join(", ");
    return `${url}  mesh: services by Host header, their ports ${ports || "none"}`;
  }
  const table = routing.routeTables.get([...(spec?.tables.values() ?? [])][0] ?? "");
  const hosts = table?.hosts.flatMap(({ domains }) => domains) ?? [];
  return `${url}  gateway port ${status.configuredPort}: hosts ${hosts.join(", ") || "none"}`;
}

/** Who has which address, and who announces it or why nobody does. */
function vipText({ service, addresses, layer2, bgp, note }: Vip): string {
  const ways = [
    ...(layer2 === null ? [] : [`announced by layer 2 from node ${layer2.node}`]),
    ...(bgp === null ? [] : [`announced by BGP to ${bgp.peers.join(", ")}`]),
  ];
  const what = [...ways, ...(note === null ? [] : [note])].join("; ");
  return `Service ${service}: ${addresses.join(", ") || "no address"}  ${what}`;
}

/** What a browser on this machine can open. */
function urlOf({ host, port }: BindAddress): string {
  const isEverywhere = host === "" || host === "::" || host === "0.0.0.0";
  return `http://${formatHostPort(isEverywhere ? "localhost" : host, port)}/`;
}
