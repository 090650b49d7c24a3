// SPDX-License-Identifier: Apache-2.0
// What a command and an option are. The table in commands.ts is made of these; the parser and the help text both read
// that one table, so they cannot disagree. Data only.

/** What the process tells its caller. */
export const exitCodes = {
  ok: 0,
  /** It ran and the answer is no: configuration with errors, nothing matches, a port is taken. */
  failure: 1,
  /** The command line itself is wrong. */
  usage: 2,
} as const;

interface OptionBase {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter, without a dash. */
  readonly short?: string;
  /** Name of the option without which this one means nothing. */
  readonly needs?: string;
  readonly description: string;
}

/** `--name`: on or off. */
export interface FlagOption extends OptionBase {
  readonly kind: "flag";
}

/** `--name VALUE`. */
export interface ValueOption extends OptionBase {
  readonly kind: "text" | "port" | "seconds" | "path" | "threads" | "limit" | "percent" | "bytes";
  /** How help shows the value, e.g. `PORT`. */
  readonly placeholder: string;
  readonly repeatable?: boolean;
  /** As it would be typed. Absent: the option has no value unless it is given. */
  readonly default?: string;
}

/** `--name one|of|these`. */
export interface ChoiceOption extends OptionBase {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly default: string;
}

export type OptionSpec = FlagOption | ValueOption | ChoiceOption;

export interface PositionalSpec {
  /** How help shows it, e.g. `PATH`. */
  readonly placeholder: string;
  readonly description: string;
  readonly repeatable: boolean;
}

export interface ExampleSpec {
  /** Runs as it stands, given files of these names; starts with `naru `. */
  readonly command: string;
  readonly explains: string;
}

export interface CommandSpec {
  readonly name: string;
  /** One line, no full stop. */
  readonly summary: string;
  /** Paragraphs below the summary. */
  readonly details: readonly string[];
  readonly positional: PositionalSpec | null;
  /** In the order of the help text. */
  readonly options: readonly OptionSpec[];
  readonly examples: readonly ExampleSpec[];
}

/** Something the user has to know and can act on: printed as `naru: message`, the hint below it, never a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  /** What to do about it, or null. */
  readonly hint: string | null;

  constructor(exitCode: number, message: string, hint: string | null = null, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** The command line is wrong: exit code 2, with a pointer to the help of `command` (null = the general help). */
export function usageError(message: string, command: string | null): CliError {
  const help = command === null ? "naru --help" : `naru ${command} --help`;
  return new CliError(exitCodes.usage, message, `Run '${help}' for what there is.`);
}
