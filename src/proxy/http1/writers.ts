// SPDX-License-Identifier: Apache-2.0
// Writing into memory that somebody lends. Every function returns the new offset; the caller has seen to the room.
// Short texts and ranges are written by a loop, long ones by the native call, whose fixed cost the loop undercuts
// (bench/micro/head.bench.ts).

const longText = 24;
const longRange = 32;

/** Length of `writeChunkPrefix(n)`. */
export function chunkPrefixLength(payloadBytes: number): number {
  return hexDigits(payloadBytes) + 2;
}

/** Writes the line before a chunk of `payloadBytes` (more than 0), `1a2b\r\n`. After the payload comes a CRLF. */
export function writeChunkPrefix(out: Buffer, at: number, payloadBytes: number): number {
  const end = at + hexDigits(payloadBytes);
  let rest = payloadBytes;
  for (let index = end - 1; index >= at; index--) {
    const digit = rest % 16;
    out[index] = digit < 10 ? 0x30 + digit : 0x57 + digit;
    rest = (rest - digit) / 16;
  }
  out[end] = 0x0d;
  out[end + 1] = 0x0a;
  return end + 2;
}

/** Writes a text whose characters are all below U+0100, one byte each. */
export function writeAscii(out: Buffer, at: number, text: string): number {
  const length = text.length;
  if (length > longText) return at + out.write(text, at, length, "latin1");
  for (let index = 0; index < length; index++) out[at + index] = text.charCodeAt(index);
  return at + length;
}

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

function hexDigits(value: number): number {
  let digits = 1;
  for (let bound = 16; value >= bound; bound *= 16) digits++;
  return digits;
}
