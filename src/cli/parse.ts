// SPDX-License-Identifier: Apache-2.0
// argv → which command with which values, checked against the command table. Pure; wrong input is a CliError that says
// what was probably meant.

import { parseArgs } from "node:util";
import { parsePort, suggestWord } from "../core/index.ts";
import type { LimitName } from "../model/index.ts";
import { usageError, type CommandSpec, type OptionSpec } from "./command.ts";
import { readBytes, readLimit } from "./limits.ts";

/** What help is asked for: the limits, a command, or null = all in short. */
export type HelpTopic = "limits" | CommandSpec | null;

/** What the user asked for. */
export type Invocation =
  | { readonly kind: "run"; readonly command: CommandSpec; readonly values: OptionValues }
  | { readonly kind: "help"; readonly topic: HelpTopic }
  | { readonly kind: "version" };

/** The values of one command's options, defaults applied. Asking for an option the command does not have is a bug. */
export class OptionValues {
  readonly positionals: readonly string[];
  readonly #command: CommandSpec;
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(command: CommandSpec, given: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#command = command;
    this.#given = given;
    this.positionals = positionals;
  }

  get commandName(): string {
    return this.#command.name;
  }

  flag(name: string): boolean {
    this.#spec(name);
    return this.#given.has(name);
  }

  /** Whether it stood on the command line, as opposed to its default. */
  given(name: string): boolean {
    return this.flag(name);
  }

  /** The last value given, else the default, else null. */
  optionalText(name: string): string | null {
    return this.list(name).at(-1) ?? null;
  }

  /** As optionalText, for options that have a default. */
  text(name: string): string {
    const value = this.optionalText(name);
    if (value === null) throw new Error(`option --${name} has no default`);
    return value;
  }

  /** All values given, else the default alone, else none. */
  list(name: string): readonly string[] {
    const spec = this.#spec(name);
    const given = this.#given.get(name);
    if (given !== undefined) return given;
    return spec.kind !== "flag" && spec.default !== undefined ? [spec.default] : [];
  }

  /** Of a port, seconds or percent option with a default; already checked. */
  number(name: string): number {
    return Number(this.text(name));
  }

  /** Of a bytes option with a default; already checked. */
  bytes(name: string): number {
    return readBytes(this.text(name))!;
  }

  /** Of --limit: by name, in the limit's unit; the last one of a name counts. Already checked. */
  limits(): ReadonlyMap<LimitName, number> {
    const limits = new Map<LimitName, number>();
    for (const text of this.list("limit")) {
      const limit = readLimit(text);
      if ("name" in limit) limits.set(limit.name, limit.value);
    }
    return limits;
  }

  #spec(name: string): OptionSpec {
    const spec = this.#command.options.find((option) => option.name === name);
    if (spec === undefined) throw new Error(`command ${this.#command.name} has no option --${name}`);
    return spec;
  }
}

/** Reads `argv` (without the program's own name). Throws CliError with exit code 2 when it makes no sense. */
export function parseCommandLine(argv: readonly string[], table: readonly CommandSpec[]): Invocation {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") return { kind: "help", topic: null };
  if (first === "--version" || first === "-V") return { kind: "version" };
  if (first.startsWith("-")) {
    const names = table.map((command) => command.name).join(", ");
    throw usageError(`'${first}' is not a command; the command comes first, one of: ${names}`, null);
  }
  const command = findCommand(first, table);
  const { given, positionals } = readOptions(command, rest);
  if (given.has("help")) return { kind: "help", topic: command };
  if (command.name === "help") return { kind: "help", topic: findTopic(positionals[0], table) };
  return { kind: "run", command, values: new OptionValues(command, given, positionals) };
}

function findTopic(name: string | undefined, table: readonly CommandSpec[]): HelpTopic {
  if (name === undefined || name === "limits") return name ?? null;
  return findCommand(name, table);
}

function findCommand(name: string, table: readonly CommandSpec[]): CommandSpec {
  const command = table.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const names = table.map((candidate) => candidate.name);
  throw usageError(`unknown command '${name}'${didYouMean(suggestWord(name, names))}`, null);
}

interface GivenOptions {
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

function readOptions(command: CommandSpec, args: readonly string[]): GivenOptions {
  // strict: false makes parseArgs report what it found instead of throwing its own texts.
  const { tokens } = parseArgs({ args: [...args], options: parseArgsOptions(command), strict: false, tokens: true });
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const spec = command.options.find((option) => option.name === token.name);
    if (spec === undefined) throw unknownOption(command, token.rawName);
    const value = readValue(command, spec, token);
    given.set(spec.name, [...(given.get(spec.name) ?? []), value]);
  }
  if (!given.has("help")) {
    checkPositionals(command, positionals);
    checkNeeds(command, given);
  }
  return { given, positionals };
}

function parseArgsOptions(command: CommandSpec): Record<string, { type: "boolean" | "string"; short?: string }> {
  const options: Record<string, { type: "boolean" | "string"; short?: string }> = {};
  for (const { kind, name, short } of command.options) {
    options[name] = { type: kind === "flag" ? "boolean" : "string", ...(short === undefined ? {} : { short }) };
  }
  return options;
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function readValue(command: CommandSpec, spec: OptionSpec, token: OptionToken): string {
  const { rawName, value } = token;
  if (spec.kind === "flag") {
    if (value !== undefined) throw usageError(`${rawName} takes no value`, command.name);
    return "";
  }
  // `--bind --mesh` is a forgotten value, not a host called --mesh; `--bind=--mesh` still says so.
  const forgotten = value === undefined || (value.startsWith("-") && value !== "-" && token.inlineValue !== true);
  if (forgotten) throw usageError(`${rawName} needs a value: ${rawName} ${placeholderOf(spec)}`, command.name);
  const fault = faultOf(spec, value);
  if (fault !== null) throw usageError(`${rawName} ${value}: ${fault}`, command.name);
  return value;
}

/** How help shows an option's value. */
export function placeholderOf(spec: OptionSpec): string {
  if (spec.kind === "flag") return "";
  return spec.kind === "choice" ? spec.choices.join("|") : spec.placeholder;
}

const maxThreads = 256;
/** Of a bytes option. */
const minBytes = 2 ** 20;
const maxBytes = 2 ** 29;

/** What is wrong with a value, or null. */
function faultOf(spec: OptionSpec, value: string): string | null {
  switch (spec.kind) {
    case "port":
      return parsePort(value) === null ? "a port is a number from 0 to 65535" : null;
    case "seconds":
      return /^\d{1,6}(?:\.\d{1,3})?$/.test(value) ? null : "seconds are a number like 45 or 0.5";
    case "percent":
      return /^\d{1,3}(?:\.\d{1,6})?$/.test(value) && Number(value) <= 100 ? null : "must be a number from 0 to 100";
    case "bytes": {
      const bytes = readBytes(value);
      return bytes !== null && bytes >= minBytes && bytes <= maxBytes
        ? null
        : "must be bytes from 1Mi to 512Mi, e.g. 8Mi";
    }
    case "threads":
      return value === "auto" || (/^[1-9]\d{0,2}$/.test(value) && Number(value) <= maxThreads)
        ? null
        : `must be auto or a number from 1 to ${maxThreads}`;
    case "choice": {
      if (spec.choices.includes(value)) return null;
      return `must be one of ${spec.choices.join(", ")}${didYouMean(suggestWord(value, spec.choices))}`;
    }
    case "limit": {
      const limit = readLimit(value);
      return "fault" in limit ? limit.fault : null;
    }
    case "path":
    case "text":
    case "flag":
      return value === "" ? "must not be empty" : null;
  }
}

function checkPositionals(command: CommandSpec, positionals: readonly string[]): void {
  const { positional } = command;
  const allowed = positional === null ? 0 : positional.repeatable ? Infinity : 1;
  const extra = positionals[allowed];
  if (extra !== undefined) throw usageError(`unexpected argument '${extra}'`, command.name);
}

function checkNeeds({ name: command, options }: CommandSpec, given: ReadonlyMap<string, unknown>): void {
  for (const { name, needs } of options) {
    if (needs === undefined || !given.has(name) || given.has(needs)) continue;
    throw usageError(`--${name} means nothing without --${needs}`, command);
  }
}

function unknownOption(command: CommandSpec, rawName: string): Error {
  const names = command.options.map((option) => `--${option.name}`);
  const guess = rawName.startsWith("--") ? suggestWord(rawName, names) : null;
  return usageError(`unknown option '${rawName}' for ${command.name}${didYouMean(guess)}`, command.name);
}

function didYouMean(guess: string | null): string {
  return guess === null ? "" : `; did you mean '${guess}'?`;
}
