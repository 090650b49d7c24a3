// SPDX-License-Identifier: Apache-2.0
// The whole way from paths to snapshots once, for commands that look at a configuration without serving it.

import { createBuilder, type Build } from "./build.ts";
import type { CompileOptions } from "./link/options.ts";
import { readPaths } from "./source/index.ts";

export interface CheckedConfig extends Build {
  /** How many files were read. */
  readonly files: number;
}

/** Reads files and directories and compiles them for the process that `options` describes. Never throws for content. */
export async function checkConfig(paths: readonly string[], options: CompileOptions): Promise<CheckedConfig> {
  const { files, problems } = await readPaths(paths);
  return { ...createBuilder(options).build(files, problems), files: files.length };
}
