// SPDX-License-Identifier: Apache-2.0
// Messages that the codec and Node's parser once read differently, or that are near such ones: what the fuzzer finds is
// kept here in its smallest form, so that it is tried at every split from then on.

export interface KnownMessage {
  /** What is, or was, special about it. */
  readonly why: string;
  readonly text: string;
  /** What the codec makes of it. */
  readonly outcome: "same" | "not compared" | "refused";
}

const head = (lines: string, rest = ""): string => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${rest}`;
const answer = (lines: string, rest = ""): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${rest}`;

export const knownRequests: readonly KnownMessage[] = [
  {
    why: "llhttp takes a tab behind chunked for a part of the coding's name",
    text: head("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n"),
    outcome: "refused",
  },
  {
    why: "the same before it",
    text: head("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"),
    outcome: "refused",
  },
  {
    why: "and around a length",
    text: head("Content-Length: 5\t\r\n", "hello"),
    outcome: "refused",
  },
  {
    why: "RFC 9112 lets white space stand before an extension, llhttp does not",
    text: head("Transfer-Encoding: chunked\r\n", "5 ;a\r\nhello\r\n0\r\n\r\n"),
    outcome: "refused",
  },
  {
    why: "a value without end in an extension",
    text: head("Transfer-Encoding: chunked\r\n", '5;a="b\r\nhello\r\n0\r\n\r\n'),
    outcome: "refused",
  },
  {
    why: "an escape of a quote in an extension",
    text: head("Transfer-Encoding: chunked\r\n", '5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'),
    outcome: "same",
  },
  {
    why: "leading zeros of sizes and lengths are digits",
    text: head("Transfer-Encoding: chunked\r\n", "0005\r\nhello\r\n00\r\n\r\n"),
    outcome: "same",
  },
  { why: "the same for lengths", text: head("Content-Length: 0005\r\n", "hello"), outcome: "same" },
  {
    why: "llhttp skips line ends before a request; here the connection does, the codec never",
    text: `\n${head("Content-Length: 0\r\n")}`,
    outcome: "refused",
  },
  {
    why: "bytes above 0x7F stand in values and nowhere else",
    text: head("X-A: \xe9\xff\r\nContent-Length: 0\r\n"),
    outcome: "same",
  },
  { why: "an absolute form without a path", text: "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", outcome: "same" },
  {
    why: "a method of one's own: llhttp knows none",
    text: "get / HTTP/1.1\r\nHost: a\r\n\r\n",
    outcome: "not compared",
  },
  {
    why: "a length in a trailer",
    text: head("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n"),
    outcome: "refused",
  },
];

export const knownResponses: readonly KnownMessage[] = [
  {
    why: "llhttp takes a tab behind chunked for a part of the coding's name",
    text: answer("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n"),
    outcome: "refused",
  },
  { why: "no space before an empty reason phrase", text: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", outcome: "same" },
  { why: "obs-text in the reason phrase", text: "HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n\r\n", outcome: "same" },
  { why: "a body until the end of the connection", text: answer("", "hello"), outcome: "same" },
  {
    why: "no body with 304, whatever is announced",
    text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    outcome: "same",
  },
  {
    why: "a chunk that is not complete",
    text: answer("Transfer-Encoding: chunked\r\n", "5\r\nhell"),
    outcome: "refused",
  },
];
