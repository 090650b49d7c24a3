// SPDX-License-Identifier: Apache-2.0
// What the documents promise: paths that exist, npm scripts that exist, nothing about the machine they were written on.

import { posix } from "node:path";

import type { Files } from "./repository.ts";

/** First segments and single files that make a text in backticks a path of this repository. */
const roots = ["src", "test", "docs", "scripts", "examples", "bench", "deploy", ".ci", "dist"];
const rootFile = /^[A-Z]+(?:\.md)?$|^(?:package|tsconfig|knip|package-lock)\.json$|^\.(?:oxlintrc|oxfmtrc)\.json$/;
/** Built, not tracked. */
const untracked = ["dist"];

/** Every path or link in `documents` that is not among `paths` (files, from the root), one line each. */
export function checkPaths(documents: Files, paths: ReadonlySet<string>): string[] {
  const folders = new Set([...paths].flatMap(parents));
  const exists = (path: string) =>
    paths.has(path) || folders.has(path.replace(/\/$/, "")) || untracked.includes(path.split("/", 1)[0]!);
  return [...documents].flatMap(([document, text]) => [
    ...quotedPaths(text).flatMap((path) => (exists(path) ? [] : [`${document}: \`${path}\` does not exist`])),
    ...links(text).flatMap((link) => {
      const path = posix.join(posix.dirname(document), link);
      return exists(path) ? [] : [`${document}: link to ${link} leads nowhere`];
    }),
  ]);
}

/** Every `npm run x` and `npm x` of a script in `documents` that package.json does not have. */
export function checkScripts(documents: Files, scripts: ReadonlySet<string>): string[] {
  return [...documents].flatMap(([document, text]) =>
    [...text.matchAll(/\bnpm run ([a-z][a-z0-9:-]*)/g)].flatMap(([, name]) =>
      scripts.has(name!) ? [] : [`${document}: there is no npm run ${name}`],
    ),
  );
}

/** Traces of the machine a file was written on: paths in somebody's folders, private registries. */
export function checkTraces(files: Files): string[] {
  const patterns = [
    /(?<![\w.:/-])\/(?:home|Users|root|srv|work)\/[a-z0-9._-]+/i,
    /(?<![\w.:/-])\/tmp\/[a-z0-9._-]+/i,
    /"resolved":/,
    /https?:\/\/[^\s"']*(?:registry|artifactory|nexus|verdaccio)[^\s"']*/i,
  ];
  return [...files].flatMap(([path, text]) =>
    patterns.flatMap((pattern) => {
      const found = pattern.exec(text)?.[0];
      return found === undefined ? [] : [`${path}: ${found}`];
    }),
  );
}

/** Texts in backticks that look like paths here; a pattern with `*`, `…` or `<name>` is checked up to its last fixed folder. */
function quotedPaths(text: string): string[] {
  const prose = text.replaceAll(/```[^]*?```/g, "");
  return [...prose.matchAll(/`([^`\s]+)`/g)].flatMap(([, quoted]) => {
    const path = quoted!.replace(/[#:].*$/, "");
    if (!roots.includes(path.split("/", 1)[0]!) || !path.includes("/"))
      return rootFile.test(path) && path.includes(".") ? [path] : [];
    const variable = path.search(/[*…<{]|NNNN/);
    return [variable < 0 ? path : posix.dirname(`${path.slice(0, variable)}x`)];
  });
}

function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link));
}

function parents(path: string): string[] {
  const folders: string[] = [];
  for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) folders.push(folder);
  return folders;
}
