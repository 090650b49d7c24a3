// SPDX-License-Identifier: Apache-2.0
// Validity of an authority as it stands in Host or in an absolute-form target: uri-host [ ":" port ] (RFC 9110 §7.2).

import { ipFamily } from "../../core/index.ts";
import { colon, hostByte, textOf } from "./bytes.ts";

const openBracket = 0x5b;
const closeBracket = 0x5d;
/** `[` + the longest text of an IPv6 address + `]`. */
const maxLiteral = 47;

/** False for an empty text, user information, a path, a comma, white space, and ports that are not 0–65535. */
export function isAuthority(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  if (bytes[at] === openBracket && at < end) {
    while (at < end && bytes[at] !== closeBracket && at - start < maxLiteral) at++;
    if (at === end || ipFamily(textOf(bytes, start + 1, at)) !== 6) return false;
    at++;
  } else {
    while (at < end && hostByte[bytes[at]!] === 1) at++;
    if (at === start) return false;
  }
  return at === end || (bytes[at] === colon && isPort(bytes, at + 1, end));
}

function isPort(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0 || length > 5) return false;
  let port = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65_535;
}
