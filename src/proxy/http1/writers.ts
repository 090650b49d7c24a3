// SPDX-License-Identifier: Apache-2.0
// Writing into memory that somebody lends, like core/writers.ts: chunk framing and texts. Every function returns the new
// offset; the caller has seen to the room.

/** Shorter texts are written by a loop, which undercuts the fixed cost of the native call (bench/micro/head.bench.ts). */
const longText = 24;

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

function hexDigits(value: number): number {
  let digits = 1;
  for (let bound = 16; value >= bound; bound *= 16) digits++;
  return digits;
}
