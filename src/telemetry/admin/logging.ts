// SPDX-License-Identifier: Apache-2.0
// `/logging`: shows levels and changes them while running, as Envoy's does: `?level=debug` for all, `?proxy=debug` for
// one scope, `?paths=proxy:debug,config:trace` for several.

import type { RootLogger } from "../log/logger.ts";
import { logLevels, type LogLevel } from "../port.ts";
import { textReply, type AdminReply, type AdminRequest, type Endpoint } from "./endpoint.ts";

interface Change {
  readonly level: LogLevel;
  /** undefined = all scopes. */
  readonly scope: string | undefined;
}

export function loggingEndpoint(logger: RootLogger): Endpoint {
  return {
    path: "/logging",
    methods: ["GET", "POST"],
    summary: "Log levels; POST ?level=debug, ?proxy=debug or ?paths=proxy:debug,config:trace changes them",
    handle: (request) => answer(logger, request),
  };
}

function answer(logger: RootLogger, { method, query }: AdminRequest): AdminReply {
  if (query.size > 0 && method !== "POST") return textReply(405, "changing log levels takes a POST\n");
  const changes = parseChanges(query, Object.keys(logger.levels()));
  // All or nothing: a half-applied change would be harder to explain than a refused one.
  if (typeof changes === "string") return textReply(400, `${changes}\n\n${usage(logger)}`);
  for (const { level, scope } of changes) logger.setLevel(level, scope);
  return textReply(200, activeLoggers(logger));
}

/** What to change, or what is wrong with the request. */
function parseChanges(query: URLSearchParams, scopes: readonly string[]): readonly Change[] | string {
  const [first, ...rest] = [...query];
  if (first === undefined) return [];
  if (rest.length > 0) return "give one parameter; several scopes go into paths=";
  const [name, value] = first;
  const wanted: [string | undefined, string][] =
    name === "paths"
      ? value.split(",").map((pair) => [pair.slice(0, pair.lastIndexOf(":")), pair.slice(pair.lastIndexOf(":") + 1)])
      : [[name === "level" ? undefined : name, value]];
  const changes: Change[] = [];
  for (const [scope, text] of wanted) {
    const level = logLevels.find((known) => known === text);
    if (level === undefined) return `there is no level ${JSON.stringify(text)}`;
    if (scope !== undefined && !scopes.includes(scope)) return `there is no scope ${JSON.stringify(scope)}`;
    changes.push({ level, scope });
  }
  return changes;
}

function usage(logger: RootLogger): string {
  return `usage: POST /logging?level=<level> or /logging?<scope>=<level>\nlevels: ${logLevels.join(" ")}\n${activeLoggers(logger)}`;
}

function activeLoggers(logger: RootLogger): string {
  const lines = Object.entries(logger.levels()).map(([scope, level]) => `  ${scope}: ${level}\n`);
  return `active loggers:\n${lines.join("")}`;
}
