// SPDX-License-Identifier: Apache-2.0
// Host names, IP addresses and authorities as text. No I/O, no resolution.

import { isIP } from "node:net";

export interface HostPort {
  readonly host: string;
  /** null when the text names no port. */
  readonly port: number | null;
}

/** 0 when not an address, else 4 or 6. Brackets and zone identifiers are not part of an address here. */
export function ipFamily(text: string): 0 | 4 | 6 {
  const family = isIP(text);
  return family === 4 || (family === 6 && !text.includes("%")) ? family : 0;
}

/** `host:port` as it appears in URLs and logs; IPv6 in brackets; the path of a Unix socket alone, as Envoy has it. */
export function formatHostPort(host: string, port: number): string {
  if (host.startsWith("/")) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Splits `host`, `host:port`, `[v6]`, `[v6]:port`. Returns null when the text is none of these or the port is not
 * 0–65535. The host is not validated further and keeps its case.
 */
export function parseHostPort(text: string): HostPort | null {
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end < 0) return null;
    const host = text.slice(1, end);
    if (ipFamily(host) !== 6) return null;
    if (end === text.length - 1) return { host, port: null };
    if (text.charCodeAt(end + 1) !== 0x3a) return null;
    return withPort(host, text.slice(end + 2));
  }
  const colon = text.lastIndexOf(":");
  if (colon < 0) return text === "" ? null : { host: text, port: null };
  // More than one colon and no brackets: an IPv6 address without a port.
  if (text.indexOf(":") !== colon) return ipFamily(text) === 6 ? { host: text, port: null } : null;
  return colon === 0 ? null : withPort(text.slice(0, colon), text.slice(colon + 1));
}

/** Parses 0–65535 in plain decimal digits; null for anything else. */
export function parsePort(text: string): number | null {
  if (!/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

/** RFC 1123 host name of labels up to 63 characters, 253 in all; underscores allowed, as Kubernetes users have them. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/i.test(text);
}

function withPort(host: string, portText: string): HostPort | null {
  const port = parsePort(portText);
  return port === null ? null : { host, port };
}
