// SPDX-License-Identifier: Apache-2.0
// What the fields of a response mean for its framing and connection. An upstream is trusted no more than a client:
// framing that two readers could see differently fails the response (RFC 9112 §6.3, §11.2).

import { asciiBytes, comma, equalsIgnoreCase, isBlank } from "./bytes.ts";
import {
  nominatesFraming,
  optionClose,
  optionKeepAlive,
  optionsInvalid,
  optionUpgrade,
  readConnectionOptions,
} from "./connection-options.ts";
import { codingChunked, hasTab, invalidLength, parseContentLength, parseTransferEncoding } from "./framing.ts";
import { HeaderId } from "./header-id.ts";
import { isBodyless, type ResponseHead } from "./response-head.ts";

const timeoutText = asciiBytes("timeout=");
const maxTimeoutSeconds = 86_400;

/** Fills the derived fields of `head`; returns the reason when the response must be refused, else "". */
export function applyResponseRules(head: ResponseHead): string {
  let codingIndex = -1;
  let lengthIndex = -1;
  let upgradeSeen = false;
  let options = 0;
  for (let index = 0; index < head.headerCount; index++) {
    switch (head.headerId[index]) {
      case HeaderId.contentLength:
        if (lengthIndex >= 0) return "repeated Content-Length";
        lengthIndex = index;
        break;
      case HeaderId.transferEncoding:
        if (codingIndex >= 0) return "repeated Transfer-Encoding";
        codingIndex = index;
        break;
      case HeaderId.connection:
        options |= readConnectionOptions(head, index);
        break;
      case HeaderId.upgrade:
        upgradeSeen = true;
        break;
      case HeaderId.keepAlive:
        if (head.keepAliveTimeoutSeconds < 0) head.keepAliveTimeoutSeconds = timeoutSeconds(head, index);
        break;
      default:
    }
  }
  if ((options & optionsInvalid) !== 0) return "invalid Connection header";
  if ((options & nominatesFraming) !== 0) return "Connection header nominates a framing header";
  head.keepAlive =
    head.minorVersion === 1
      ? (options & optionClose) === 0
      : (options & (optionClose | optionKeepAlive)) === optionKeepAlive;
  head.upgrade = upgradeSeen && (options & optionUpgrade) !== 0 && head.minorVersion === 1;
  return framingReason(head, lengthIndex, codingIndex);
}

function framingReason(head: ResponseHead, lengthIndex: number, codingIndex: number): string {
  const { bytes, base } = head;
  if (lengthIndex >= 0) {
    if (codingIndex >= 0) return "Content-Length together with Transfer-Encoding";
    const length = parseContentLength(bytes, base + head.valueStart[lengthIndex]!, base + head.valueEnd[lengthIndex]!);
    if (length === invalidLength || hasTab(head, lengthIndex)) return "invalid Content-Length";
    // Servers do send "Content-Length: 0" with 204; a message without content must not go on with a length.
    if (isBodyless(head.statusCode)) head.drop[lengthIndex] = 1;
    else head.contentLength = length;
  } else if (codingIndex >= 0) {
    if (head.minorVersion === 0) return "Transfer-Encoding in an HTTP/1.0 response";
    const coding = parseTransferEncoding(
      bytes,
      base + head.valueStart[codingIndex]!,
      base + head.valueEnd[codingIndex]!,
    );
    if (coding !== codingChunked || hasTab(head, codingIndex)) return "transfer coding other than chunked";
    head.chunked = true;
  }
  return "";
}

/** N of `timeout=N` in a Keep-Alive value, or -1. */
function timeoutSeconds(head: ResponseHead, index: number): number {
  const { bytes } = head;
  const to = head.base + head.valueEnd[index]!;
  let at = head.base + head.valueStart[index]!;
  while (at < to) {
    const start = at;
    while (at < to && bytes[at] !== comma) at++;
    let end = at;
    while (end > start && isBlank(bytes[end - 1]!)) end--;
    if (end - start > 8 && equalsIgnoreCase(bytes, start, start + 8, timeoutText)) {
      const seconds = parseContentLength(bytes, start + 8, end);
      if (seconds >= 0) return Math.min(seconds, maxTimeoutSeconds);
    }
    at++;
    while (at < to && isBlank(bytes[at]!)) at++;
  }
  return -1;
}
