// SPDX-License-Identifier: Apache-2.0
// YAML or JSON text → one plain tree per document, each node with its offset. Anchors are resolved and merge keys
// applied here, within limits, so that nobody behind this file has to think about YAML. No text of the input enters a
// message: the broken document may be a Secret.

import { Composer, isAlias, isMap, isScalar, isSeq, LineCounter, Parser, type Document } from "yaml";
import { syntaxMessage } from "./yaml-errors.ts";

/** Documents nested deeper than this are refused; Istio's and Kubernetes' own stay below 20. */
const maxDepth = 100;
/** Nodes that aliases may add to one document: an "alias bomb" doubles its size with every line. */
const maxAliasedNodes = 100_000;
/** Errors after the first few of a document are mostly echoes of them. */
const maxIssues = 5;

export type Value = ScalarValue | ListValue | MapValue;

export interface ScalarValue {
  readonly kind: "scalar";
  readonly offset: number;
  readonly value: string | number | bigint | boolean | null;
  /** Written without quotes: the type was guessed from the text. */
  readonly plain: boolean;
  readonly text: string;
}

export interface ListValue {
  readonly kind: "list";
  readonly offset: number;
  readonly items: readonly Value[];
}

export interface MapValue {
  readonly kind: "map";
  readonly offset: number;
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  readonly keyOffset: number;
  readonly value: Value;
}

/** Something wrong with the text itself. */
export interface TextIssue {
  readonly offset: number;
  readonly message: string;
}

export interface TextDocument {
  /** null when the document is empty. Incomplete when there are issues; still good for finding out what it is. */
  readonly root: Value | null;
  readonly issues: readonly TextIssue[];
}

/** Where the lines of a text start. The parser counts along, but loses lines of what it finds broken. */
export function linesOf(text: string): LineCounter {
  const lines = new LineCounter();
  for (let start = 0; ;) {
    lines.addNewLine(start);
    start = text.indexOf("\n", start) + 1;
    if (start === 0) return lines;
  }
}

/** Yields the documents of a stream one by one, so that only one syntax tree is in memory. */
export function* parseText(text: string): Generator<TextDocument> {
  const tokens = new Parser().parse(text);
  // uniqueKeys compares each key with all others; the tree builder finds duplicates with a map.
  const composer = new Composer({
    uniqueKeys: false,
    prettyErrors: false,
    resolveKnownTags: false,
    logLevel: "silent",
  });
  for (const document of composer.compose(tokens)) {
    const issues: TextIssue[] = [];
    for (const error of document.errors.slice(0, maxIssues)) {
      issues.push({ offset: error.pos[0], message: syntaxMessage(error.code) });
    }
    yield { root: buildTree(document, issues), issues };
  }
}

function buildTree(document: Document.Parsed, issues: TextIssue[]): Value | null {
  if (document.contents === null) return null;
  return new TreeBuilder(issues).build(document.contents, 0)?.value ?? null;
}

/** A finished node and how many nodes it counts with all its aliases written out. */
interface Built {
  readonly value: Value;
  readonly nodes: number;
}

class TreeBuilder {
  readonly #anchors = new Map<string, Built>();
  readonly #issues: TextIssue[];
  #aliasedNodes = 0;

  constructor(issues: TextIssue[]) {
    this.#issues = issues;
  }

  build(node: unknown, depth: number): Built | null {
    if (isAlias(node)) return this.#alias(node.source, node.range?.[0] ?? 0);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
    const offset = node.range?.[0] ?? 0;
    if (depth > maxDepth) {
      return this.#issue(offset, `the document is nested more than ${maxDepth} levels deep; flatten it`);
    }
    let built: Built;
    if (isMap(node)) built = this.#map(node.items, offset, depth);
    else if (isSeq(node)) built = this.#list(node.items, offset, depth);
    else built = { value: scalar(node, offset), nodes: 1 };
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, built);
    return built;
  }

  #alias(name: string, offset: number): Built | null {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      return this.#issue(
        offset,
        "an alias refers to an anchor that is not complete before it; define the anchor first",
      );
    }
    this.#aliasedNodes += target.nodes;
    if (this.#aliasedNodes <= maxAliasedNodes) return target;
    return this.#issue(
      offset,
      `aliases expand to more than ${maxAliasedNodes} values; write the document without them`,
    );
  }

  #list(items: readonly unknown[], offset: number, depth: number): Built {
    const values: Value[] = [];
    let nodes = 1;
    for (const item of items) {
      const built = this.build(item, depth + 1);
      values.push(built?.value ?? { kind: "scalar", offset, value: null, plain: true, text: "" });
      nodes += built?.nodes ?? 1;
    }
    return { value: { kind: "list", offset, items: values }, nodes };
  }

  #map(pairs: readonly { readonly key: unknown; readonly value: unknown }[], offset: number, depth: number): Built {
    const entries = new Map<string, MapEntry>();
    const merged: MapValue[] = [];
    let nodes = 1;
    for (const { key, value } of pairs) {
      const built = this.build(value, depth + 1);
      nodes += built?.nodes ?? 1;
      if (!isScalar(key)) {
        this.#issue(nodeOffset(key, offset), "a key must be plain text; quote it");
        continue;
      }
      const keyOffset = key.range?.[0] ?? offset;
      const child = built?.value ?? { kind: "scalar", offset: keyOffset, value: null, plain: true, text: "" };
      if (key.value === "<<" && key.type === "PLAIN") this.#merge(child, keyOffset, merged);
      else {
        this.#put(entries, typeof key.value === "string" ? key.value : (key.source ?? ""), { keyOffset, value: child });
      }
    }
    // Explicit keys win over merged ones, earlier merged maps over later ones (YAML merge key specification).
    for (const source of merged) {
      for (const [name, entry] of source.entries) if (!entries.has(name)) entries.set(name, entry);
    }
    return { value: { kind: "map", offset, entries }, nodes };
  }

  #put(entries: Map<string, MapEntry>, name: string, entry: MapEntry): void {
    if (!entries.has(name)) entries.set(name, entry);
    else this.#issue(entry.keyOffset, "the same key stands twice in one map; keep one of them");
  }

  #merge(value: Value, offset: number, merged: MapValue[]): void {
    for (const source of value.kind === "list" ? value.items : [value]) {
      if (source.kind === "map") merged.push(source);
      else this.#issue(offset, "a merge key takes a map or a list of maps; point it at one");
    }
  }

  #issue(offset: number, message: string): null {
    if (this.#issues.length < maxIssues) this.#issues.push({ offset, message });
    return null;
  }
}

function scalar(
  node: { readonly value: unknown; readonly source?: string; readonly type?: string },
  offset: number,
): ScalarValue {
  const value = node.value;
  const text = node.source ?? (typeof value === "string" ? value : "");
  const known = value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return { kind: "scalar", offset, value: known ? value : text, plain: node.type === "PLAIN", text };
}

function nodeOffset(node: unknown, fallback: number): number {
  return isMap(node) || isSeq(node) || isAlias(node) ? (node.range?.[0] ?? fallback) : fallback;
}
