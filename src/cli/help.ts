// SPDX-License-Identifier: Apache-2.0
// Help texts, generated from the command table. Pure.

import type { CommandSpec, OptionSpec } from "./command.ts";
import { limitRows } from "./limits.ts";
import { placeholderOf, type HelpTopic } from "./parse.ts";
import { wrapText } from "./table.ts";

/** How help is laid out; `strong` marks headings. */
export interface HelpLayout {
  readonly width: number;
  readonly strong: (text: string) => string;
}

const widestLeft = 34;

/** What `naru COMMAND --help` says, for "limits" `naru help limits`, for null `naru --help`. */
export function renderHelp(topic: HelpTopic, table: readonly CommandSpec[], layout: HelpLayout): string {
  if (topic === null) return renderGeneralHelp(table, layout);
  return topic === "limits" ? renderLimits(layout) : renderCommandHelp(topic, layout);
}

function renderLimits(layout: HelpLayout): string {
  return [
    "What --limit NAME=VALUE of gateway and up changes; repeatable.\n",
    section("Limits", layout, renderPairs(limitRows(), layout)),
    `${wrapText("naru_limit_hits_total{limit=NAME} counts how often each was reached.", layout.width).join("\n")}\n`,
  ].join("\n");
}

function renderGeneralHelp(table: readonly CommandSpec[], layout: HelpLayout): string {
  const rows = table.map((command) => ({ left: command.name, right: command.summary }));
  const examples = table.flatMap((command) => command.examples.slice(0, 1));
  return [
    "naru: service mesh and ingress gateway in TypeScript. Reads Istio and Kubernetes YAML as it is.\n",
    section("Usage", layout, "  naru COMMAND [OPTIONS]\n  naru help COMMAND|limits\n"),
    section("Commands", layout, renderPairs(rows, layout)),
    section("Examples", layout, renderExamples(examples, layout)),
    section("Exit codes", layout, "  0  done\n  1  it failed, or the answer is no\n  2  the command line is wrong\n"),
  ].join("\n");
}

function renderCommandHelp(command: CommandSpec, layout: HelpLayout): string {
  const { positional } = command;
  const place = positional === null ? "" : ` [${positional.placeholder}${positional.repeatable ? "..." : ""}]`;
  const details = command.details.map((paragraph) => `\n${wrapText(paragraph, layout.width).join("\n")}\n`);
  const options = command.options.map((option) => ({ left: optionLabel(option), right: optionText(option) }));
  const sections = [
    section("Usage", layout, `  naru ${command.name} [OPTIONS]${place}\n`),
    section("Options", layout, renderPairs(options, layout)),
    section("Examples", layout, renderExamples(command.examples, layout)),
  ];
  if (positional !== null) {
    const rows = [{ left: positional.placeholder, right: positional.description }];
    sections.splice(1, 0, section("Arguments", layout, renderPairs(rows, layout)));
  }
  return [`${command.summary}.\n${details.join("")}`, ...sections].join("\n");
}

function section(title: string, layout: HelpLayout, body: string): string {
  return `${layout.strong(`${title}:`)}\n${body}`;
}

function optionLabel(option: OptionSpec): string {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  return `${short}--${option.name} ${placeholderOf(option)}`.trimEnd();
}

function optionText(option: OptionSpec): string {
  const notes: string[] = [];
  if (option.kind !== "flag" && option.default !== undefined) notes.push(`default: ${option.default}`);
  if ("repeatable" in option && option.repeatable === true) notes.push("repeatable");
  return notes.length === 0 ? option.description : `${option.description} (${notes.join("; ")})`;
}

interface Pair {
  readonly left: string;
  readonly right: string;
}

function renderPairs(pairs: readonly Pair[], layout: HelpLayout): string {
  const indent = Math.min(widestLeft, Math.max(...pairs.map((pair) => pair.left.length))) + 4;
  return pairs
    .map(({ left, right }) => {
      const lines = wrapText(right, Math.max(20, layout.width - indent));
      // A label too long for its column gets a line of its own.
      const first = left.length + 4 > indent ? `  ${left}\n${" ".repeat(indent)}` : `  ${left}`.padEnd(indent);
      return `${first}${lines.join(`\n${" ".repeat(indent)}`)}\n`;
    })
    .join("");
}

function renderExamples(examples: CommandSpec["examples"], layout: HelpLayout): string {
  return examples
    .map(
      ({ command, explains }) =>
        `${wrapText(`# ${explains}`, layout.width - 2)
          .map((line) => `  ${line}\n`)
          .join("")}  ${command}\n`,
    )
    .join("\n");
}
