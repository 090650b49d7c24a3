// SPDX-License-Identifier: Apache-2.0
// Messages for comparing parsers: well-formed more often than not, else wrong in one or two places.

import { METHODS } from "node:http";

import * as fc from "fast-check";

import { bytesOf } from "../unit/proxy/http1/reading.ts";
import { oddBytes } from "./hidden-codings.ts";

const delimiters = [
  "\r\n",
  ":",
  ";",
  ",",
  "=",
  '"',
  "\\",
  "'",
  "_",
  "#",
  "?",
  "/",
  "*",
  "0",
  "5",
  "-",
  "+",
  "x",
  "\r\n ",
  "\r\n\r\n",
];
const odd = fc.constantFrom(...oddBytes, ...delimiters);
const blank = fc.constantFrom("", " ", "\t", "  \t ");

/** Mostly the first, now and then one of the others. */
function mostly(first: string, ...others: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 20 * others.length, arbitrary: fc.constant(first) },
    ...others.map((other) => fc.constant(other)),
  );
}

const lineEnd = mostly("\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n ", "\r\n\t");
const fieldValues: Readonly<Record<string, readonly string[]>> = {
  "Content-Length": ["5", "0", "05", "+5", "-0", "5,5", "0x5", "5 5", "", "99999999999999999999", "5.0"],
  "Transfer-Encoding": [
    "chunked",
    "Chunked",
    "gzip, chunked",
    "chunked, chunked",
    "identity",
    "xchunked",
    ",chunked",
    "",
  ],
  Connection: ["keep-alive", "close", "Upgrade", "close, x-a", "TE", "a b", ",", "Content-Length"],
  Expect: ["100-continue", "100-Continue", "y 100-continue", ""],
  Upgrade: ["websocket", "h2c"],
  TE: ["trailers", "gzip;q=0.5, trailers"],
  Trailer: ["X-T"],
  "X-A": ["a", "", "a\tb", "\u00e9\u00ff", '"a, b"', "a:b", "a;b"],
};
/** Ordinary lines more often than ones that decide something: those refuse a message when there are two. */
const fieldNames = [...Object.keys(fieldValues), ...Array.from({ length: 8 }, () => "X-A")];
const line = fc
  .tuple(
    fc.constantFrom(...fieldNames),
    mostly(":", " :", "\t:", "", "::"),
    blank,
    blank,
    lineEnd,
    fc.oneof(fc.constant(0), fc.nat(100)),
  )
  .map(([name, colon, before, after, end, pick]) => {
    const values = fieldValues[name]!;
    return `${name}${colon}${before}${values[pick % values.length]!}${after}${end}`;
  });

const extension = mostly("", ";a", ";a=b", ';a="b;\\"c"', ";", ";a=", " ;a", "; a", ";a b", ';a="b');
const chunk = fc
  .tuple(fc.string({ maxLength: 20 }), extension, lineEnd, lineEnd, mostly("", "0", "00", "0x", "+", " ", "g"))
  .map(([data, ext, end, dataEnd, prefix]) => {
    const text = bytesOf(`x${data}`).toString("latin1");
    return `${prefix}${text.length.toString(16)}${ext}${end}${text}${dataEnd}`;
  });
const trailer = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("X-T: 1\r\n", "Host: a\r\n", "Cookie: a\r\n") },
  { weight: 1, arbitrary: line },
);
const chunkedBody = fc
  .tuple(
    fc.array(chunk, { maxLength: 3 }),
    mostly("0", "00", "0;a"),
    lineEnd,
    fc.array(trailer, { maxLength: 2 }),
    lineEnd,
  )
  .map(([chunks, last, end, trailers, final]) => `${chunks.join("")}${last}${end}${trailers.join("")}${final}`);

/** Head lines and a body that fits them, more often than chance would have it. */
const framed = fc.oneof(
  fc.constant({ lines: "", body: "" }),
  fc.constant({ lines: "Content-Length: 5\r\n", body: "hello" }),
  chunkedBody.map((body) => ({ lines: "Transfer-Encoding: chunked\r\n", body })),
  fc.tuple(fc.array(line, { maxLength: 3 }), chunkedBody).map(([lines, body]) => ({ lines: lines.join(""), body })),
);
/** A place in a text, 0 to 1. Not fc.double: nearly all doubles between 0 and 1 are next to 0, and so would be the places. */
const steps = 1_000_000;
const position = fc.nat(steps - 1).map((step) => step / steps);
const someEdits = fc.array(fc.record({ place: position, removed: fc.nat(2), text: odd }), {
  minLength: 1,
  maxLength: 2,
});
export const edits = fc.oneof(fc.constant([]), someEdits);
/** Where a message is cut into pieces: somewhere, or (null) at every place in turn. */
export const cuts = fc.oneof(
  { weight: 19, arbitrary: fc.array(position, { maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constant(null) },
);

const method = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("GET", "POST", "HEAD", "OPTIONS", "DELETE") },
  fc.constantFrom(...METHODS),
  fc.constant("get"),
);
const target = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("/", "/a/../b?c=d", "/%41//\\", "http://a/", "http://a?b") },
  fc.constantFrom("*", "http://b/", "a:80", "http://a:/", "https://a/"),
  fc
    .array(fc.oneof(fc.constantFrom("/", "a", "?", ".", "%20", "#", "\\"), odd), { maxLength: 6 })
    .map((parts) => `/${parts.join("")}`),
);
const host = mostly(
  "Host: a\r\n",
  "host:a\r\n",
  "Host:\r\n",
  "Host: a:80\r\n",
  "Host: a, b\r\n",
  "Host: a\r\nHost: a\r\n",
  "",
);
export const request = fc
  .tuple(
    mostly("", "\r\n", "\n", " "),
    method,
    target,
    mostly("HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1", ""),
    lineEnd,
    host,
  )
  .chain(([before, verb, place, version, end, hostLine]) =>
    fc.tuple(fc.array(line, { maxLength: 2 }), framed, lineEnd).map(([lines, message, final]) => {
      const head = `${before}${verb} ${place} ${version}${end}${hostLine}${lines.join("")}${message.lines}${final}`;
      return `${head}${message.body}`;
    }),
  );
const statusLine = fc
  .tuple(
    mostly("HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1"),
    mostly("200", "204", "304", "404", "99", "999", "2 0"),
    mostly(" OK", "", " ", " a\tb", "  ", " \u00e9"),
  )
  .map(([version, code, reason]) => `${version} ${code}${reason}`);
export const response = fc
  .tuple(statusLine, lineEnd, fc.array(line, { maxLength: 2 }), framed, lineEnd)
  .map(
    ([status, end, lines, message, final]) => `${status}${end}${lines.join("")}${message.lines}${final}${message.body}`,
  );

/** A part of a text replaced, at a place between 0 and 1 of its length. */
export interface Edit {
  readonly place: number;
  readonly removed: number;
  readonly text: string;
}

export function edited(text: string, changes: readonly Edit[]): string {
  let result = text;
  for (const change of changes) {
    const at = Math.floor(change.place * result.length);
    result = result.slice(0, at) + change.text + result.slice(at + change.removed);
  }
  return result;
}
