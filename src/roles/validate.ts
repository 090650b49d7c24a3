// SPDX-License-Identifier: Apache-2.0
// `naru validate`: every problem of a configuration, at its file, line and column, whichever role would meet it.

import { linkAnnouncements } from "../announce/index.ts";
import {
  countOf,
  exitCodes,
  renderTable,
  writeData,
  type CommandContext,
  type OptionValues,
  type Terminal,
  type Tone,
} from "../cli/index.ts";
import type { CheckedConfig } from "../config/index.ts";
import { formatProblem, formatRef, type Problem, type Severity } from "../model/index.ts";
import { countProblems, noteNoFiles, readConfig } from "./read-config.ts";

const tones = { error: "bad", warning: "caution", info: "dim" } as const satisfies Record<Severity, Tone>;

/** The command. Errors make the exit code 1; warnings only with --warnings-as-errors. */
export async function runValidate(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const config = withAnnouncements(await readConfig(values));
  noteNoFiles(config, terminal);
  const counts = countProblems(config.problems);
  const isOk = counts.error === 0 && (counts.warning === 0 || !values.flag("warnings-as-errors"));
  const output = values.text("output");
  if (output === "json" || output === "yaml") {
    const { problems, ignored, resources } = config;
    await writeData(terminal, output, { ok: isOk, resources: resources.length, counts, problems, ignored });
  } else {
    writeProblems(terminal, config.problems, output);
    terminal.out(summaryOf(config, terminal));
  }
  return isOk ? exitCodes.ok : exitCodes.failure;
}

/** What only the announcer would stumble over, too. */
function withAnnouncements(config: CheckedConfig): CheckedConfig {
  return { ...config, problems: [...config.problems, ...linkAnnouncements(config.resources).problems] };
}

function writeProblems(terminal: Terminal, problems: readonly Problem[], output: string): void {
  const sorted = problems.toSorted(comparePosition);
  if (output === "table") {
    const columns = [
      { title: "SEVERITY" },
      { title: "FROM" },
      { title: "RESOURCE" },
      { title: "FIELD" },
      { title: "PROBLEM" },
    ];
    const rows = sorted.map(({ severity, position: { file, line, column }, resource, path, message, code }) => [
      severity,
      `${file}:${line}:${column}`,
      resource === null ? "" : formatRef(resource),
      path,
      `${message} [${code}]`,
    ]);
    if (rows.length > 0) terminal.out(renderTable(columns, rows, terminal.width, (text) => terminal.tone("dim", text)));
    return;
  }
  for (const problem of sorted) {
    terminal.out(`${formatProblem(problem)} ${terminal.tone(tones[problem.severity], `(${problem.severity})`)}\n`);
  }
}

function summaryOf({ problems, resources, ignored }: CheckedConfig, terminal: Terminal): string {
  const { error, warning, info } = countProblems(problems);
  const parts = [countOf(error, "error"), countOf(warning, "warning"), ...(info === 0 ? [] : [countOf(info, "note")])];
  const tone = error > 0 ? "bad" : warning > 0 ? "caution" : "good";
  const verdict = `${countOf(resources.length, "resource")} read: ${terminal.tone(tone, parts.join(", "))}\n`;
  if (ignored.length === 0) return verdict;
  const kinds = ignored.map(({ apiVersion, kind, count }) => `${kind} ${apiVersion} (${count})`);
  return `${verdict}not read by this version: ${kinds.join(", ")}\n`;
}

function comparePosition({ position: left }: Problem, { position: right }: Problem): number {
  if (left.file !== right.file) return left.file < right.file ? -1 : 1;
  return left.line - right.line || left.column - right.column;
}
