// SPDX-License-Identifier: Apache-2.0
// Just enough of a TypeScript tokenizer to read imports and forbidden words exactly: comments, strings, templates and
// regular expressions are told apart, so that text inside them is never taken for code.

export type TokenKind = "word" | "string" | "template" | "regex" | "comment" | "punctuation";

export interface Token {
  readonly kind: TokenKind;
  /** As written; for strings the content between the quotes, escapes left as they are. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

export interface Import {
  readonly specifier: string;
  /** Names taken from the module, as the module calls them; `*` for a namespace, empty for a bare or dynamic import. */
  readonly names: readonly string[];
  /** `import type`, `export type … from`, or a type query: nothing is loaded at run time. */
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
  readonly line: number;
}

/** After these words a slash starts a regular expression; after any other word it divides. */
const wordsBeforeRegex = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "delete",
  "void",
  "throw",
  "new",
  "do",
  "else",
  "await",
  "yield",
]);

const lexemes = [
  { kind: "comment", pattern: /\/\/[^\n]*|\/\*[^]*?\*\//y },
  { kind: "string", pattern: /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y },
  { kind: "word", pattern: /[\p{ID_Start}$_#0-9][\p{ID_Continue}$\u200c\u200d]*/uy },
  { kind: "punctuation", pattern: /=>|\?\.|\.\.\.|[^\s]/y },
] as const;
const regexLiteral = /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const templateText = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;

/** Tokens of a module that compiles; what it makes of other text is unspecified. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Depth of braces in each template hole we are inside of. */
  const holes: number[] = [];
  let at = 0;
  let line = 1;
  const take = (kind: TokenKind, raw: string, text = raw) => {
    tokens.push({ kind, text, line });
    at += raw.length;
    line += raw.split("\n").length - 1;
  };
  const takeTemplate = (opening: string) => {
    const text = matchAt(templateText, source, at + opening.length) ?? "";
    const closing = source[at + opening.length + text.length] === "`" ? "`" : "${";
    if (closing === "${") holes.push(0);
    take("template", opening + text + closing, text);
  };
  while (at < source.length) {
    const space = matchAt(/\s+/y, source, at);
    if (space !== null) {
      at += space.length;
      line += space.split("\n").length - 1;
      continue;
    }
    const character = source[at];
    if (character === "`") {
      takeTemplate("`");
      continue;
    }
    if (character === "}" && holes.at(-1) === 0) {
      holes.pop();
      takeTemplate("}");
      continue;
    }
    if (holes.length > 0 && character === "{") holes.push(holes.pop()! + 1);
    if (holes.length > 0 && character === "}") holes.push(holes.pop()! - 1);
    const regex = character === "/" && regexMayStart(tokens) ? matchAt(regexLiteral, source, at) : null;
    if (regex !== null) {
      take("regex", regex);
      continue;
    }
    for (const { kind, pattern } of lexemes) {
      const raw = matchAt(pattern, source, at);
      if (raw === null) continue;
      take(kind, raw, kind === "string" ? raw.slice(1, -1) : raw);
      break;
    }
  }
  return tokens;
}

/** Every import and re-export of a module, static and dynamic, in order. */
export function readImports(source: string): Import[] {
  const tokens = tokenize(source).filter((token) => token.kind !== "comment");
  return tokens.flatMap((token, index) => {
    if (token.kind !== "word" || tokens[index - 1]?.text === ".") return [];
    if (token.text !== "import" && token.text !== "export") return [];
    const found = token.text === "import" ? readImport(tokens, index) : readClause(tokens, index);
    return found === null ? [] : [found];
  });
}

function readImport(tokens: readonly Token[], index: number): Import | null {
  const { line } = tokens[index]!;
  const next = tokens[index + 1];
  if (next?.kind === "string") return { specifier: next.text, names: [], typeOnly: false, dynamic: false, line };
  if (next?.text !== "(") return next?.text === "." ? null : readClause(tokens, index);
  const target = tokens[index + 2];
  const before = tokens[index - 1]?.text ?? "";
  // `typeof import("x")` and `: import("x").Name` are types; `await import("x")` and `=> import("x")` are not.
  const typeOnly = ["typeof", ":", "<", "|", "&"].includes(before) && before !== "=>";
  const specifier = target?.kind === "string" ? target.text : "(computed)";
  return { specifier, names: [], typeOnly, dynamic: true, line };
}

/** `import … from "x"` or `export … from "x"`; null when the statement names no module. */
function readClause(tokens: readonly Token[], index: number): Import | null {
  const { line } = tokens[index]!;
  const typeOnly = tokens[index + 1]?.text === "type" && tokens[index + 2]?.text !== "from";
  const names: string[] = [];
  for (let at = index + (typeOnly ? 2 : 1); at < tokens.length; at++) {
    const token = tokens[at]!;
    if (token.text === "from" && tokens[at + 1]?.kind === "string") {
      return { specifier: tokens[at + 1]!.text, names, typeOnly, dynamic: false, line };
    }
    const inClause = token.kind === "word" || ["{", "}", ",", "*"].includes(token.text);
    if (!inClause || ["const", "function", "class", "interface", "default", "async", "let"].includes(token.text))
      return null;
    if (["{", "}", ",", "type", "as"].includes(token.text)) continue;
    if (tokens[at - 1]?.text === "as") continue;
    names.push(token.text);
  }
  return null;
}

function regexMayStart(tokens: readonly Token[]): boolean {
  const before = tokens.findLast((token) => token.kind !== "comment");
  if (before === undefined) return true;
  if (before.kind === "word") return wordsBeforeRegex.has(before.text);
  return before.kind === "punctuation" && before.text !== ")" && before.text !== "]";
}

function matchAt(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}
