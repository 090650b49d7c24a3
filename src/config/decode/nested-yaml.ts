// SPDX-License-Identifier: Apache-2.0
// YAML inside a text value, as in the data of a ConfigMap. Problems are reported where they stand in the file itself.

import type { Place } from "./place.ts";
import type { Decoder } from "./schema.ts";
import { text } from "./values.ts";
import { linesOf, parseText } from "./yaml-tree.ts";

/** Decodes the one document that the text must be; null when it is empty. */
export function nestedYaml<T>(decode: Decoder<T>): Decoder<T | null> {
  return (place) => {
    const nested = text(place);
    if (nested === undefined) return undefined;
    const [document, ...more] = parseText(nested);
    if (document === undefined) return null;
    const outerOffset = outerOffsets(place, nested);
    const { positionOf } = place.scope;
    const inside = (offset: number) => positionOf(outerOffset(offset));
    for (const { offset, message } of document.issues) place.errorAt("YAML_SYNTAX", inside(offset), message);
    if (more.length > 0) place.error("VALUE", "there are several documents in this text; write one, without ---");
    if (document.issues.length > 0 || more.length > 0) return undefined;
    return document.root === null ? null : decode(place.nested(document.root, inside));
  };
}

/**
 * Where an offset of the text is in the file. Of a literal block (`|`) each line is the end of one line of the file,
 * below the one with the `|`; of text in any other style only its start is known.
 */
function outerOffsets({ value, scope }: Place, nested: string): (offset: number) => number {
  if (scope.text[value.offset] !== "|") return () => value.offset;
  const lines = linesOf(nested);
  const starts: number[] = [];
  let start = scope.text.indexOf("\n", value.offset) + 1;
  for (const line of nested.split("\n")) {
    const end = scope.text.indexOf("\n", start);
    const outer = scope.text.slice(start, end < 0 ? undefined : end).replace(/\r$/, "");
    // Lines of blanks may be shorter than the indentation.
    starts.push(start + Math.max(0, outer.length - line.length));
    if (end < 0) break;
    start = end + 1;
  }
  return (offset) => {
    const { line, col } = lines.linePos(offset);
    const lineStart = starts[line - 1];
    // The end of the text is a line of its own, which the file may not have.
    return lineStart === undefined ? scope.text.length : lineStart + col - 1;
  };
}
