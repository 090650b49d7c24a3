// SPDX-License-Identifier: Apache-2.0
// Responses of our own: bytes of a reply. What they say comes from core/errors.ts, never from the other side.

import { Buffer } from "node:buffer";

import { writeAscii } from "./http1/index.ts";

/** Reason phrases of the statuses naru itself answers with (RFC 9110 §15). */
const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** Most bytes a reply needs beyond its body. */
export const replySlack = 512;

export interface ReplyOptions {
  readonly status: number;
  readonly body: string;
  /** The request was HEAD: say the length, send no body. */
  readonly headOnly: boolean;
  readonly close: boolean;
  /** HTTP/1.0 client that asked to keep the connection. */
  readonly announceKeepAlive: boolean;
  readonly httpDate: string;
  /** A complete extra header line with its CRLF, or "". */
  readonly extraHeader: string;
}

/** Writes a complete reply; returns its length. */
export function encodeReply(out: Buffer, reply: ReplyOptions): number {
  const hasContent = reply.status !== 204 && reply.status !== 304;
  const bodyBytes = hasContent ? Buffer.byteLength(reply.body) : 0;
  let head = `HTTP/1.1 ${reply.status} ${reasons[reply.status] ?? "Unknown"}\r\n`;
  if (bodyBytes > 0) head += "content-type: text/plain\r\n";
  // RFC 9110 §8.6: with 204 a length must not, with 304 it need not be said.
  if (hasContent) head += `content-length: ${bodyBytes}\r\n`;
  head += `date: ${reply.httpDate}\r\nserver: naru\r\n${reply.extraHeader}`;
  if (reply.close) head += "connection: close\r\n";
  else if (reply.announceKeepAlive) head += "connection: keep-alive\r\n";
  const at = writeAscii(out, 0, `${head}\r\n`);
  return reply.headOnly || bodyBytes === 0 ? at : at + out.write(reply.body, at, "utf8");
}

export const continueResponse = "HTTP/1.1 100 Continue\r\n\r\n";
