// SPDX-License-Identifier: Apache-2.0
// `naru vips`: which Service has which address, and who announces it: expected from files, or as a running announcer says.

import { allocate, linkAnnouncements } from "../announce/index.ts";
import {
  countOf,
  exitCodes,
  usageError,
  writeData,
  type CommandContext,
  type OptionValues,
  type Terminal,
} from "../cli/index.ts";
import { parseHostPort } from "../core/index.ts";
import { askAnnouncer } from "./announce/ask-announcer.ts";
import { expectedVips } from "./announce/expected-vips.ts";
import { renderLiveVips } from "./announce/live-vips.ts";
import { isReachable, renderVips, type Vip } from "./announce/vips.ts";
import { countProblems, noteNoFiles, readResources } from "./read-config.ts";

/** The command. */
export async function runVips(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const admin = values.optionalText("admin");
  return admin === null ? await showExpected(values, terminal) : await showLive(values, admin, terminal);
}

async function showExpected(values: OptionValues, terminal: Terminal): Promise<number> {
  const config = await readResources(values);
  noteNoFiles(config, terminal);
  const { resources, problems } = config;
  const linked = linkAnnouncements(resources, { loadBalancerClass: values.optionalText("lb-class") ?? "" });
  const { error } = countProblems([...problems, ...linked.problems]);
  if (error > 0) {
    terminal.err(`naru: what has ${countOf(error, "error")} is left out; see naru validate\n`);
  }
  const vips = expectedVips(linked.config, allocate(linked.config.pools, linked.config.services));
  const output = values.text("output");
  if (output === "json" || output === "yaml") await writeData(terminal, output, vips);
  else if (vips.length > 0) terminal.out(renderVips(vips, terminal.width, (text) => terminal.tone("dim", text)));
  return exitCodeOf(vips, terminal);
}

async function showLive(values: OptionValues, admin: string, terminal: Terminal): Promise<number> {
  const target = parseHostPort(admin);
  if (target?.port == null) {
    throw usageError(`--admin ${admin}: must look like 127.0.0.1:7471`, values.commandName);
  }
  if (values.given("filename") || values.positionals.length > 0) {
    throw usageError("--admin asks a running announcer, which has files of its own", values.commandName);
  }
  const live = await askAnnouncer(target.host, target.port);
  const output = values.text("output");
  if (output === "json" || output === "yaml") await writeData(terminal, output, live);
  else terminal.out(renderLiveVips(live, terminal.width, (text) => terminal.tone("dim", text)));
  return exitCodeOf(live.vips, terminal);
}

function exitCodeOf(vips: readonly Vip[], terminal: Terminal): number {
  if (vips.length === 0)
    terminal.err("naru: there is no Service of type LoadBalancer that is served here; see --lb-class\n");
  return vips.length > 0 && vips.every(isReachable) ? exitCodes.ok : exitCodes.failure;
}
