// SPDX-License-Identifier: Apache-2.0
// Rules of size and style that no linter states, and the check that holds a set of files against them.

import { posix } from "node:path";

import type { Files } from "./repository.ts";
import { type Token, tokenize } from "./scanner.ts";

const maxLines = 400;
/** A suite about one subject is a list of cases; cutting it in two makes neither easier to read. */
const maxTestLines = 600;
const maxIndexValues = 15;

/** Files that may break one rule, and why. */
export const exceptions: Readonly<Record<string, { readonly rule: string; readonly reason: string }>> = {
  "scripts/test-reporter.ts": {
    rule: "default export",
    reason: "Node's test runner loads a reporter by its default export",
  },
  "src/telemetry/metrics/prom-client.d.ts": {
    rule: "default export",
    reason: "declares the default export of another package",
  },
};

type Check = (path: string, text: string, tokens: readonly Token[]) => string[];

const checks: Readonly<Record<string, Check>> = {
  "SPDX line": (_path, text) =>
    text.startsWith("// SPDX-License-Identifier: Apache-2.0\n") ? [] : ["the first line names the licence"],
  "header comment": (path, text) =>
    path.startsWith("test/") || /^[^\n]*\n\/\/ \S/.test(text) ? [] : ["the second line says what the file owns"],
  "file size": (path, text) => {
    const lines = text.split("\n").length - 1;
    const allowed = path.endsWith(".test.ts") ? maxTestLines : maxLines;
    return lines <= allowed ? [] : [`${lines} lines, at most ${allowed}`];
  },
  "index size": (path, _text, tokens) => {
    if (!path.startsWith("src/") || posix.basename(path) !== "index.ts") return [];
    const values = countExportedValues(tokens);
    return values <= maxIndexValues ? [] : [`${values} exported values, at most ${maxIndexValues}`];
  },
  "file name": (path) =>
    /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.bench|\.config|\.d)?\.ts$/.test(posix.basename(path))
      ? []
      : ["not kebab-case"],
  any: (_path, _text, tokens) => find(tokens, (token, at) => token.text === "any" && isTypePosition(tokens, at)),
  enum: (_path, _text, tokens) =>
    find(
      tokens,
      (token, at) => token.text === "enum" && tokens[at + 1]?.kind === "word" && tokens[at + 2]?.text === "{",
    ),
  "default export": (_path, _text, tokens) =>
    find(
      tokens,
      (token, at) => token.text === "default" && (tokens[at - 1]?.text === "export" || isWord(tokens[at - 1], "as")),
    ),
  "silenced checker": (_path, text) =>
    tokenize(text).flatMap((token) =>
      token.kind === "comment" && /@ts-(?:ignore|expect-error|nocheck)|(?:oxlint|eslint)-disable/.test(token.text)
        ? [`line ${token.line}`]
        : [],
    ),
  environment: (path, _text, tokens) =>
    !path.startsWith("src/") || isComposition(path)
      ? []
      : find(tokens, (_token, at) => isMember(tokens, at, "process", "env")),
  "time and chance": (path, _text, tokens) => {
    if (!path.startsWith("src/") || path === "src/core/clock.ts" || path.startsWith("src/roles/")) return [];
    return find(
      tokens,
      (token, at) =>
        isMember(tokens, at, "Date", "now") ||
        isMember(tokens, at, "performance", "now") ||
        isMember(tokens, at, "Math", "random") ||
        (isWord(token, "new") &&
          isWord(tokens[at + 1], "Date") &&
          tokens[at + 2]?.text === "(" &&
          tokens[at + 3]?.text === ")"),
    );
  },
  skip: (path, _text, tokens) => {
    if (!path.startsWith("test/") || path === "test/support/requires.ts") return [];
    return find(
      tokens,
      (token, at) =>
        (["skip", "todo", "only"].includes(token.text) &&
          tokens[at - 1]?.text === "." &&
          ["test", "it", "describe", "suite", "t", "context"].includes(tokens[at - 2]?.text ?? "")) ||
        (["skip", "todo", "only"].includes(token.text) &&
          tokens[at + 1]?.text === ":" &&
          tokens[at - 1]?.text === "{" &&
          tokens[at - 2]?.text === "," &&
          tokens[at - 3]?.kind === "string"),
    );
  },
};

/** Everything wrong with `files` (TypeScript ones are read), one line each: `path [rule] detail`. */
export function checkStyle(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    if (!path.endsWith(".ts")) return [];
    const tokens = tokenize(text).filter((token) => token.kind !== "comment");
    return Object.entries(checks).flatMap(([rule, check]) =>
      exceptions[path]?.rule === rule ? [] : check(path, text, tokens).map((detail) => `${path} [${rule}] ${detail}`),
    );
  });
}

/** Only these read the environment: what it says is passed on as options. */
function isComposition(path: string): boolean {
  return path === "src/main.ts" || path.startsWith("src/cli/") || path.startsWith("src/roles/");
}

function find(tokens: readonly Token[], matches: (token: Token, at: number) => boolean): string[] {
  return tokens.flatMap((token, at) => (token.kind === "word" && matches(token, at) ? [`line ${token.line}`] : []));
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === "word" && token.text === text;
}

function isMember(tokens: readonly Token[], at: number, object: string, member: string): boolean {
  const access = tokens[at + 1]?.text;
  return isWord(tokens[at], object) && (access === "." || access === "?.") && isWord(tokens[at + 2], member);
}

/** `any` as a type: behind what introduces one, or before what can only follow one; never a property or a method. */
function isTypePosition(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text ?? "";
  const after = tokens[at + 1]?.text ?? "";
  if (before === "." || before === "?." || after === "(" || after === ".") return false;
  return (
    [":", "<", "|", "&", "as", "is", "extends", "satisfies", "=>"].includes(before) ||
    (before === "," && after === ">") ||
    (before === "=" && after === ";")
  );
}

/** Names that exist at run time; a star re-export counts as one, for its folder decides what is in it. */
function countExportedValues(tokens: readonly Token[]): number {
  let count = 0;
  for (let at = 0; at < tokens.length; at++) {
    if (!isWord(tokens[at], "export") || isWord(tokens[at + 1], "type") || isWord(tokens[at + 1], "interface"))
      continue;
    if (tokens[at + 1]?.text !== "{") {
      count++;
      continue;
    }
    const end = tokens.findIndex((token, index) => index > at && token.text === "}");
    const names = tokens
      .slice(at + 2, end)
      .map((token) => token.text)
      .join(" ")
      .split(",")
      .map((name) => name.trim());
    count += names.filter((name) => name !== "" && !name.startsWith("type ")).length;
  }
  return count;
}
