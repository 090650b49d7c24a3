// SPDX-License-Identifier: Apache-2.0
// Host names of configuration: exact, `*.suffix` or `*`, lower case. Which one covers which, and which is narrower.

/** `*` and `*.suffix`. */
export function isWildcardHost(host: string): boolean {
  return host.startsWith("*");
}

/** `*.foo.com` covers `a.foo.com`, `a.b.foo.com` and `*.a.foo.com`, but not `foo.com` (Envoy). */
export function hostCovers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === "*") return true;
  return wide.startsWith("*.") && narrow.endsWith(wide.slice(1));
}

/** The host itself and every wildcard that covers it, most specific first. */
export function coveringHosts(host: string): string[] {
  const covering = [host];
  for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
    const wildcard = `*${host.slice(dot)}`;
    if (wildcard !== host) covering.push(wildcard);
  }
  if (host !== "*") covering.push("*");
  return covering;
}

/** Istio's MoreSpecific order: names before wildcards, longer first, then by the alphabet. */
export function compareSpecificity(left: string, right: string): number {
  const wildcards = Number(isWildcardHost(left)) - Number(isWildcardHost(right));
  if (wildcards !== 0) return wildcards;
  if (left.length !== right.length) return right.length - left.length;
  return left < right ? -1 : left > right ? 1 : 0;
}
