// SPDX-License-Identifier: Apache-2.0
// Values of the access log, made safe to stand in a line. Clients choose paths, hosts and headers, so a quote, a space or
// a line break in them must not make a second field or a second line. The result is always printable ASCII, one byte per
// character: bytes of unknown encoding (header values, RFC 9110 §5.5) have no better reading.

/** Longer values are cut; a head may be 60 KiB and each of its bytes four here. */
const maxChars = 8192;

/** Everything but printable ASCII without quote and backslash; the space is fine between quotes. */
const unsafeQuoted = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;
const unsafeBare = /[^\x21\x23-\x5b\x5d-\x7e]/g;
/** The same without `g`: test() of a global expression keeps state. */
const isUnsafeQuoted = new RegExp(unsafeQuoted.source);
const isUnsafeBare = new RegExp(unsafeBare.source);

/** For a field between quotes: `-` for null, `\xNN` for what is unsafe (nginx's escape, which log readers know). */
export function quotedValue(text: string | null): string {
  if (text === null) return "-";
  return text.length <= maxChars && !isUnsafeQuoted.test(text) ? text : bounded(text).replace(unsafeQuoted, hexEscape);
}

/** For a field that ends at a space: `-` also for "", and spaces escaped too. */
export function bareValue(text: string | null): string {
  if (text === null || text === "") return "-";
  return text.length <= maxChars && !isUnsafeBare.test(text) ? text : bounded(text).replace(unsafeBare, hexEscape);
}

/** A JSON string literal, or `null`. */
export function jsonValue(text: string | null): string {
  if (text === null) return "null";
  if (text.length <= maxChars && !isUnsafeQuoted.test(text)) return `"${text}"`;
  return `"${bounded(text).replace(unsafeQuoted, jsonEscape)}"`;
}

function bounded(text: string): string {
  return text.length <= maxChars ? text : text.slice(0, maxChars);
}

function hexEscape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

function jsonEscape(character: string): string {
  return character === '"' || character === "\\" ? `\\${character}` : `\\u${hex(character.charCodeAt(0), 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, "0");
}
