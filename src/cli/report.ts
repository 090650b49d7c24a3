// SPDX-License-Identifier: Apache-2.0
// The one place where a failed command is put into words.

import { messageOf } from "../core/index.ts";
import { CliError, exitCodes } from "./command.ts";
import type { Terminal } from "./terminal.ts";

/** Writes `naru: what is wrong` and what to do about it to stderr. Returns the exit code. */
export function reportFailure(terminal: Terminal, error: unknown, withStack: boolean): number {
  terminal.err(`${terminal.errTone("bad", "naru:")} ${messageOf(error)}\n`);
  if (error instanceof CliError && error.hint !== null) terminal.err(`${error.hint}\n`);
  if (withStack && error instanceof Error) terminal.err(`${error.stack ?? ""}\n`);
  return error instanceof CliError ? error.exitCode : exitCodes.failure;
}
