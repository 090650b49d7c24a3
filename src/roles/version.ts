// SPDX-License-Identifier: Apache-2.0
// `naru version`. The version has one source, package.json; a bundle carries it inlined.

import packageJson from "../../package.json" with { type: "json" };
import { exitCodes, writeData, type CommandContext, type OptionValues } from "../cli/index.ts";

export interface VersionInfo {
  readonly version: string;
  readonly node: string;
  /** `linux-x64` and the like. */
  readonly platform: string;
}

/** What is running. */
export function versionInfo(): VersionInfo {
  return {
    version: packageJson.version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** One line for people. */
export function versionText(): string {
  const { version, node, platform } = versionInfo();
  return `naru ${version} (Node.js ${node}, ${platform})\n`;
}

/** The command. */
export async function runVersion(values: OptionValues, { terminal }: CommandContext): Promise<number> {
  const output = values.text("output");
  if (output === "json" || output === "yaml") await writeData(terminal, output, versionInfo());
  else terminal.out(versionText());
  return exitCodes.ok;
}
