// SPDX-License-Identifier: Apache-2.0
// Which requests the admin port answers at all. It can end the process and shows the configuration, and every web page
// a developer opens may send requests to 127.0.0.1: names that a stranger's DNS points here (rebinding) and forms of
// other sites (CSRF) are turned away. Pure.

import { ipFamily, parseHostPort } from "../../core/index.ts";

/** The headers that matter here. */
export interface GuardedHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly "sec-fetch-site"?: string | string[] | undefined;
}

/**
 * Why a request is refused, or null. `boundHost` is the address the server listens on: on a loopback address only its
 * names are taken; elsewhere any IP address is, for rebinding needs a name.
 */
export function refusalOf(method: string, headers: GuardedHeaders, boundHost: string): string | null {
  const host = parseHostPort(headers.host ?? "")?.host.toLowerCase();
  if (host === undefined || !isOwnName(host, boundHost)) {
    return "this port answers to localhost and IP addresses only; the Host header names something else";
  }
  if (method !== "POST") return null;
  const { origin } = headers;
  const fetchSite = headers["sec-fetch-site"];
  // Browsers send one or both of these with every form; other clients send neither.
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none")
    return "the request comes from another site";
  if (origin !== undefined && origin !== `http://${headers.host}`) return "the request comes from another site";
  return null;
}

function isOwnName(host: string, boundHost: string): boolean {
  if (host === "localhost" || host === "127.0.0.1" || host === "::1" || host === boundHost.toLowerCase()) return true;
  return !isLoopback(boundHost) && ipFamily(host) !== 0;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (ipFamily(host) === 4 && host.startsWith("127."));
}
