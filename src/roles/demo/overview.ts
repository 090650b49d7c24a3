// SPDX-License-Identifier: Apache-2.0
// What a demo says once it runs: where to look, what is routed where, what to try. Pure.

import { relative } from "node:path";

import type { Terminal } from "../../cli/index.ts";
import { formatHostPort } from "../../core/index.ts";
import type { RoutingSnapshot } from "../../model/index.ts";
import { describeAction, describeMatch } from "../describe-route.ts";
import { listRoutes } from "../route-list.ts";
import type { ServiceProcess } from "./service-processes.ts";

/** Where everything really is, as URLs without a slash at the end. */
export interface DemoUrls {
  readonly gateway: string;
  readonly mesh: string;
  readonly admin: string;
  readonly stats: string;
}

export interface DemoFacts {
  readonly urls: DemoUrls;
  readonly routing: RoutingSnapshot;
  readonly processes: readonly ServiceProcess[];
  readonly routingFile: string;
  /** Where the user is. */
  readonly workingFolder: string;
}

export function httpUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${formatHostPort(host, port)}`;
}

/** A page of text, ending in an empty line. */
export function overviewText(facts: DemoFacts, { tone }: Pick<Terminal, "tone">): string {
  const { urls, processes } = facts;
  const section = (title: string, rows: readonly (readonly [string, string])[]): string =>
    `${tone("strong", title)}\n${aligned(rows)}\n`;
  const reviews = `curl -H 'Host: reviews:9080' ${urls.mesh}/reviews/0`;
  return [
    `${tone("good", "naru demo is up")}: Bookinfo, ${processes.length} service processes behind a gateway. Ctrl-C ends it.\n\n`,
    section("Open", [
      [`${urls.gateway}/productpage`, "the page; reload it, and sign in as jason"],
      [`${urls.admin}/`, "admin pages of the gateway"],
      [`${urls.stats}/stats/prometheus`, "metrics"],
    ]),
    section("Routes", routeRows(facts.routing)),
    section("Try", [
      [reviews, "what the page asks for"],
      [`edit ${nearest(facts)}`, "in force as soon as it is saved"],
    ]),
  ].join("");
}

function aligned(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}

/** One row per destination: what reaches it, however many rules say so. */
function routeRows(routing: RoutingSnapshot): readonly (readonly [string, string])[] {
  const rows = new Map<string, { readonly target: string; readonly matches: Set<string> }>();
  for (const { listener, host, route } of listRoutes(routing, { role: null, port: null })) {
    // The mesh's own answer for hosts that it does not know is no route of the example.
    if (route.action.kind === "reply") continue;
    const target = describeAction(route.action).replaceAll(/\.[a-z0-9-]+\.svc\.[a-z0-9.-]+:\d+/g, "");
    const match = describeMatch(route.match);
    const from = listener.role === "gateway" ? "gateway" : shortName(host.domains);
    const key = `${from} ${target}`;
    const row = rows.get(key) ?? { target, matches: new Set<string>() };
    row.matches.add(listener.role === "gateway" ? shortMatch(match) : match === "any" ? from : `${from}, ${match}`);
    rows.set(key, row);
  }
  return [...rows.values()].map(({ target, matches }) => [[...matches].join(", "), `→ ${target}`]);
}

/** `exact /login` → `/login`, `prefix /static` → `/static…`. */
function shortMatch(match: string): string {
  return match.replace(/^exact (\S+)$/, "$1").replace(/^prefix (\S+)$/, "$1…");
}

function shortName(domains: readonly string[]): string {
  return domains.toSorted((left, right) => left.length - right.length)[0] ?? "";
}

function nearest({ routingFile, workingFolder }: DemoFacts): string {
  const path = relative(workingFolder, routingFile);
  return path.startsWith("..") ? routingFile : path;
}
