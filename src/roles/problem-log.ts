// SPDX-License-Identifier: Apache-2.0
// What a process that follows its configuration says about what is wrong with it: each problem once, as long as it lasts.

import { CliError, exitCodes } from "../cli/index.ts";
import { formatProblem, type Problem } from "../model/index.ts";
import type { Logger } from "../telemetry/port.ts";

export class ProblemLog {
  readonly #logger: Logger;
  #problems: readonly Problem[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** All there are now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Logs what is new; what is still wrong was said before. */
  take(problems: readonly Problem[]): void {
    const known = new Set(this.#problems.map(formatProblem));
    for (const problem of problems) {
      const text = formatProblem(problem);
      if (!known.has(text)) this.#logger[problem.severity]("problem in the configuration", { problem: text });
    }
    this.#problems = problems;
  }
}

/** Throws a CliError when one of the paths of the command line cannot be read: nothing else comes of it. */
export function refuseUnreadablePaths(problems: readonly Problem[], paths: readonly string[]): void {
  for (const { code, position, message } of problems) {
    if (code !== "FILE_UNREADABLE" || !paths.includes(position.file)) continue;
    throw new CliError(exitCodes.failure, `${position.file}: ${message}`, "Check the path, or leave it out.");
  }
}
