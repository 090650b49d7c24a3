// SPDX-License-Identifier: Apache-2.0
// Who is signed in: a name in a cookie, with no password behind it, as in the original. It exists to show routing by
// user, and guards nothing.

import type { IncomingHttpHeaders } from "node:http";

const cookieName = "session";
const nameLimit = 64;

/** The name behind a request, or "" for a guest. */
export function signedInUser(headers: IncomingHttpHeaders): string {
  for (const pair of (headers.cookie ?? "").split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 0 || pair.slice(0, equals).trim() !== cookieName) continue;
    return acceptableName(decode(pair.slice(equals + 1).trim()));
  }
  return "";
}

/** Trimmed, or "" when it is empty, too long or has control characters in it. */
export function acceptableName(name: string): string {
  const trimmed = name.trim();
  return trimmed.length <= nameLimit && !/\p{Cc}/u.test(trimmed) ? trimmed : "";
}

/** `set-cookie` that signs in, or out with an empty name. */
export function sessionCookie(name: string): string {
  const attributes = "Path=/; HttpOnly; SameSite=Lax";
  return name === ""
    ? `${cookieName}=; ${attributes}; Max-Age=0`
    : `${cookieName}=${encodeURIComponent(name)}; ${attributes}`;
}

/** A header carries visible ASCII (RFC 9110 §5.5); a name in another script goes percent-encoded. */
export function endUserHeader(name: string): string {
  return /^[\x20-\x7e]*$/.test(name) ? name : encodeURIComponent(name);
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // Not a cookie of ours: a guest.
    return "";
  }
}
