// SPDX-License-Identifier: Apache-2.0
// Writing into memory that somebody lends. Every function returns the new offset; the caller has seen to the room.
// Used as `writers.copyBytes`.

/** Shorter ranges are copied by a loop, which undercuts the fixed cost of the native call (bench/micro/head.bench.ts). */
const longRange = 18;

/** Writes an integer from 0 to 2^53-1 in decimal. */
export function writeDecimal(out: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits++;
  const end = at + digits;
  let rest = value;
  for (let index = end - 1; index >= at; index--) {
    const digit = rest % 10;
    out[index] = 0x30 + digit;
    rest = (rest - digit) / 10;
  }
  return end;
}

/** Copies `from[start, end)` to other memory. */
export function copyBytes(from: Buffer, start: number, end: number, out: Buffer, at: number): number {
  if (end - start > longRange) return at + from.copy(out, at, start, end);
  for (let index = start; index < end; index++) out[at + index - start] = from[index]!;
  return at + end - start;
}
