// SPDX-License-Identifier: Apache-2.0
// `naru doctor`: what is wrong on this machine, and in the files if there are any, before or while it announces.

import type { AnnounceConfig } from "../announce/index.ts";
import { exitCodes, parsePaths, writeData, type CommandContext, type OptionValues, type Tone } from "../cli/index.ts";
import { systemClock, type Clock } from "../core/index.ts";
import type { Labels } from "../model/index.ts";
import { openPackets, type LinkInfo } from "../platform/index.ts";
import { defaultDataPlaneOptions } from "../proxy/index.ts";
import { createLogger } from "../telemetry/index.ts";
import { announceOptionsFrom, type AnnounceOptions } from "./announce/announce-options.ts";
import { mergeInterfaces } from "./announce/announcements.ts";
import { AnnouncingConfig, concernsAnnouncing } from "./announce/announcing-config.ts";
import { announceableLinks } from "./announce/announceable-links.ts";
import { checkFiles, decideAlone, type FilesQuestion } from "./doctor/check-files.ts";
import { checkLimits } from "./doctor/check-limits.ts";
import { checkNetwork } from "./doctor/check-network.ts";
import { checkPrivileges } from "./doctor/check-privileges.ts";
import { announcedElsewhere, checkRunning } from "./doctor/check-running.ts";
import { countFindings, renderFindings, verdictOf, type Finding } from "./doctor/finding.ts";
import { checkClaims, findForeignClaims } from "./doctor/foreign-claims.ts";
import { readFacts } from "./doctor/read-facts.ts";
import { readResources } from "./read-config.ts";

/** The command. Exit code 1 when there is an error. */
export async function runDoctor(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const hasFiles = values.given("filename") || values.positionals.length > 0;
  const options = announceOptionsFrom(values, hasFiles ? parsePaths(values) : []);
  const clock = systemClock;
  const facts = await readFacts(clock, options);
  const links = facts.links === null ? null : announceableLinks(facts.links, options);
  const files = hasFiles ? await readFiles(values, options, links) : null;
  const config = files?.announcing.config ?? null;
  const findings = [
    ...checkPrivileges(facts, options, config),
    ...checkNetwork({ facts, options, config, labels: labelsOf(options, config) }),
    ...(files === null ? [] : checkFiles(files)),
    ...(files === null || !options.probe ? [] : await probe(clock, files, announcedElsewhere(facts.running))),
    ...checkRunning(facts.running),
    ...checkLimits(facts, defaultDataPlaneOptions.backlog),
  ];
  const counts = countFindings(findings);
  const isOk = counts.error === 0;
  const output = values.text("output");
  if (output === "json" || output === "yaml") await writeData(terminal, output, { ok: isOk, counts, findings });
  else {
    const tone: Tone = !isOk ? "bad" : counts.warning > 0 ? "caution" : "good";
    terminal.out(renderFindings(findings, terminal.width, (text) => terminal.tone("dim", text)));
    terminal.out(`${terminal.tone(tone, verdictOf(counts))}\n`);
  }
  return isOk ? exitCodes.ok : exitCodes.failure;
}

async function readFiles(
  values: OptionValues,
  options: AnnounceOptions,
  links: readonly LinkInfo[] | null,
): Promise<FilesQuestion> {
  const { resources, problems } = await readResources(values);
  const announcing = new AnnouncingConfig(options).take(resources);
  return {
    announcing,
    problems: [...problems.filter(concernsAnnouncing), ...announcing.problems],
    node: options.node,
    alone: options.heartbeats === null,
    links,
  };
}

/** Asks for all that this node would announce in layer 2, but for the addresses of `elsewhere`, which other nodes announce. */
async function probe(clock: Clock, files: FilesQuestion, elsewhere: ReadonlySet<string>): Promise<readonly Finding[]> {
  const announcements = mergeInterfaces(decideAlone(files).layer2).filter(({ ip }) => !elsewhere.has(ip));
  if (announcements.length === 0 || files.links === null) return [];
  const packets = openPackets(clock);
  // What is missing is a finding already.
  if (typeof packets === "string") return [];
  const logger = createLogger({ level: "off", format: "text", colour: false, write: () => undefined, clock });
  try {
    const deps = { clock, random: Math.random, logger, packets };
    const claims = await findForeignClaims(deps, files.links, announcements);
    return checkClaims(claims, announcements.length, files.alone);
  } finally {
    packets.close();
  }
}

function labelsOf({ node: name, nodeLabels }: AnnounceOptions, config: AnnounceConfig | null): Labels {
  const described = config?.nodes.find((node) => node.name === name);
  return { ...(described?.labels ?? { "kubernetes.io/hostname": name }), ...nodeLabels };
}
