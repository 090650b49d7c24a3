// SPDX-License-Identifier: Apache-2.0
// What main.ts hands to the command it runs. Commands touch the process only through this.

import type { OptionValues } from "./parse.ts";
import type { Terminal } from "./terminal.ts";

/** Why a serving process has to end. */
export type StopReason =
  | { readonly kind: "signal"; readonly signal: "SIGTERM" | "SIGINT" }
  /** Something threw where nobody could catch it: the process can finish what it does, but not go on. */
  | { readonly kind: "failure"; readonly error: unknown };

export interface ProcessControl {
  /** Settles once, at the first reason to stop; a second signal ends the process without asking. */
  readonly stopRequested: Promise<StopReason>;
  /** Calls back at each SIGHUP, and at once for those that came since `takeControl`. Call it once. */
  onReopen(callback: () => void): void;
}

export interface CommandContext {
  readonly terminal: Terminal;
  /** Takes the signals over from the system's defaults. For commands that serve; call it once. */
  takeControl(): ProcessControl;
}

/** A command: resolves with the exit code of the process. Throws CliError for what the user can act on. */
export type RunCommand = (values: OptionValues, context: CommandContext) => Promise<number>;
