// SPDX-License-Identifier: Apache-2.0
// A parsed response head, and how its body is delimited.

import { textOf } from "./bytes.ts";
import { MessageHead } from "./message-head.ts";

/** What comes after a response head (RFC 9112 §6.3). */
export type BodyKind = "none" | "length" | "chunked" | "until-close";

export class ResponseHead extends MessageHead {
  /** 100–599. */
  statusCode = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** From `Keep-Alive: timeout=N`; -1 = none. */
  keepAliveTimeoutSeconds = -1;

  /** 1xx: another response follows, except after 101. */
  get isInterim(): boolean {
    return this.statusCode < 200;
  }

  /** 101 (Switching Protocols): what follows is no HTTP. */
  get isSwitching(): boolean {
    return this.statusCode === 101;
  }

  reason(): string {
    return textOf(this.bytes, this.base + this.reasonStart, this.base + this.reasonEnd);
  }

  /** How the body of this response to a `method` request ends. A zero Content-Length is `length`. */
  bodyKind(method: string): BodyKind {
    if (method === "HEAD" || isBodyless(this.statusCode) || this.statusCode === 304) return "none";
    if (this.chunked) return "chunked";
    return this.contentLength >= 0 ? "length" : "until-close";
  }
}

/** 1xx and 204 never have content nor announce a length (RFC 9110 §8.6). */
export function isBodyless(statusCode: number): boolean {
  return statusCode < 200 || statusCode === 204;
}
