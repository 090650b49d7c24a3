// SPDX-License-Identifier: Apache-2.0
// The codec is never laxer than Node's strict parser: whatever it takes, Node takes with the same method, target,
// header list, body bytes and end. And the outcome never depends on how the bytes were split.

import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { describe, test } from "node:test";

import * as fc from "fast-check";

import { bytesOf, readRequest, readResponse } from "../unit/proxy/http1/reading.ts";
import { type Fields, readByNodeClient, readByNodeServer } from "./node-peer.ts";

const runs = 10_000;
/** A run in which next to nothing is taken would prove nothing. */
const leastTaken = runs / 20;

/** Bytes that parsers disagree about. */
const oddBytes = ["\0", "\x01", "\x04", "\b", "\t", "\n", "\x0b", "\x0c", "\r", "\x1f", " ", "\x7f", "\xa0", "\xff"];
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
const line = fc
  .tuple(
    fc.constantFrom(...Object.keys(fieldValues)),
    mostly(":", " :", "\t:", "", "::"),
    blank,
    blank,
    lineEnd,
    fc.nat(),
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
const someEdits = fc.array(
  fc.record({ place: fc.double({ min: 0, max: 1, noNaN: true }), removed: fc.nat(2), text: odd }),
  { maxLength: 2 },
);
const edits = fc.oneof(fc.constant([]), someEdits);
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });

const method = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("GET", "POST", "HEAD", "OPTIONS", "DELETE") },
  fc.constantFrom(...METHODS),
  fc.constant("get"),
);
const target = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom("/", "/a/../b?c=d", "/%41//\\", "*", "http://a/", "http://a?b", "http://b/", "a:80"),
  },
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
const request = fc
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
const response = fc
  .tuple(statusLine, lineEnd, fc.array(line, { maxLength: 2 }), framed, lineEnd)
  .map(
    ([status, end, lines, message, final]) => `${status}${end}${lines.join("")}${message.lines}${final}${message.body}`,
  );

describe("never laxer than Node", () => {
  test("requests", async () => {
    let taken = 0;
    const property = fc.asyncProperty(request, edits, cuts, async (text, changes, places) => {
      if (await compareRequest(edited(text, changes), places)) taken++;
    });
    await fc.assert(property, { numRuns: runs });
    assert.ok(taken >= leastTaken, `only ${taken} of ${runs} were taken`);
  });

  test("responses", async () => {
    let taken = 0;
    const property = fc.asyncProperty(response, edits, cuts, fc.boolean(), async (text, changes, places, isHead) => {
      if (await compareResponse(edited(text, changes), places, isHead ? "HEAD" : "GET")) taken++;
    });
    await fc.assert(property, { numRuns: runs });
    assert.ok(taken >= leastTaken, `only ${taken} of ${runs} were taken`);
  });

  test("every way to hide a Transfer-Encoding beside a Content-Length", async () => {
    const smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const lines of hiddenCodings()) {
      for (const [first, second] of [
        [`Content-Length: ${smuggled.length}\r\n`, lines],
        [lines, "Content-Length: 5\r\n"],
        ["", lines],
      ] as const) {
        const text = `POST / HTTP/1.1\r\nHost: a\r\n${first}${second}\r\n${smuggled}`;
        const ours = readRequest(bytesOf(text));
        // Nothing that looks like chunked to anybody may stand beside a length.
        if (first !== "" && second !== "") assert.doesNotMatch(ours.flags, /chunked/, JSON.stringify(text));
        await compareRequest(text, []);
      }
    }
  });
});

/** Lines that some parser somewhere takes for `Transfer-Encoding: chunked`. */
function hiddenCodings(): string[] {
  const name = "Transfer-Encoding";
  const byByte = oddBytes.flatMap((byte) => [
    `${byte}${name}: chunked\r\n`,
    `${name}${byte}: chunked\r\n`,
    `${name}:${byte}chunked\r\n`,
    `${name}: chunked${byte}\r\n`,
    `X: X${byte}${name}: chunked\r\n`,
    `${name}: chunked\r${byte}`,
    `${name}: chunked${byte}\n`,
    `${name}:\r\n${byte}chunked\r\n`,
    `Transfer${byte}Encoding: chunked\r\n`,
  ]);
  const values = [
    '"chunked"',
    "'chunked'",
    ",chunked",
    "chunked,",
    "chunked, cow",
    "cow, chunked",
    "chunked;q=1",
    "CHUNKED",
    "x chunked",
  ];
  return [
    ...byByte,
    ...values.map((value) => `${name}: ${value}\r\n`),
    "Transfer_Encoding: chunked\r\n",
    `tRANSFER-eNCODING: chunked\r\n`,
    `${name}: cow\r\n${name}: chunked\r\n`,
    `${name}: chunked\r\n${name}: cow\r\n`,
  ];
}

/** True when we took the request; throws when Node reads it differently. */
async function compareRequest(text: string, places: readonly number[]): Promise<boolean> {
  const bytes = bytesOf(text);
  const ours = readRequest(bytes);
  assert.deepEqual(readRequest(bytes, cutsOf(places, bytes.length)), ours);
  // llhttp knows a closed list of methods; we pass on any token.
  if (ours.outcome !== "accepted" || !METHODS.includes(ours.method)) return false;
  const { messages, error } = await readByNodeServer(bytes.subarray(0, ours.length));
  assert.equal(error, "", JSON.stringify(text));
  assert.equal(messages.length, 1);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.method, theirs.target, theirs.headers, theirs.body, theirs.complete],
    [ours.method, ours.target, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return true;
}

/** True when we took the response; throws when Node reads it differently. */
async function compareResponse(text: string, places: readonly number[], verb: string): Promise<boolean> {
  const bytes = bytesOf(text);
  const ours = readResponse(bytes, [], verb, true);
  assert.deepEqual(readResponse(bytes, cutsOf(places, bytes.length), verb, true), ours);
  if (ours.outcome !== "accepted" || ours.statusCode < 200) return false;
  const { messages, error } = await readByNodeClient(bytes.subarray(0, ours.length), verb);
  assert.equal(messages.length, 1, `${error} ${JSON.stringify(text)}`);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.statusCode, theirs.headers, theirs.body, theirs.complete],
    [ours.statusCode, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return true;
}

/** Every trailer we pass on is one that Node saw. */
function assertTrailers(ours: string, theirs: Fields): void {
  const seen = new Set(theirs.map(([name, value]) => `${name}: ${value}`));
  for (const field of ours.split("\r\n").slice(0, -1)) assert.ok(seen.has(field), field);
}

function edited(text: string, changes: readonly { place: number; removed: number; text: string }[]): string {
  let result = text;
  for (const change of changes) {
    const at = Math.floor(change.place * result.length);
    result = result.slice(0, at) + change.text + result.slice(at + change.removed);
  }
  return result;
}

function cutsOf(places: readonly number[], length: number): number[] {
  return places.map((place) => Math.floor(place * length)).sort((a, b) => a - b);
}
