// SPDX-License-Identifier: Apache-2.0
// Istio's StringMatch (exact, prefix or regex) and maps of it.

import type { StringMatch } from "../../model/index.ts";
import { compilePattern } from "../../router/index.ts";
import type { Place } from "./place.ts";
import { object, optional, type Decoder } from "./schema.ts";
import { text } from "./values.ts";

/** Istio's limit, which keeps the compiled program small. */
const maxRegexLength = 1024;

/** Of a header or query parameter: `{}` and the regex `*` mean "is there at all". */
export const namedMatch: Decoder<StringMatch> = stringMatch(true);

/** Of the URI, method, scheme or authority, which are always there: null where any value matches. */
export const valueMatch: Decoder<StringMatch | null> = (place) => {
  const match = plainMatch(place);
  return match?.kind === "presence" ? null : match;
};

const plainMatch = stringMatch(false);

function stringMatch(starIsPresence: boolean): Decoder<StringMatch> {
  return object(
    "istio",
    { exact: optional(text), prefix: optional(text), regex: optional(text) },
    ({ exact, prefix, regex }, map): StringMatch | undefined => {
      const set = ["exact", "prefix", "regex"].filter((name) => map.at(name) !== undefined);
      if (set.length > 1) return map.place.error("CONFLICT", `only one of ${set.join(" and ")} can be set; keep one`);
      if (exact !== undefined) return { kind: "exact", value: exact };
      if (prefix === "") {
        return map
          .at("prefix")
          ?.error("VALUE", "an empty prefix matches nothing in particular; remove it or write one");
      }
      if (prefix !== undefined) return { kind: "prefix", value: prefix };
      if (regex === undefined) return set.length === 0 ? { kind: "presence" } : undefined;
      return starIsPresence && regex === "*" ? { kind: "presence" } : regexMatch(map.at("regex") ?? map.place, regex);
    },
  );
}

function regexMatch(place: Place, regex: string): StringMatch | undefined {
  if (regex === "") {
    return place.error("VALUE", "an empty regular expression matches only the empty text; write one or remove it");
  }
  if (regex.length > maxRegexLength) {
    return place.error(
      "VALUE",
      `the regular expression is longer than ${maxRegexLength} characters; split it over several matches`,
    );
  }
  const compiled = compilePattern(regex);
  return compiled.ok
    ? { kind: "regex", value: regex }
    : place.error("REGEX", `${compiled.message}; write it in RE2 syntax`);
}
