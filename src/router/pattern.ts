// SPDX-License-Identifier: Apache-2.0
// Regular expressions of users, run over bytes of strangers: RE2 syntax, linear time, bounded memory. Backed by re2js,
// whose lazy DFA keeps at most 8 MiB (its own estimate, the same figure as RE2's) and falls back to an NFA beyond.

import { RE2JS, RE2JSException } from "re2js";

/** Full match, as Envoy's safe_regex and Istio's StringMatch.regex ask for. */
export interface Pattern {
  /** Time is linear in the text. */
  matches(text: string): boolean;
}

/** A compiled pattern together with what lets an index find it. */
export interface IndexablePattern extends Pattern {
  /** Every text that matches starts with this; "" when nothing is known. */
  readonly literalPrefix: string;
}

export type PatternResult =
  | { readonly ok: true; readonly pattern: IndexablePattern }
  | { readonly ok: false; readonly message: string };

/** Istio's `re2.max_program_size.error_level`; bounds the cost per character. */
const maxInstructions = 32_768;

/** `literal` and `literal.*`, the shapes most rules have; they need no automaton. */
const simpleShape = /^\^?((?:[\w/~%=,:;@!&"'<> -]|\\[.\-/])*)(\.\*)?\$?$/;

/** Compiles RE2 syntax. The message of a failure names what is wrong in the pattern. */
export function compilePattern(source: string): PatternResult {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    if (error instanceof RE2JSException) return { ok: false, message: error.message };
    throw error;
  }
  const size = compiled.programSize();
  if (size > maxInstructions) {
    return {
      ok: false,
      message: `too large: compiles to ${size} instructions, at most ${maxInstructions} are allowed`,
    };
  }
  const simple = simpleShape.exec(source);
  if (simple !== null) {
    const literal = simple[1]!.replaceAll("\\", "");
    return { ok: true, pattern: simple[2] === undefined ? new LiteralPattern(literal) : new OpenPattern(literal) };
  }
  return { ok: true, pattern: new AutomatonPattern(compiled, literalPrefixOf(compiled)) };
}

class LiteralPattern implements IndexablePattern {
  readonly literalPrefix: string;

  constructor(literal: string) {
    this.literalPrefix = literal;
  }

  matches(text: string): boolean {
    return text === this.literalPrefix;
  }
}

/** `literal.*`: the dot takes anything but a newline. */
class OpenPattern implements IndexablePattern {
  readonly literalPrefix: string;

  constructor(literal: string) {
    this.literalPrefix = literal;
  }

  matches(text: string): boolean {
    return text.startsWith(this.literalPrefix) && !text.includes("\n", this.literalPrefix.length);
  }
}

class AutomatonPattern implements IndexablePattern {
  readonly literalPrefix: string;
  readonly #compiled: RE2JS;

  constructor(compiled: RE2JS, literalPrefix: string) {
    this.#compiled = compiled;
    this.literalPrefix = literalPrefix;
  }

  matches(text: string): boolean {
    // Not `matcher(text).matches()`: only this call runs on the DFA.
    return this.#compiled.testExact(text);
  }
}

/**
 * re2js knows the literal every match begins with, but not behind a leading `^`. A full match starts at the beginning
 * anyway, so a `^` before `/` says nothing and the rest is asked instead: `^/a|/b` and `/a|/b` match the same texts.
 */
function literalPrefixOf(compiled: RE2JS): string {
  const source = compiled.pattern();
  const unanchored = source.startsWith("^/") ? RE2JS.compile(source.slice(1)) : compiled;
  const prefix: unknown = unanchored.re2().prefix;
  return typeof prefix === "string" ? prefix : "";
}
