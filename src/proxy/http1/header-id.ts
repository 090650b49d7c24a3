// SPDX-License-Identifier: Apache-2.0
// Numbers for the field names the proxy itself reads, adds or strips, so that it never makes a string to ask
// "is this Host?". Everything else is `other` and passes through as bytes.

export const HeaderId = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  trailer: 8,
  upgrade: 9,
  expect: 10,
  http2Settings: 11,
  xForwardedFor: 12,
  xForwardedProto: 13,
  xForwardedHost: 14,
  xForwardedPort: 15,
  xForwardedClientCert: 16,
  /** Any other name that starts with `x-forwarded-`. */
  xForwarded: 17,
  forwarded: 18,
  via: 19,
  xRequestId: 20,
  userAgent: 21,
  date: 22,
  server: 23,
  contentType: 24,
  cookie: 25,
  setCookie: 26,
  authorization: 27,
  proxyAuthorization: 28,
  proxyAuthenticate: 29,
  traceparent: 30,
  tracestate: 31,
  b3: 32,
  xB3TraceId: 33,
  xB3SpanId: 34,
  xB3ParentSpanId: 35,
  xB3Sampled: 36,
  xB3Flags: 37,
  /** Any name that starts with `x-envoy-`. */
  xEnvoy: 38,
} as const;

export type HeaderId = (typeof HeaderId)[keyof typeof HeaderId];

const hopByHop = 1;
const notNominable = 2;
const notInTrailer = 4;
const framing = 8;

const names: readonly (readonly [id: HeaderId, traits: number, ...names: string[]])[] = [
  [HeaderId.host, framing | notNominable | notInTrailer, "host"],
  [HeaderId.contentLength, framing | notNominable | notInTrailer, "content-length"],
  [HeaderId.transferEncoding, hopByHop | framing | notNominable | notInTrailer, "transfer-encoding"],
  [HeaderId.connection, hopByHop | notInTrailer, "connection"],
  [HeaderId.keepAlive, hopByHop | notInTrailer, "keep-alive"],
  [HeaderId.proxyConnection, hopByHop | notInTrailer, "proxy-connection"],
  [HeaderId.te, hopByHop | notInTrailer, "te"],
  [HeaderId.trailer, notInTrailer, "trailer"],
  [HeaderId.upgrade, hopByHop | notInTrailer, "upgrade"],
  [HeaderId.expect, notInTrailer, "expect"],
  [HeaderId.http2Settings, hopByHop | notInTrailer, "http2-settings"],
  [HeaderId.xForwardedFor, notNominable | notInTrailer, "x-forwarded-for"],
  [HeaderId.xForwardedProto, notNominable | notInTrailer, "x-forwarded-proto"],
  [HeaderId.xForwardedHost, notNominable | notInTrailer, "x-forwarded-host"],
  [HeaderId.xForwardedPort, notNominable | notInTrailer, "x-forwarded-port"],
  [HeaderId.xForwardedClientCert, notNominable | notInTrailer, "x-forwarded-client-cert"],
  [HeaderId.xForwarded, notNominable | notInTrailer],
  [HeaderId.forwarded, notNominable | notInTrailer, "forwarded"],
  [HeaderId.via, notNominable | notInTrailer, "via"],
  [HeaderId.xRequestId, notNominable | notInTrailer, "x-request-id"],
  [HeaderId.userAgent, notInTrailer, "user-agent"],
  [HeaderId.date, notInTrailer, "date"],
  [HeaderId.server, notInTrailer, "server"],
  [HeaderId.contentType, notInTrailer, "content-type"],
  [HeaderId.cookie, notNominable | notInTrailer, "cookie"],
  [HeaderId.setCookie, notNominable | notInTrailer, "set-cookie"],
  [HeaderId.authorization, notNominable | notInTrailer, "authorization"],
  [HeaderId.proxyAuthorization, notNominable | notInTrailer, "proxy-authorization"],
  [HeaderId.proxyAuthenticate, notInTrailer, "proxy-authenticate"],
  [HeaderId.traceparent, notInTrailer, "traceparent"],
  [HeaderId.tracestate, notInTrailer, "tracestate"],
  [HeaderId.b3, notInTrailer, "b3"],
  [HeaderId.xB3TraceId, notInTrailer, "x-b3-traceid"],
  [HeaderId.xB3SpanId, notInTrailer, "x-b3-spanid"],
  [HeaderId.xB3ParentSpanId, notInTrailer, "x-b3-parentspanid"],
  [HeaderId.xB3Sampled, notInTrailer, "x-b3-sampled"],
  [HeaderId.xB3Flags, notInTrailer, "x-b3-flags"],
  [HeaderId.xEnvoy, notNominable | notInTrailer],
];

/** Longest known name; longer ones can only match by prefix. */
const maxNameLength = 31;
/** Names laid end to end; entry n is `nameBytes[entryOffset[n], + length)`. Entry 0 means "none". */
const entryNames: readonly string[] = ["", ...names.flatMap(([, , ...texts]) => texts)];
const nameBytes = Uint8Array.from(entryNames.join(""), (letter) => letter.charCodeAt(0));
const entryOffset = new Uint16Array(entryNames.length);
const entryId = new Uint8Array(entryNames.length);
/** Entries of equal length and first letter form a chain: `chainHead[length << 5 | letter & 31]`, then `chainNext`. */
const chainHead = new Uint8Array((maxNameLength + 1) << 5);
const chainNext = new Uint8Array(entryNames.length);
const traitsOf = new Uint8Array(Object.keys(HeaderId).length);
fillTables();

/** By id: 1 = hop-by-hop. */
export const hopByHopFlag = traitsOf.map((traits) => traits & hopByHop);

/** The id of the field name in `bytes[start, end)`, which must be token bytes only. */
export function headerIdOf(bytes: Uint8Array, start: number, end: number): HeaderId {
  const length = end - start;
  const first = bytes[start]! | 0x20;
  if (length <= maxNameLength) {
    let entry = chainHead[(length << 5) | (first & 31)]!;
    while (entry !== 0) {
      const offset = entryOffset[entry]! - start;
      let at = start;
      // Among token bytes, | 0x20 joins only letters of different case and `^` with `~`; no known name has the latter.
      while (at < end && (bytes[at]! | 0x20) === nameBytes[offset + at]) at++;
      if (at === end) return entryId[entry] as HeaderId;
      entry = chainNext[entry]!;
    }
  }
  return first === 0x78 && length > 8 ? idByPrefix(bytes, start, length) : HeaderId.other;
}

/** Ends at the next hop: never forwarded (RFC 9110 §7.6.1, and HTTP2-Settings of the obsolete h2c upgrade). */
export function isHopByHop(id: number): boolean {
  return (traitsOf[id]! & hopByHop) !== 0;
}

/** Must not be removable by a Connection field: it carries framing, routing or identity. */
export function isNotNominable(id: number): boolean {
  return (traitsOf[id]! & notNominable) !== 0;
}

/** Delimits or routes the message: no Connection option and no trailer may touch it. */
export function isFraming(id: number): boolean {
  return (traitsOf[id]! & framing) !== 0;
}

/** Must not be forwarded from a trailer section (RFC 9110 §6.5.1). */
export function isNotInTrailer(id: number): boolean {
  return (traitsOf[id]! & notInTrailer) !== 0;
}

function idByPrefix(bytes: Uint8Array, start: number, length: number): HeaderId {
  if (startsWith(bytes, start, "x-envoy-")) return HeaderId.xEnvoy;
  return length > 12 && startsWith(bytes, start, "x-forwarded-") ? HeaderId.xForwarded : HeaderId.other;
}

function startsWith(bytes: Uint8Array, start: number, prefix: string): boolean {
  for (let index = 0; index < prefix.length; index++) {
    if ((bytes[start + index]! | 0x20) !== prefix.charCodeAt(index)) return false;
  }
  return true;
}

function fillTables(): void {
  let entry = 1;
  let offset = 0;
  for (const [id, traits, ...texts] of names) {
    traitsOf[id] = traits;
    for (const text of texts) {
      const bucket = (text.length << 5) | (text.charCodeAt(0) & 31);
      entryOffset[entry] = offset;
      entryId[entry] = id;
      chainNext[entry] = chainHead[bucket]!;
      chainHead[bucket] = entry;
      offset += text.length;
      entry++;
    }
  }
}
