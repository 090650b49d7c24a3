// SPDX-License-Identifier: Apache-2.0
// Durations as Go and protobuf write them: "1.5s", "250ms", "1h30m".

import { excerpt, type Place } from "./place.ts";
import type { Decoder } from "./schema.ts";

/** Longer ones overflow the 32-bit milliseconds of a timer and would fire at once. */
const maxMs = 2_147_483_647;

const unitNs: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Nanoseconds, or null when the text is no duration. Decimal, so that "1.1s" is exact. */
export function parseDurationNs(text: string): bigint | null {
  if (text === "0") return 0n;
  if (text.length > 64 || !/^[+-]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return null;
  let total = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of text.matchAll(/(\d+)(?:\.(\d*))?(ns|us|µs|ms|s|m|h)/g)) {
    const scale = unitNs[unit] ?? 0n;
    total +=
      BigInt(whole) * scale + (BigInt(fraction === "" ? "0" : fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  return text.startsWith("-") ? -total : total;
}

/** Milliseconds. As in Istio at least 1ms and no fraction of one; `zero` says whether 0s has a meaning of its own. */
export function durationMs(zero: "zero-allowed" | "positive"): Decoder<number> {
  return (place) => decodeDuration(place, zero);
}

function decodeDuration(place: Place, zero: "zero-allowed" | "positive"): number | undefined {
  const { value } = place;
  if (value.kind !== "scalar" || typeof value.value !== "string") {
    return place.error("TYPE", "this must be a duration with a unit; write for example 5s or 250ms");
  }
  const ns = parseDurationNs(value.value);
  if (ns === null) {
    return place.error("VALUE", `${excerpt(value.value)} is not a duration; write for example 5s, 250ms or 1h30m`);
  }
  if (ns === 0n && zero === "zero-allowed") return 0;
  if (ns < 1_000_000n) return place.error("VALUE", `${excerpt(value.value)} is too short; write at least 1ms`);
  if (ns % 1_000_000n !== 0n) {
    return place.error("VALUE", `${excerpt(value.value)} is finer than a millisecond; round it to whole ones`);
  }
  const ms = Number(ns / 1_000_000n);
  return ms <= maxMs ? ms : place.error("VALUE", `${excerpt(value.value)} is too long; write at most 596h`);
}
