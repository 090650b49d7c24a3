// SPDX-License-Identifier: Apache-2.0
// Authorities and domains brought to the form in which hosts are looked up. Istio matches hosts without regard to case,
// port (ignorePortInHostMatching) and one trailing dot.

import { ipFamily, parsePort } from "../core/index.ts";

const dot = 0x2e;
const closingBracket = 0x5d;
const nonAscii = /[^\0-\x7f]/;

/**
 * The host of an authority: lower case, without port and without one trailing dot. IPv6 keeps its brackets. Text after
 * the colon that is no port number (0–65535, or nothing: RFC 3986 §3.2.3) stays, so that it matches no domain.
 */
export function hostWithoutPort(authority: string): string {
  let end = hostEnd(authority);
  if (end > 0 && authority.charCodeAt(end - 1) === dot) end--;
  return lowerAscii(end === authority.length ? authority : authority.slice(0, end));
}

/** The port an authority names, or null. */
export function portOf(authority: string): number | null {
  const end = hostEnd(authority);
  return end === authority.length ? null : parsePort(authority.slice(end + 1));
}

/** A domain of a virtual host in the form `hostWithoutPort` gives authorities; bare IPv6 gets its brackets. */
export function normalDomain(domain: string): string {
  return ipFamily(domain) === 6 ? `[${domain.toLowerCase()}]` : hostWithoutPort(domain);
}

/** Lower case of A–Z only, as Envoy folds; String.toLowerCase would also fold `K` (Kelvin sign) to `k`. */
export function lowerAscii(text: string): string {
  if (!nonAscii.test(text)) return text.toLowerCase();
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Index of the colon before the port, or the length when there is no port. */
function hostEnd(authority: string): number {
  const colon = authority.lastIndexOf(":");
  if (colon < 0) return authority.length;
  // More than one colon is IPv6, whose port can only follow the bracket.
  if (authority.indexOf(":") !== colon && authority.charCodeAt(colon - 1) !== closingBracket) return authority.length;
  if (colon === authority.length - 1) return colon;
  return parsePort(authority.slice(colon + 1)) === null ? authority.length : colon;
}
