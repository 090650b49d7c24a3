// SPDX-License-Identifier: Apache-2.0
// Decoders of single values, lists and maps: the leaves every kind is declared with.

import { suggestWord } from "../../core/index.ts";
import { excerpt, type Place } from "./place.ts";
import type { Decoder } from "./schema.ts";

/** Text, as written. A number or boolean is refused as Kubernetes refuses it: `1.10` would silently become `1.1`. */
export function text(place: Place): string | undefined {
  const { value } = place;
  if (value.kind === "scalar" && typeof value.value === "string") return value.value;
  const isBare = value.kind === "scalar" && value.plain;
  return place.error(
    "TYPE",
    isBare ? "this must be text; put the value in quotes" : "this must be text, not a list or map; write one value",
  );
}

/** Text that `check` accepts; `check` returns what is wrong and what to do, or null. */
export function textThat(check: (value: string, place: Place) => string | null): Decoder<string> {
  return (place) => {
    const value = text(place);
    if (value === undefined) return undefined;
    const wrong = check(value, place);
    return wrong === null ? value : place.error("VALUE", wrong);
  };
}

export function bool(place: Place): boolean | undefined {
  const { value } = place;
  if (value.kind === "scalar" && typeof value.value === "boolean") return value.value;
  return place.error("TYPE", "this must be true or false without quotes");
}

/** A whole number within bounds, both included. */
export function int(min: number, max: number): Decoder<number> {
  return (place) => {
    const { value } = place;
    if (value.kind !== "scalar" || typeof value.value !== "number") {
      return place.error("TYPE", "this must be a whole number without quotes");
    }
    if (Number.isInteger(value.value) && value.value >= min && value.value <= max) return value.value;
    return place.error("VALUE", `${excerpt(value.text)} is out of range; write a whole number from ${min} to ${max}`);
  };
}

export const maxInt32 = 2_147_483_647;
export const maxUint32 = 4_294_967_295;

/** A TCP port. */
export const port: Decoder<number> = int(1, 65_535);

/** One of a closed set of words. */
export function oneOf<const T extends string>(words: readonly T[]): Decoder<T> {
  return (place) => {
    const value = text(place);
    if (value === undefined) return undefined;
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    const near = value.length > 60 ? null : suggestWord(value.toUpperCase(), words);
    const advice = near === null ? `write one of ${words.join(", ")}` : `did you mean ${near}?`;
    return place.error("VALUE", `${excerpt(value)} is not allowed here; ${advice}`);
  };
}

/** Items that cannot be decoded are reported and missing from the result. */
export function list<T>(item: Decoder<T>): Decoder<readonly T[]> {
  return distinct(item, () => []);
}

/** As `list`. An item that shares one of its `keys` ("port 80") with an earlier one is reported. */
export function distinct<T>(item: Decoder<T>, keys: (item: T) => readonly string[]): Decoder<readonly T[]> {
  return (place) => {
    if (place.value.kind !== "list") return place.error("TYPE", "this must be a list; start each item with a dash");
    const items: T[] = [];
    const seen = new Set<string>();
    for (const [index, value] of place.value.items.entries()) {
      const child = place.item(index, value);
      if (child.isNull) {
        child.error("TYPE", "this item is empty; write a value or remove the dash");
        continue;
      }
      const decoded = item(child);
      if (decoded === undefined) continue;
      items.push(decoded);
      for (const key of keys(decoded)) {
        if (seen.has(key)) child.error("CONFLICT", `${key} stands twice; remove or change one of them`);
        seen.add(key);
      }
    }
    // Pushing leaves room for a dozen more items, and resources are kept: a copy is exactly as long as it must be.
    return items.slice();
  };
}

/** A map with free keys. `key` returns the key to use, or null after reporting. null values are skipped. */
export function record<T>(
  item: Decoder<T>,
  key: (key: string, place: Place) => string | null,
): Decoder<Readonly<Record<string, T>>> {
  return (place) => {
    if (place.value.kind !== "map") return place.error("TYPE", "this must be a map; write `key: value` lines");
    const decoded = new Map<string, T>();
    for (const [written, entry] of place.value.entries) {
      const child = place.entry(written, entry);
      if (child.isNull) continue;
      const name = key(written, child);
      const value = item(child);
      if (name === null || value === undefined) continue;
      if (decoded.has(name)) {
        child.reportKey("CONFLICT", "error", `the key ${excerpt(name)} stands twice; keep one of them`);
      }
      decoded.set(name, value);
    }
    // Own properties even for keys such as __proto__.
    return Object.fromEntries(decoded);
  };
}

/** The place itself, for values that another decoder looks at later. */
export function anywhere(place: Place): Place {
  return place;
}
