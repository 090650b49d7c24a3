// SPDX-License-Identifier: Apache-2.0
// What the fields of a request mean for its framing, routing and connection, and which combinations are refused
// (RFC 9110, RFC 9112). Runs once over a head whose syntax is known to be good.

import { isAuthority } from "./authority.ts";
import {
  asciiBytes,
  asterisk,
  comma,
  equalsIgnoreCase,
  isBlank,
  pathPlain,
  questionMark,
  sameIgnoreCase,
  slash,
} from "./bytes.ts";
import {
  nominatesFraming,
  nominatesIdentity,
  optionClose,
  optionKeepAlive,
  optionsInvalid,
  optionUpgrade,
  readConnectionOptions,
} from "./connection-options.ts";
import { badRequest, type Fault } from "./fault.ts";
import {
  codingChunked,
  codingUnknown,
  hasTab,
  invalidLength,
  parseContentLength,
  parseTransferEncoding,
} from "./framing.ts";
import { HeaderId } from "./header-id.ts";
import type { RequestHead } from "./request-head.ts";

const continueText = asciiBytes("100-continue");
const trailersText = asciiBytes("trailers");
const schemeText = asciiBytes("http://");

const missingHost: Fault = { code: "MISSING_HOST", reason: "no Host header" };
const unknownCoding: Fault = { code: "TRANSFER_CODING_UNSUPPORTED", reason: "transfer coding other than chunked" };
const unknownExpectation: Fault = { code: "EXPECTATION_FAILED", reason: "expectation other than 100-continue" };
const repeatedHost = badRequest("repeated Host header");
const invalidHost = badRequest("invalid Host header");
const hostMismatch = badRequest("Host header differs from the absolute-form target");
const repeatedLength = badRequest("repeated Content-Length");
const badLength = badRequest("invalid Content-Length");
const repeatedCoding = badRequest("repeated Transfer-Encoding");
const badCoding = badRequest("invalid Transfer-Encoding");
const codingInOldVersion = badRequest("Transfer-Encoding in an HTTP/1.0 request");
const bothLengths = badRequest("Content-Length together with Transfer-Encoding");
const badConnection = badRequest("invalid Connection header");
const framingNominated = badRequest("Connection header nominates a framing header");
const identityNominated = badRequest("Connection header nominates a protected header");
const badForm = badRequest("request target is neither a path nor an http:// URL");
const badAsterisk = badRequest("asterisk target with a method other than OPTIONS");
const badTargetAuthority = badRequest("invalid authority in the request target");

/** Fills the derived fields of `head`; null when the request may be served. `pathKinds`: of `pathBytesFor`. */
export function applyRequestRules(head: RequestHead, pathKinds: Uint8Array): Fault | null {
  let hostIndex = -1;
  let codingIndex = -1;
  let lengthIndex = -1;
  let upgradeSeen = false;
  let options = 0;
  for (let index = 0; index < head.headerCount; index++) {
    switch (head.headerId[index]) {
      case HeaderId.host:
        if (hostIndex >= 0) return repeatedHost;
        hostIndex = index;
        break;
      case HeaderId.contentLength:
        if (lengthIndex >= 0) return repeatedLength;
        lengthIndex = index;
        break;
      case HeaderId.transferEncoding:
        if (codingIndex >= 0) return repeatedCoding;
        codingIndex = index;
        break;
      case HeaderId.connection:
        options |= readConnectionOptions(head, index);
        break;
      case HeaderId.upgrade:
        upgradeSeen = true;
        break;
      case HeaderId.te:
        if (!head.teTrailers) head.teTrailers = hasTrailersToken(head, index);
        break;
      case HeaderId.expect:
        // A server must ignore expectations of HTTP/1.0 clients (RFC 9110 §10.1.1).
        if (head.minorVersion === 0) break;
        if (head.expectContinue || !valueIs(head, index, continueText)) return unknownExpectation;
        head.expectContinue = true;
        break;
      default:
    }
  }
  if (options !== 0) {
    const fault = connectionFault(options);
    if (fault !== null) return fault;
  }
  head.keepAlive =
    head.minorVersion === 1
      ? (options & optionClose) === 0
      : (options & (optionClose | optionKeepAlive)) === optionKeepAlive;
  // RFC 9110 §7.8: Upgrade in an HTTP/1.0 request is ignored.
  head.upgrade = upgradeSeen && (options & optionUpgrade) !== 0 && head.minorVersion === 1;
  return framingFault(head, lengthIndex, codingIndex) ?? targetFault(head, hostIndex, pathKinds);
}

function connectionFault(options: number): Fault | null {
  if ((options & optionsInvalid) !== 0) return badConnection;
  if ((options & nominatesFraming) !== 0) return framingNominated;
  return (options & nominatesIdentity) !== 0 ? identityNominated : null;
}

function framingFault(head: RequestHead, lengthIndex: number, codingIndex: number): Fault | null {
  const { bytes, base } = head;
  if (lengthIndex >= 0) {
    if (codingIndex >= 0) return bothLengths;
    const length = parseContentLength(bytes, base + head.valueStart[lengthIndex]!, base + head.valueEnd[lengthIndex]!);
    if (length === invalidLength || hasTab(head, lengthIndex)) return badLength;
    head.contentLength = length;
  } else if (codingIndex >= 0) {
    if (head.minorVersion === 0) return codingInOldVersion;
    const coding = parseTransferEncoding(
      bytes,
      base + head.valueStart[codingIndex]!,
      base + head.valueEnd[codingIndex]!,
    );
    if (coding !== codingChunked) return coding === codingUnknown ? unknownCoding : badCoding;
    if (hasTab(head, codingIndex)) return badCoding;
    head.chunked = true;
  }
  return null;
}

function targetFault(head: RequestHead, hostIndex: number, pathKinds: Uint8Array): Fault | null {
  const { bytes, base } = head;
  if (hostIndex >= 0) {
    head.authorityStart = head.valueStart[hostIndex]!;
    head.authorityEnd = head.valueEnd[hostIndex]!;
    if (!isAuthority(bytes, base + head.authorityStart, base + head.authorityEnd)) return invalidHost;
  } else if (head.minorVersion === 1) {
    return missingHost;
  }
  return bytes[base + head.targetStart] === slash ? null : otherFormFault(head, hostIndex >= 0, pathKinds);
}

/** Targets that do not start with "/": `*` and absolute form (RFC 9112 §3.2.2, §3.2.4). */
function otherFormFault(head: RequestHead, hasHost: boolean, pathKinds: Uint8Array): Fault | null {
  const { bytes, base } = head;
  const start = base + head.targetStart;
  const end = base + head.targetEnd;
  if (bytes[start] === asterisk && end === start + 1) {
    head.pathStart = head.targetStart;
    head.pathEnd = head.queryEnd = head.targetEnd;
    return head.method === "OPTIONS" ? null : badAsterisk;
  }
  const authority = start + 7;
  if (authority > end || !equalsIgnoreCase(bytes, start, authority, schemeText)) return badForm;
  let at = authority;
  while (at < end && bytes[at] !== slash && bytes[at] !== questionMark) at++;
  if (!isAuthority(bytes, authority, at)) return badTargetAuthority;
  // The target wins over Host (RFC 9112 §3.2.2); refusing a difference leaves nobody behind us to see another host.
  if (hasHost && !sameIgnoreCase(bytes, authority, at, base + head.authorityStart, base + head.authorityEnd))
    return hostMismatch;
  head.authorityStart = authority - base;
  head.authorityEnd = at - base;
  head.pathStart = at - base;
  while (at < end && pathKinds[bytes[at]!] !== 0) {
    if (pathKinds[bytes[at]!] !== pathPlain) head.pathNeedsNormalization = true;
    at++;
  }
  head.pathEnd = at - base;
  head.queryEnd = head.targetEnd;
  return null;
}

function valueIs(head: RequestHead, index: number, lowerCase: Uint8Array): boolean {
  return equalsIgnoreCase(
    head.bytes,
    head.base + head.valueStart[index]!,
    head.base + head.valueEnd[index]!,
    lowerCase,
  );
}

/** Whether a TE value lists `trailers`. */
function hasTrailersToken(head: RequestHead, index: number): boolean {
  const { bytes } = head;
  const to = head.base + head.valueEnd[index]!;
  let at = head.base + head.valueStart[index]!;
  while (at < to) {
    const start = at;
    while (at < to && bytes[at] !== comma) at++;
    let end = at;
    while (end > start && isBlank(bytes[end - 1]!)) end--;
    if (equalsIgnoreCase(bytes, start, end, trailersText)) return true;
    at++;
    while (at < to && isBlank(bytes[at]!)) at++;
  }
  return false;
}
