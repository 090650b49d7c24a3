// SPDX-License-Identifier: Apache-2.0
// The configuration as `validate` and `routes` look at it: once, from files, for a gateway and the mesh at the same time.

import { parsePaths, type OptionValues, type Terminal } from "../cli/index.ts";
import { checkConfig, type CheckedConfig, type CompileOptions } from "../config/index.ts";
import { unknownWorkload, type Problem, type Severity } from "../model/index.ts";
import { identityFrom } from "./identity.ts";

/** For who looks at the resources and not at routes: a process that no Gateway selects. */
export const noRoutes: CompileOptions = {
  identity: { workload: unknownWorkload, labels: {}, namespace: "default", clusterDomain: "cluster.local" },
  gateway: false,
  mesh: null,
};

/** Reads and compiles what -f and the positional paths name. */
export async function readConfig(values: OptionValues): Promise<CheckedConfig> {
  // The mesh listener is never opened here: address and port only fill its place.
  const mesh = { bind: "127.0.0.1", port: 15_001 };
  return await checkConfig(parsePaths(values), { identity: identityFrom(values), gateway: true, mesh });
}

/** The same, without the routes. */
export async function readResources(
  values: OptionValues,
): Promise<Pick<CheckedConfig, "files" | "resources" | "problems">> {
  return await checkConfig(parsePaths(values), noRoutes);
}

/** Tells a person who named the wrong directory, where nothing is wrong because nothing is there. */
export function noteNoFiles({ files, problems }: Pick<CheckedConfig, "files" | "problems">, terminal: Terminal): void {
  if (files === 0 && problems.length === 0) {
    terminal.err("naru: there is no file that ends in .yaml, .yml or .json; check the paths\n");
  }
}

/** How many problems there are of each severity. */
export function countProblems(problems: readonly Problem[]): Readonly<Record<Severity, number>> {
  const counts = { error: 0, warning: 0, info: 0 };
  for (const { severity } of problems) counts[severity]++;
  return counts;
}
