// SPDX-License-Identifier: Apache-2.0
// Path normal form as Istio's default (pathNormalization BASE, Envoy normalize_path): what routes and policies are
// matched against must be what the upstream will read.

const unreserved = /^[A-Za-z0-9\-._~]$/;
const escapeDigits = /^[0-9A-Fa-f]{2}$/;

/**
 * The normal form of an origin-form path without query: `\` becomes `/`, escapes of unreserved characters are decoded,
 * then dot segments are removed (RFC 3986 §5.2.4, §6.2.2.2; climbing above the root ends at the root). Repeated slashes
 * and all other escapes stay as they are, letter case included, as in Envoy. null when the path must be refused: a "%"
 * without two hexadecimal digits, or an escaped NUL.
 */
export function normalizePath(path: string): string | null {
  const decoded = decodeUnreserved(path);
  return decoded === null ? null : removeDotSegments(decoded.replaceAll("\\", "/"));
}

function decodeUnreserved(path: string): string | null {
  let percent = path.indexOf("%");
  if (percent < 0) return path;
  let decoded = "";
  let from = 0;
  for (; percent >= 0; percent = path.indexOf("%", from)) {
    const digits = path.slice(percent + 1, percent + 3);
    if (!escapeDigits.test(digits)) return null;
    const code = Number.parseInt(digits, 16);
    if (code === 0) return null;
    const letter = String.fromCharCode(code);
    // The decoded text is not looked at again: `%252e` is `%2e` to nobody.
    decoded += path.slice(from, percent) + (unreserved.test(letter) ? letter : path.slice(percent, percent + 3));
    from = percent + 3;
  }
  return decoded + path.slice(from);
}


function removeDotSegments(path: string): string {
  if (!path.includes("/.")) return path;
  const kept: string[] = [];
  const segments = path.split("/");
  const last = segments.length - 1;
  for (let index = 1; index <= last; index++) {
    const segment = segments[index]!;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    // A dot segment at the end leaves its slash: `/a/b/..` is the directory `/a/`.
    if (index === last && (segment === "." || segment === "..")) kept.push("");
  }
  return `/${kept.join("/")}`;
}
