// SPDX-License-Identifier: Apache-2.0
// The Connection field (RFC 9110 §7.6.1): which options it names, and which other fields it takes out of the message.

import { asciiBytes, comma, equalsIgnoreCase, isBlank, sameIgnoreCase, tokenByte } from "./bytes.ts";
import { HeaderId, headerIdOf, isFraming, isHopByHop, isNotNominable } from "./header-id.ts";
import type { MessageHead } from "./message-head.ts";

export const optionClose = 1;
export const optionKeepAlive = 2;
export const optionUpgrade = 4;
/** Not a list of tokens, or absurdly many of them. */
export const optionsInvalid = 8;
/** Names Host, Content-Length or Transfer-Encoding. */
export const nominatesFraming = 16;
/** Names a field that carries identity, such as Authorization, Cookie or X-Forwarded-For. */
export const nominatesIdentity = 32;

/** Bounds the work one field can cause: options × lines. */
const maxOptions = 32;
const closeText = asciiBytes("close");
const keepAliveText = asciiBytes("keep-alive");

/** Reads the Connection line at `index`, marks nominated lines in `head.drop` and returns the bits above. */
export function readConnectionOptions(head: MessageHead, index: number): number {
  const bytes = head.bytes;
  const to = head.base + head.valueEnd[index]!;
  let at = head.base + head.valueStart[index]!;
  // HOT: what nearly every Connection field says.
  if (equalsIgnoreCase(bytes, at, to, keepAliveText)) return optionKeepAlive;
  let bits = 0;
  for (let count = 0; at < to; count++) {
    const start = at;
    while (at < to && tokenByte[bytes[at]!] === 1) at++;
    const end = at;
    while (at < to && isBlank(bytes[at]!)) at++;
    if ((at < to && bytes[at] !== comma) || count === maxOptions) return bits | optionsInvalid;
    // Empty list elements are legal (RFC 9110 §5.6.1.2).
    if (end > start) bits |= readOption(head, start, end);
    at++;
    while (at < to && isBlank(bytes[at]!)) at++;
  }
  return bits;
}

function readOption(head: MessageHead, start: number, end: number): number {
  const bytes = head.bytes;
  const id = headerIdOf(bytes, start, end);
  if (id === HeaderId.other && equalsIgnoreCase(bytes, start, end, closeText)) return optionClose;
  if (id === HeaderId.keepAlive) return optionKeepAlive;
  if (id === HeaderId.upgrade) return optionUpgrade;
  if (isFraming(id)) return nominatesFraming;
  if (!isHopByHop(id)) dropLinesNamed(head, id, start, end);
  return isNotNominable(id) ? nominatesIdentity : 0;
}

function dropLinesNamed(head: MessageHead, id: number, start: number, end: number): void {
  const { bytes, base } = head;
  for (let index = 0; index < head.headerCount; index++) {
    if (head.headerId[index] !== id) continue;
    if (sameIgnoreCase(bytes, start, end, base + head.nameStart[index]!, base + head.nameEnd[index]!)) {
      head.drop[index] = 1;
    }
  }
}
