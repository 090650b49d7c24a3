// SPDX-License-Identifier: Apache-2.0
// `naru convert`: an old configuration in today's words.

import { CliError, exitCodes, usageError, writeData, type CommandContext, type OptionValues } from "../cli/index.ts";
import { convertConfigMaps } from "../config/index.ts";
import { formatProblem } from "../model/index.ts";

/** The command. Nothing is printed to stdout unless all of it can be. */
export async function runConvert(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const [format] = values.positionals;
  if (format !== "metallb-configmap") {
    const what = format === undefined ? "no format given" : `unknown format '${format}'`;
    throw usageError(`${what}; write 'naru convert metallb-configmap'`, values.commandName);
  }
  const paths = values.list("filename");
  if (paths.length === 0) throw usageError("no file given: name it with -f", values.commandName);
  const { manifests, problems } = await convertConfigMaps(paths);
  for (const problem of problems) terminal.err(`${formatProblem(problem)} (${problem.severity})\n`);
  if (problems.some(({ severity }) => severity === "error")) return exitCodes.failure;
  if (manifests.length === 0) {
    throw new CliError(exitCodes.failure, `no ConfigMap of MetalLB in ${paths.join(", ")}`);
  }
  for (const [index, manifest] of manifests.entries()) {
    if (index > 0) terminal.out("---\n");
    await writeData(terminal, "yaml", manifest);
  }
  return exitCodes.ok;
}
