// SPDX-License-Identifier: Apache-2.0
// Reads which configuration fields are served out of the declarations in src/config/decode/, so that the document about
// them cannot disagree with the decoder. It reads the sources, because a decoder at run time is only a function.

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

import { readImports, tokenize, type Token } from "../test/architecture/scanner.ts";

/** `unserved` is reported and the rest is served; `refused` costs the resource; `silent` means nothing to a proxy. */
export type FieldRole = "required" | "optional" | "unserved" | "refused" | "silent";

export interface ConfigField {
  /** `spec.http[].route[].weight`. */
  readonly path: string;
  readonly role: FieldRole;
  /** What happens instead; "" for fields that are served. */
  readonly consequence: string;
  /** Some values are served; which ones is decided in code and told by the problem. */
  readonly inPart: boolean;
  /** Another field of this kind that has the same fields below it, which are listed there only; or null. */
  readonly sameAs: string | null;
}

export interface ConfigKind {
  readonly kind: string;
  /** "" is the core group of Kubernetes. */
  readonly group: string;
  readonly fields: readonly ConfigField[];
}

type Tokens = readonly Token[];

/** Paths of files are from the decoder's folder. */
interface SourceFile {
  /** Tokens of each top-level constant, without its own name. Functions make no shapes. */
  readonly constants: ReadonlyMap<string, Tokens>;
  /** Imported name → file it comes from. */
  readonly imports: ReadonlyMap<string, string>;
}

interface Constant {
  readonly file: string;
  readonly tokens: Tokens;
}

/** One walk over the fields of one kind. */
interface Walk {
  readonly files: ReadonlyMap<string, SourceFile>;
  /** Shapes already listed, with the field they were listed under. */
  readonly listed: Map<Tokens, string>;
}

const folder = fileURLToPath(new URL("../src/config/decode/", import.meta.url));
const roles = new Set<string>(["required", "optional", "unserved", "refused", "silent"]);
/** Of every document; where a kind reads nothing of them they are not worth a word. */
const documentFields = new Set(["apiVersion", "kind", "metadata", "status"]);
/** Decoders of documents whose fields are all under `spec`. */
const specDocuments = new Set(["istioDocument", "metallbDocument", "metallbDocumentWithDefaults"]);
/** Constants that stand for the name of an API group. */
const groups: Readonly<Record<string, string>> = { istioGroup: "networking.istio.io", metallbGroup: "metallb.io" };

/** By kind, fields in declared order. Throws when a declaration is written in a way it cannot read. */
export function readConfigKinds(): ConfigKind[] {
  const files = new Map(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .toSorted()
      .map((file) => [file, readSourceFile(file, readFileSync(`${folder}${file}`, "utf8"))]),
  );
  const kinds: ConfigKind[] = [];
  for (const [file, { constants }] of files) {
    for (const tokens of constants.values()) {
      const kind = property(tokens, "kind");
      const group = property(tokens, "group");
      if (kind?.kind !== "string" || kind.text === "" || group === undefined) continue;
      const walk = { files, listed: new Map<Tokens, string>() };
      const fields = constantsNamedIn({ file, tokens }, files).flatMap((root) => fieldsOf(root, walk, ""));
      kinds.push({ kind: kind.text, group: groups[group.text] ?? group.text, fields });
    }
  }
  return kinds;
}

function readSourceFile(file: string, source: string): SourceFile {
  const tokens = tokenize(source).filter((token) => token.kind !== "comment");
  const starts: number[] = [];
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    depth += nesting(token);
    const opens = ["const", "function", "interface", "type", "import"].includes(token.text) && token.kind === "word";
    if (depth === 0 && opens && tokens[at - 1]?.text !== ".") starts.push(at);
  }
  const constants = new Map<string, Tokens>();
  for (const [index, at] of starts.entries()) {
    if (tokens[at]!.text === "const") constants.set(tokens[at + 1]!.text, tokens.slice(at + 2, starts[index + 1]));
  }
  const imports = readImports(source).flatMap(({ names, specifier }) =>
    names.map((name) => [name, posix.join(posix.dirname(file), specifier)] as const),
  );
  return { constants, imports: new Map(imports) };
}

/** All fields that a constant declares, or that the constants it is made of declare. */
function fieldsOf(constant: Constant, walk: Walk, path: string): ConfigField[] {
  const { file, tokens } = constant;
  const prefix = tokens.some((token) => specDocuments.has(token.text)) ? "spec." : path;
  const shape = shapeIn(tokens);
  if (shape === null) return constantsNamedIn(constant, walk.files).flatMap((part) => fieldsOf(part, walk, prefix));
  return splitFields(shape).flatMap((field) => {
    if (field[0]!.text !== "...") return fieldOf({ file, tokens: field }, walk, prefix);
    return constantsNamedIn({ file, tokens: field }, walk.files).flatMap((part) => fieldsOf(part, walk, prefix));
  });
}

/** `name: role(…)` and the fields below it. */
function fieldOf({ file, tokens }: Constant, walk: Walk, prefix: string): ConfigField[] {
  const [name, colon, role, ...rest] = tokens;
  if (colon?.text !== ":" || !isRole(role?.text)) throw new Error(`${file}:${name!.line} is no field that can be read`);
  if (documentFields.has(name!.text) && role.text === "silent") return [];
  const parts = constantsNamedIn({ file, tokens: rest }, walk.files);
  const isList = isListOf(rest) || parts.some((part) => isListOf(part.tokens) && shapeIn(part.tokens) === null);
  const path = `${prefix}${name!.text}${isList ? "[]" : ""}`;
  const served = role.text === "required" || role.text === "optional";
  const consequence = served ? "" : (rest.find((token) => token.kind === "string")?.text ?? "");
  const inPart = rest.some((token) => token.text === "anywhere");
  const field = { path, role: role.text, consequence, inPart };
  const described = served ? parts : [];
  const sameAs = described.map((part) => walk.listed.get(part.tokens)).find((known) => known !== undefined) ?? null;
  if (sameAs !== null) return [{ ...field, sameAs }];
  const below = described.flatMap((part) => {
    const fields = fieldsOf(part, walk, `${path}.`);
    if (fields.length > 0) walk.listed.set(part.tokens, path);
    return fields;
  });
  return [{ ...field, sameAs: null }, ...below];
}

function isListOf(tokens: Tokens): boolean {
  return tokens.some((token) => token.text === "list" || token.text === "distinct");
}

function isRole(text: string | undefined): text is FieldRole {
  return text !== undefined && roles.has(text);
}

/** Constants of these files that an expression names, each once; what decodes single values has no fields and adds none. */
function constantsNamedIn({ file, tokens }: Constant, files: ReadonlyMap<string, SourceFile>): Constant[] {
  const names = new Set(tokens.filter((token) => token.kind === "word").map((token) => token.text));
  return [...names].flatMap((name) => {
    const from = files.get(file)!;
    const home = from.constants.has(name) ? file : (from.imports.get(name) ?? "");
    const found = files.get(home)?.constants.get(name);
    const isNew = found !== undefined && found !== tokens && home !== "schema.ts" && home !== "values.ts";
    return isNew ? [{ file: home, tokens: found }] : [];
  });
}

/** What stands between the braces of `object("istio", { … }`, or of a constant that is nothing but fields. */
function shapeIn(tokens: Tokens): Tokens | null {
  const call = tokens.findIndex((token, at) => token.text === "object" && tokens[at + 1]?.text === "(");
  const open = call >= 0 ? call + 4 : 1;
  const isShape = tokens[open]?.text === "{" && (call >= 0 || roles.has(tokens[open + 3]?.text ?? ""));
  if (!isShape) return null;
  let depth = 0;
  const close = tokens.findIndex((token, at) => at >= open && (depth += nesting(token)) === 0);
  return tokens.slice(open + 1, close);
}

function splitFields(shape: Tokens): Tokens[] {
  const fields: Token[][] = [[]];
  let depth = 0;
  for (const token of shape) {
    depth += nesting(token);
    if (depth === 0 && token.text === ",") fields.push([]);
    else fields.at(-1)!.push(token);
  }
  return fields.filter((field) => field.length > 0);
}

/** The value of `name: "text"` or `name: constant` in an object literal. */
function property(tokens: Tokens, name: string): Token | undefined {
  const at = tokens.findIndex((token, index) => token.text === name && tokens[index + 1]?.text === ":");
  return at < 0 ? undefined : tokens[at + 2];
}

function nesting(token: Token): number {
  if (token.kind !== "punctuation") return 0;
  if (["{", "(", "["].includes(token.text)) return 1;
  return ["}", ")", "]"].includes(token.text) ? -1 : 0;
}
