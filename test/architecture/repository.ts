// SPDX-License-Identifier: Apache-2.0
// The files of this repository as the checks read them. Git is not asked: the checks also hold in an unpacked archive.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Path with forward slashes, relative to the root → content. */
export type Files = ReadonlyMap<string, string>;

const root = fileURLToPath(new URL("../..", import.meta.url));
/** What .gitignore names. */
const ignoredFolders = new Set([".git", "node_modules", "dist", "coverage", "tmp"]);

/** Paths of all files but ignored ones, sorted. */
export function listFiles(folder = ""): string[] {
  return readdirSync(`${root}${folder}`, { withFileTypes: true })
    .flatMap((entry) => {
      if (!entry.isDirectory()) return [`${folder}${entry.name}`];
      return ignoredFolders.has(entry.name) ? [] : listFiles(`${folder}${entry.name}/`);
    })
    .toSorted();
}

export function readFiles(select: (path: string) => boolean): Files {
  return new Map(
    listFiles()
      .filter(select)
      .map((path) => [path, readFileSync(`${root}${path}`, "utf8")]),
  );
}

/** Files of an example, for checking the checks. */
export function fixture(files: Readonly<Record<string, string>>): Files {
  return new Map(Object.entries(files));
}
