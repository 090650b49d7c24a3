// SPDX-License-Identifier: Apache-2.0
// What to tell the user for each error code of the YAML parser. The parser's own messages quote the input, which may
// be a Secret, so they are not passed on.

import type { ErrorCode } from "yaml";

const messages: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: "an alias cannot have an anchor or a tag; remove it",
  BAD_ALIAS: "an alias or anchor has an invalid name; use letters and digits",
  BAD_COLLECTION_TYPE: "a tag does not fit the kind of value it stands at; remove the tag",
  BAD_DIRECTIVE: "a directive (a line that starts with %) is not valid; remove it",
  BAD_DQ_ESCAPE: "a double-quoted text has an invalid escape; write the backslash twice or use single quotes",
  BAD_INDENT:
    "the indentation does not fit, or a bracket or quote above is not closed; align the keys of a map, or close it",
  BAD_PROP_ORDER: "an anchor or a tag stands in the wrong place; put it before the value",
  BAD_SCALAR_START: "a value starts with a character that YAML reserves; put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "a map starts in the middle of a line; put it on a line of its own, or quote a value that has a colon in it",
  BLOCK_IN_FLOW: "an indented map or list stands inside brackets; use brackets there, too",
  DUPLICATE_KEY: "the same key stands twice in one map; keep one of them",
  IMPOSSIBLE: "the text cannot be read as YAML; check this line and the one before",
  KEY_OVER_1024_CHARS: "a key is longer than 1024 characters; check for a missing colon or quote",
  MISSING_CHAR: "a colon, comma, quote or closing bracket is missing; add it",
  MULTILINE_IMPLICIT_KEY: "a key spreads over several lines; check for a missing colon in the line before",
  MULTIPLE_ANCHORS: "a value has more than one anchor; keep one",
  MULTIPLE_DOCS: "a second document starts here; put a line with --- before it",
  MULTIPLE_TAGS: "a value has more than one tag; keep one",
  NON_STRING_KEY: "a key must be plain text; quote it",
  RESOURCE_EXHAUSTION: "the document is nested too deep to be read; flatten it",
  TAB_AS_INDENT: "a tab is used for indentation; use spaces",
  TAG_RESOLVE_FAILED: "a tag is not known; remove it",
  UNEXPECTED_TOKEN: "the text cannot be read as YAML from here on; check this line and the one before",
};

/** One sentence without any of the input. */
export function syntaxMessage(code: ErrorCode): string {
  return messages[code];
}
