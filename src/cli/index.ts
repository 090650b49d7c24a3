// SPDX-License-Identifier: Apache-2.0
// The command line: what there is to type, how it is read, how answers are written. Knows no role.

export { CliError, exitCodes, usageError } from "./command.ts";
export { commandTable } from "./commands.ts";
export type { CommandContext, ProcessControl, RunCommand, StopReason } from "./context.ts";
export { renderHelp } from "./help.ts";
export { countOf, writeData } from "./output.ts";
export { parseCommandLine, type Invocation, type OptionValues } from "./parse.ts";
export { reportFailure } from "./report.ts";
export { renderTable, type Column } from "./table.ts";
export { createTerminal, type Terminal, type Tone } from "./terminal.ts";
export { parseHeaders, parseLabels, parsePaths, parsePortMap, type BindAddress } from "./values.ts";
