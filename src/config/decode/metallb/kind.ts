// SPDX-License-Identifier: Apache-2.0
// What all kinds of MetalLB share (metallb.io/v1beta1, v1beta2).

import { ip } from "../../../core/index.ts";
import type { AddressRange, LabelExpression, LabelSelector } from "../../../model/index.ts";
import { documentFields } from "../kind.ts";
import { labels } from "../names.ts";
import { excerpt, type Place } from "../place.ts";
import { object, optional, required, type Decoder } from "../schema.ts";
import { distinct, oneOf, text } from "../values.ts";

export const metallbGroup = "metallb.io";

/** A document whose `spec` must be there. */
export function metallbDocument<T>(spec: Decoder<T>): Decoder<T> {
  const fields = { ...documentFields, spec: required(spec, "put the fields of the resource under it") };
  return object("kubernetes", fields, (document) => document.spec);
}

/** As `metallbDocument`, for kinds whose fields all have defaults: no `spec` is one without fields. */
export function metallbDocumentWithDefaults<T>(spec: Decoder<T>, defaults: T): Decoder<T> {
  return object("kubernetes", { ...documentFields, spec: optional(spec) }, (document) => document.spec ?? defaults);
}

/** Names in a list, each once. */
export const names: Decoder<readonly string[]> = distinct(text, (name) => [name]);

const expression: Decoder<LabelExpression> = object(
  "kubernetes",
  {
    key: required(text, "write the label that is looked at"),
    operator: required(oneOf(["In", "NotIn", "Exists", "DoesNotExist"]), "write In, NotIn, Exists or DoesNotExist"),
    values: optional(distinct(text, (value) => [`the value ${excerpt(value)}`])),
  },
  ({ key, operator, values = [] }, { place, at }) => {
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues && values.length === 0) {
      return place.error("REQUIRED", `\`values\` is missing or empty; ${operator} needs at least one`);
    }
    if (!wantsValues && values.length > 0) {
      return at("values")?.error("CONFLICT", `${operator} takes no values; remove them`);
    }
    return { key, operator, values };
  },
);

/** Expressions in a list, each once. */
export const expressions: Decoder<readonly LabelExpression[]> = distinct(expression, (each) => [
  `the expression ${expressionKey(each)}`,
]);

function expressionKey({ key, operator, values }: LabelExpression): string {
  return `${key} ${operator} ${values.toSorted().join(",")}`;
}

/** metav1.LabelSelector. */
export const selector: Decoder<LabelSelector> = object(
  "kubernetes",
  { matchLabels: optional(labels), matchExpressions: optional(expressions) },
  ({ matchLabels = {}, matchExpressions = [] }) => ({ matchLabels, matchExpressions }),
);

/** Selectors in a list, each once. */
export const selectors: Decoder<readonly LabelSelector[]> = distinct(selector, selectorKeys);

/** Equal for selectors that say the same, in whatever order. */
export function selectorKeys({ matchLabels, matchExpressions }: LabelSelector): readonly string[] {
  const byLabel = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  return [`the selector ${[...byLabel, ...matchExpressions.map(expressionKey)].toSorted().join("; ")}`];
}

/** `10.0.0.0/24` or `10.0.0.1-10.0.0.9`, blanks around the dash allowed. */
export function addressRange(place: Place): AddressRange | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const range = value.includes("-") ? fromTo(value, place) : prefix(value, place);
  if (range === undefined) return undefined;
  const { family, first, last } = range;
  return {
    position: place.position,
    text: value,
    family,
    first: ip.format({ family, value: first }),
    last: ip.format({ family, value: last }),
  };
}

function prefix(value: string, place: Place): ip.IpRange | undefined {
  const advice = "write a prefix such as 192.168.1.0/24 or a range such as 192.168.1.10-192.168.1.20";
  return ip.parseCidr(value.trim()) ?? place.error("VALUE", `${excerpt(value)} is no range of addresses; ${advice}`);
}

function fromTo(value: string, place: Place): ip.IpRange | undefined {
  const dash = value.indexOf("-");
  const from = value.slice(0, dash).trim();
  const to = value.slice(dash + 1).trim();
  const first = ip.parse(from);
  const last = ip.parse(to);
  if (first === null) return place.error("VALUE", `${excerpt(from)}, where the range starts, is no IP address`);
  if (last === null) return place.error("VALUE", `${excerpt(to)}, where the range ends, is no IP address`);
  if (first.family !== last.family) return place.error("VALUE", "a range has both its ends in one address family");
  if (first.value > last.value) return place.error("VALUE", "the start of the range is after its end; swap them");
  return { family: first.family, first: first.value, last: last.value };
}
