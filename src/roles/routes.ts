// SPDX-License-Identifier: Apache-2.0
// `naru routes`: lists all routes of a configuration, or explains where one request goes.

import {
  countOf,
  exitCodes,
  parseHeaders,
  usageError,
  writeData,
  type CommandContext,
  type OptionValues,
  type Terminal,
} from "../cli/index.ts";
import type { CheckedConfig } from "../config/index.ts";
import { ipFamily } from "../core/index.ts";
import type { EscapedSlashAction, PathNormalization } from "../model/index.ts";
import { normalizePath, portOf } from "../router/index.ts";
import { explainRequest, explanationData, writeExplanation, type AskedRequest } from "./explanation.ts";
import { countProblems, noteNoFiles, readConfig } from "./read-config.ts";
import { listRoutes, renderRoutes, routeData, selectTables } from "./route-list.ts";

/** The command. Exit code 1 when there is nothing to list, or no route takes the request. */
export async function runRoutes(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const request = askedRequest(values);
  const config = await readConfig(values);
  noteNoFiles(config, terminal);
  noteErrors(config, terminal);
  return request === null ? await list(values, config, terminal) : await explain(values, config, request, terminal);
}

async function list(values: OptionValues, config: CheckedConfig, terminal: Terminal): Promise<number> {
  const selection = { role: values.flag("mesh") ? ("mesh" as const) : null, port: portOption(values) };
  const listed = listRoutes(config.routing, selection);
  const output = values.text("output");
  if (output === "json" || output === "yaml") await writeData(terminal, output, listed.map(routeData));
  else if (listed.length > 0) terminal.out(renderRoutes(listed, terminal.width, (text) => terminal.tone("dim", text)));
  if (listed.length === 0) terminal.err("naru: there are no such routes\n");
  return listed.length > 0 ? exitCodes.ok : exitCodes.failure;
}

async function explain(
  values: OptionValues,
  config: CheckedConfig,
  request: AskedRequest,
  terminal: Terminal,
): Promise<number> {
  const role = values.flag("mesh") ? "mesh" : "gateway";
  // The mesh has a route table for each service port, and the Host header says which, as it does while serving.
  const port = portOption(values) ?? (role === "mesh" ? (portOf(request.authority) ?? 80) : null);
  const explanations = selectTables(config.routing, { role, port }).map((table) => explainRequest(table, request));
  const output = values.text("output");
  if (output === "json" || output === "yaml") {
    const data = explanations.map((explanation) => explanationData(explanation, config.endpoints));
    await writeData(terminal, output, data);
  } else {
    for (const [index, explanation] of explanations.entries()) {
      if (index > 0) terminal.out("\n");
      writeExplanation(terminal, explanation, config.endpoints);
    }
  }
  if (explanations.length === 0) {
    const ports = selectTables(config.routing, { role, port: null }).map((table) => table.port);
    const nothing = "no Gateway is served; its spec.selector must be among --labels";
    const onPort = port === null ? "" : ` for port ${port}`;
    const there = `no ${role} route table${onPort}; ports that have one: ${ports.join(", ")}`;
    terminal.err(`naru: ${ports.length === 0 ? nothing : there}\n`);
  }
  return explanations.some(({ result }) => result.matched !== null) ? exitCodes.ok : exitCodes.failure;
}

/** The request that the options describe; null when they describe none, so that all routes are listed. */
function askedRequest(values: OptionValues): AskedRequest | null {
  const authority = values.optionalText("host");
  const target = values.optionalText("path");
  const headers = parseHeaders(values);
  if (authority === null && target === null) {
    const stray = ["method", "header", "from"].find((name) => values.given(name));
    if (stray === undefined) return null;
    throw usageError(`--${stray} describes a request: name its --host or --path, too`, values.commandName);
  }
  if (target !== null && !target.startsWith("/")) {
    throw usageError(`--path ${target}: a path starts with '/'`, values.commandName);
  }
  const [sentPath = "/", query = ""] = splitOnce(target ?? "/", "?");
  const level = values.text("path-normalization") as PathNormalization;
  const path = normalizePath(sentPath, level, values.text("escaped-slashes") as EscapedSlashAction);
  if (path === null) {
    throw usageError(
      `--path ${sentPath}: a broken escape, %00 or a rejected slash is refused with 400, no route sees it`,
      values.commandName,
    );
  }
  const peerAddress = values.text("from");
  if (ipFamily(peerAddress) === 0) throw usageError(`--from ${peerAddress}: is no IP address`, values.commandName);
  const method = values.text("method");
  return { method, authority: authority ?? "localhost", sentPath, path, query, headers, peerAddress };
}

function splitOnce(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function portOption(values: OptionValues): number | null {
  const text = values.optionalText("port");
  return text === null ? null : Number(text);
}

function noteErrors({ problems }: CheckedConfig, terminal: Terminal): void {
  const { error } = countProblems(problems);
  if (error === 0) return;
  terminal.err(
    `naru: the configuration has ${countOf(error, "error")}, and what they are in is left out; see naru validate\n`,
  );
}
