// SPDX-License-Identifier: Apache-2.0
// `--limit NAME=VALUE`: read, checked and listed by the table of limits. Pure.

import { suggestWord } from "../core/index.ts";
import { limitNames, limitTable, type LimitName, type LimitSpec } from "../model/index.ts";

const byteUnits: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

export type ReadLimit = { readonly name: LimitName; readonly value: number } | { readonly fault: string };

/** `header-bytes=32Ki` → name and value in the limit's unit, or what is wrong with it. */
export function readLimit(text: string): ReadLimit {
  const equals = text.indexOf("=");
  if (equals <= 0) return { fault: "must look like header-bytes=32Ki; see 'naru help limits'" };
  const typed = text.slice(0, equals);
  const name = limitNames.find((known) => known === typed);
  if (name === undefined) {
    const guess = suggestWord(typed, limitNames);
    const end = guess === null ? "." : `; did you mean '${guess}'?`;
    return { fault: `there is no limit '${typed}'${end} See 'naru help limits'` };
  }
  const spec: LimitSpec = limitTable[name];
  const value = readValue(spec, text.slice(equals + 1));
  const inRange = value !== null && ((value === 0 && spec.zero !== "") || (value >= spec.min && value <= spec.max));
  return inRange ? { name, value } : { fault: `${name} is ${rangeText(spec)}` };
}

/** What `naru help limits` says of each limit: label and text. */
export function limitRows(): readonly { readonly left: string; readonly right: string }[] {
  return limitNames.map((name) => {
    const spec: LimitSpec = limitTable[name];
    const byDefault = spec.default === 0 && spec.zero !== "" ? spec.zero : String(spec.default);
    return {
      left: name,
      right: `${spec.meaning}. Reached: ${spec.hit}. ${capitalized(rangeText(spec))} (default: ${byDefault}; ${spec.source})`,
    };
  });
}

function readValue(spec: LimitSpec, text: string): number | null {
  if (spec.unit === "seconds") return /^\d{1,6}(?:\.\d{1,3})?$/.test(text) ? Number(text) : null;
  return spec.unit === "count" && !/^\d+$/.test(text) ? null : readBytes(text);
}

/** `65536`, `64Ki`, `8Mi`; null when it is no such number. */
export function readBytes(text: string): number | null {
  const match = /^(\d{1,15})((?:[KMG]i)?)$/.exec(text);
  return match === null ? null : Number(match[1]) * byteUnits[match[2]!]!;
}

function rangeText({ unit, min, max, zero }: LimitSpec): string {
  const what = { bytes: "in bytes, e.g. 65536 or 64Ki,", count: "a number", seconds: "in seconds," }[unit];
  return `${what} from ${min} to ${max}${zero === "" ? "" : `, or 0: ${zero}`}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
