// SPDX-License-Identifier: Apache-2.0
// Text from anywhere, made safe for one line of a log or a terminal: no control characters, no line break of any kind,
// nothing that reorders what is read, and a bounded length.

/**
 * Cc is C0, DEL and C1 (a lone U+009B starts a terminal escape), Zl and Zp are Unicode's own line breaks, Bidi_Control
 * reorders what follows (Trojan Source, CVE-2021-42574), Cs are lone surrogates.
 */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu;

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ["\n", String.raw`\n`],
  ["\r", String.raw`\r`],
  ["\t", String.raw`\t`],
]);

/** The text with each unsafe character as `\n`, `\u001b` and the like; cut after `maxChars`, saying how much is gone. */
export function printable(text: string, maxChars: number): string {
  return bounded(text, maxChars).replace(unsafe, escape);
}

/** The same as a JSON string literal, quotes included. */
export function printableJson(text: string, maxChars: number): string {
  // JSON.stringify leaves DEL, C1, line separators and bidirectional controls as they are; `\uNNNN` is valid JSON.
  return JSON.stringify(bounded(text, maxChars)).replace(unsafe, escape);
}

function bounded(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars)}…(+${text.length - maxChars})`;
}

function escape(character: string): string {
  return shortEscapes.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
