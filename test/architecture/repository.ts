// SPDX-License-Identifier: Apache-2.0
// The tracked and new files of this repository, as the checks read them.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Path with forward slashes, relative to the root → content. */
export type Files = ReadonlyMap<string, string>;

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Paths that git tracks or would track; a file deleted but not yet committed is left out. */
export function listFiles(): string[] {
  const list = (...args: readonly string[]) =>
    execFileSync("git", ["ls-files", "-z", ...args], { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean);
  const deleted = new Set(list("--deleted"));
  return list("--cached", "--others", "--exclude-standard").filter((path) => !deleted.has(path)).toSorted();
}

export function readFiles(select: (path: string) => boolean): Files {
  return new Map(listFiles().filter(select).map((path) => [path, readFileSync(`${root}${path}`, "utf8")]));
}

/** Files of an example, for checking the checks. */
export function fixture(files: Readonly<Record<string, string>>): Files {
  return new Map(Object.entries(files));
}
