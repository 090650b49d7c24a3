// SPDX-License-Identifier: Apache-2.0
// Declares the fields of a kind and decodes by that declaration. Each field is served (decoded), unserved (Istio or
// Kubernetes has it, this version does not act on it: reported), or silent (means nothing to a proxy). Everything else is
// unknown and reported. Decoding never stops at the first problem.

import { suggestWord } from "../../core/index.ts";
import { excerpt, type Place } from "./place.ts";
import type { MapEntry } from "./yaml-tree.ts";

/** undefined = not decodable, and the reason is reported as an error. */
export type Decoder<T> = (place: Place) => T | undefined;

export interface ServedField<T, Required extends boolean> {
  readonly role: "served";
  readonly decode: Decoder<T>;
  readonly required: Required;
  /** What to do when a required field is missing. */
  readonly hint: string;
}

export interface UnservedField {
  readonly role: "unserved";
  readonly severity: "error" | "warning";
  readonly consequence: string;
  readonly harmless: (place: Place) => boolean;
}

export interface SilentField {
  readonly role: "silent";
}

export type Field = ServedField<unknown, boolean> | UnservedField | SilentField;
export type Shape = Readonly<Record<string, Field>>;

/** What `build` gets: required fields are there, optional ones may be undefined (absent, null or not decodable). */
export type Decoded<S extends Shape> = {
  readonly [K in keyof S as S[K] extends ServedField<unknown, boolean> ? K : never]: S[K] extends ServedField<
    infer T,
    infer Required
  >
    ? Required extends true
      ? T
      : T | undefined
    : never;
};

/** The map being decoded, for checks across its fields. Field names are the declared ones, however they were written. */
export interface Fields {
  readonly place: Place;
  /** undefined when absent or null. */
  readonly at: (name: string) => Place | undefined;
}

/**
 * `istio` takes protobuf JSON, where `mirror_percent` and `mirrorPercent` are the same field. In `strict` maps unknown
 * fields are errors, because that is what their first reader made of them.
 */
export type Dialect = "istio" | "kubernetes" | "strict";

export function optional<T>(decode: Decoder<T>): ServedField<T, false> {
  return { role: "served", decode, required: false, hint: "" };
}

/** Missing, null, "" and [] are all reported. `hint` completes "`host` is missing; …". */
export function required<T>(decode: Decoder<T>, hint: string): ServedField<T, true> {
  return { role: "served", decode, required: true, hint };
}

/** `consequence` says what happens instead; `harmless` values say what would happen anyway and are not reported. */
export function unserved(consequence: string, harmless: (place: Place) => boolean = never): UnservedField {
  return { role: "unserved", severity: "warning", consequence, harmless };
}

/** Leaving this field out would make the resource do something its author ruled out, so the resource is left out. */
export function refused(consequence: string, harmless: (place: Place) => boolean = never): UnservedField {
  return { role: "unserved", severity: "error", consequence, harmless };
}

export const silent: SilentField = { role: "silent" };

/** For `harmless`: the value is one of these scalars. */
export function isOneOf(...values: readonly (string | number | boolean)[]): (place: Place) => boolean {
  return ({ value }) => value.kind === "scalar" && values.some((allowed) => allowed === value.value);
}

/** Decodes a map by its declared fields and hands them to `build` unless a required one is missing or broken. */
export function object<const S extends Shape, T>(
  dialect: Dialect,
  shape: S,
  build: (fields: Decoded<S>, map: Fields) => T | undefined,
): Decoder<T> {
  const names = Object.keys(shape);
  return (place) => {
    if (place.value.kind !== "map") {
      return place.error("TYPE", "this must be a map of fields; write `field: value` lines");
    }
    const places = new Map<string, Place>();
    for (const [key, entry] of place.value.entries) visitEntry(dialect, shape, names, place, places, key, entry);
    const decoded = decodeFields(shape, place, places);
    return decoded === undefined ? undefined : build(decoded, { place, at: (name) => places.get(name) });
  };
}

/** Sorts one entry into known and unknown, and reports the latter. */
function visitEntry(
  dialect: Dialect,
  shape: Shape,
  names: readonly string[],
  parent: Place,
  places: Map<string, Place>,
  key: string,
  entry: MapEntry,
): void {
  const name = dialect === "istio" && !Object.hasOwn(shape, key) ? camelCase(key) : key;
  const place = parent.entry(key, entry);
  if (!Object.hasOwn(shape, name)) {
    const candidates = place.scope.problems.isFull ? [] : names;
    if (dialect === "strict") place.reportKey("UNKNOWN_FIELD", "error", unknownMessage(key, candidates, ""));
    else place.reportKey("UNKNOWN_FIELD", "warning", unknownMessage(key, candidates, " and it is ignored"));
    return;
  }
  if (place.isNull) return;
  if (places.has(name)) {
    place.reportKey(
      "CONFLICT",
      "error",
      "the same field stands twice, in camelCase and in snake_case; keep one of them",
    );
    return;
  }
  places.set(name, place);
}

function decodeFields<S extends Shape>(
  shape: S,
  parent: Place,
  places: ReadonlyMap<string, Place>,
): Decoded<S> | undefined {
  const decoded: Record<string, unknown> = {};
  let complete = true;
  for (const [name, field] of Object.entries<Field>(shape)) {
    const place = places.get(name);
    if (field.role === "unserved") {
      if (place !== undefined && !field.harmless(place)) {
        place.reportKey("UNSERVED_FIELD", field.severity, `\`${name}\` is not served yet: ${field.consequence}`);
      }
      continue;
    }
    if (field.role === "silent") continue;
    const missing = place === undefined || (field.required && isEmpty(place));
    if (missing && field.required) {
      (place ?? parent).error("REQUIRED", `\`${name}\` is missing or empty; ${field.hint}`);
    }
    const value = missing ? undefined : field.decode(place);
    if (value === undefined && field.required) complete = false;
    decoded[name] = value;
  }
  return complete ? (decoded as Decoded<S>) : undefined;
}

function isEmpty({ value }: Place): boolean {
  return value.kind === "scalar" ? value.value === "" : value.kind === "list" && value.items.length === 0;
}

/** protobuf's JSON name of a field: an underscore goes and the next letter becomes a capital. */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function unknownMessage(key: string, names: readonly string[], consequence: string): string {
  // Longer keys are not typing mistakes, and comparing costs the product of both lengths.
  const nearest = key.length > 60 ? null : suggestWord(key, names);
  return nearest === null
    ? `there is no field ${excerpt(key)} here${consequence}; remove it`
    : `there is no field ${excerpt(key)} here${consequence}; did you mean \`${nearest}\`?`;
}

function never(): boolean {
  return false;
}
