// SPDX-License-Identifier: Apache-2.0
// Path normal forms as Istio's pathNormalization has them: what routes and policies are matched against must be what the
// upstream will read.

import type { EscapedSlashAction, PathNormalization } from "../model/index.ts";

const unreserved = /^[A-Za-z0-9\-._~]$/;
const escapeDigits = /^[0-9A-Fa-f]{2}$/;
const escapedSlash = /%(?:2f|5c)/i;

/**
 * The normal form of an origin-form path without query. null when the path must be refused: a "%" without two
 * hexadecimal digits, an escaped NUL, or an escaped slash where those are rejected.
 *
 * - NONE: the path as it is.
 * - BASE (Envoy normalize_path): `\` becomes `/`, escapes of unreserved characters are decoded, then dot segments are
 *   removed (RFC 3986 §5.2.4, §6.2.2.2; climbing above the root ends at the root). Repeated slashes and all other
 *   escapes stay as they are, letter case included.
 * - MERGE_SLASHES: then each run of slashes becomes one (Envoy merge_slashes).
 * - DECODE_AND_MERGE_SLASHES: `%2F` and `%5C` become `/` before all that (Envoy UNESCAPE_AND_FORWARD).
 *
 * Escaped slashes are looked at first, at every level: `reject` refuses them, `decode` makes `%2F` a `/` and `%5C` a `\`
 * (Envoy path_with_escaped_slashes_action).
 */
export function normalizePath(
  path: string,
  level: PathNormalization = "BASE",
  escapedSlashes: EscapedSlashAction = "keep",
): string | null {
  if (escapedSlashes === "reject" && escapedSlash.test(path)) return null;
  if (level === "NONE") return escapedSlashes === "decode" ? decodeSlashes(path) : path;
  const decoded = decodeEscapes(path, escapedSlashes === "decode" || level === "DECODE_AND_MERGE_SLASHES");
  if (decoded === null) return null;
  const normal = removeDotSegments(decoded.replaceAll("\\", "/"));
  return level === "BASE" ? normal : normal.replace(/\/{2,}/g, "/");
}

function decodeSlashes(path: string): string {
  return path.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
}

/** Decodes what is unreserved, and slashes of either kind where `withSlashes`. */
function decodeEscapes(path: string, withSlashes: boolean): string | null {
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
    const isDecoded = unreserved.test(letter) || (withSlashes && (letter === "/" || letter === "\\"));
    // The decoded text is not looked at again: `%252e` is `%2e` to nobody.
    decoded += path.slice(from, percent) + (isDecoded ? letter : path.slice(percent, percent + 3));
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
