// SPDX-License-Identifier: Apache-2.0
// Families of lines that some parser somewhere takes for `Transfer-Encoding: chunked` and others do not.

/** Bytes that parsers disagree about. */
export const oddBytes: readonly string[] = [
  "\0",
  "\x01",
  "\x04",
  "\b",
  "\t",
  "\n",
  "\x0b",
  "\x0c",
  "\r",
  "\x1f",
  " ",
  "\x7f",
  "\xa0",
  "\xff",
];

const name = "Transfer-Encoding";

/** Family → complete lines with their line ends. */
export function hiddenCodings(): Readonly<Record<string, readonly string[]>> {
  const byByte = (line: (byte: string) => string): string[] => oddBytes.map(line);
  const byValue = (...values: readonly string[]): string[] => values.map((value) => `${name}: ${value}\r\n`);
  return {
    "a byte before the name": byByte((byte) => `${byte}${name}: chunked\r\n`),
    "a byte before the colon": byByte((byte) => `${name}${byte}: chunked\r\n`),
    "a byte before the value": byByte((byte) => `${name}:${byte}chunked\r\n`),
    "a byte after the value": byByte((byte) => `${name}: chunked${byte}\r\n`),
    "a line in another's value": byByte((byte) => `X: X${byte}${name}: chunked\r\n`),
    "half a line end": oddBytes.flatMap((byte) => [
      `X: X\r${byte}${name}: chunked\r\n`,
      `X: X${byte}\n${name}: chunked\r\n`,
      `${name}: chunked\r${byte}`,
      `${name}: chunked${byte}\n`,
    ]),
    quotes: byValue('"chunked"', "'chunked'", '"chunked', "chunked'", '\\"chunked\\"', "`chunked`"),
    "another hyphen": [
      ...byByte((byte) => `Transfer${byte}Encoding: chunked\r\n`),
      "Transfer_Encoding: chunked\r\n",
      "TransferEncoding: chunked\r\n",
      "Transfer--Encoding: chunked\r\n",
      "Transfer\xadEncoding: chunked\r\n",
    ],
    "letter case": [
      "tRANSFER-eNCODING: chunked\r\n",
      "TRANSFER-ENCODING: CHUNKED\r\n",
      "transfer-encoding: Chunked\r\n",
    ],
    commas: byValue(",chunked", "chunked,", "chunked, cow", "cow, chunked", ",,chunked", "chunked;q=1", "x chunked"),
    "more than one line": [
      `${name}: cow\r\n${name}: chunked\r\n`,
      `${name}: chunked\r\n${name}: cow\r\n`,
      `${name}: chunked\r\n${name}: chunked\r\n`,
      `${name}:\r\n${name}: chunked\r\n`,
      `${name}: identity\r\nX: 1\r\n${name}: chunked\r\n`,
    ],
    folding: [
      ...byByte((byte) => `${name}:\r\n${byte}chunked\r\n`),
      `${name}: cow\r\n chunked\r\n`,
      `${name}: chunked\r\n cow\r\n`,
      `X: 1\r\n ${name}: chunked\r\n`,
    ],
  };
}
