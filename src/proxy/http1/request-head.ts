// SPDX-License-Identifier: Apache-2.0
// A parsed request head: method, target and field lines, as offsets until somebody asks for text.

import { textOf } from "./bytes.ts";
import { KeptText } from "./kept-text.ts";
import { MessageHead } from "./message-head.ts";

export class RequestHead extends MessageHead {
  /** Known methods are constants; equal texts may be compared with `===` either way. */
  method = "";
  /** The request target as received. */
  targetStart = 0;
  targetEnd = 0;
  /** Path without query. Empty in an absolute form without path: `path()` then says "/". */
  pathStart = 0;
  pathEnd = 0;
  /** End of the query; equals `pathEnd` when there is no "?". */
  queryEnd = 0;
  /** The path holds something `normalizePath` may change or refuse. */
  pathNeedsNormalization = false;
  /** Authority of an absolute-form target, or the Host value; empty only for HTTP/1.0 without Host. */
  authorityStart = 0;
  authorityEnd = 0;
  /** The client waits for 100 (Continue) before it sends the body. */
  expectContinue = false;
  /** The client accepts trailers (`TE: trailers`). */
  teTrailers = false;
  readonly #authority = new KeptText();
  readonly #path = new KeptText();

  /** Host with port as received; "" only for HTTP/1.0 without Host. */
  authority(): string {
    return this.#authority.read(this.bytes, this.base + this.authorityStart, this.base + this.authorityEnd);
  }

  /** Path without query, not normalized; "*" for the asterisk form. */
  path(): string {
    if (this.pathStart === this.pathEnd) return "/";
    return this.#path.read(this.bytes, this.base + this.pathStart, this.base + this.pathEnd);
  }

  /** Query without "?"; "" when there is none. */
  query(): string {
    if (this.queryEnd - this.pathEnd < 2) return "";
    return textOf(this.bytes, this.base + this.pathEnd + 1, this.base + this.queryEnd);
  }

  /** The request target as received. */
  target(): string {
    if (this.targetStart === this.pathStart && this.targetEnd === this.pathEnd) return this.path();
    return textOf(this.bytes, this.base + this.targetStart, this.base + this.targetEnd);
  }
}
