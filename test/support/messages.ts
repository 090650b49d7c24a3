// SPDX-License-Identifier: Apache-2.0
// Messages most tests send, and how they look once naru has passed them on.

/** A request without a body; `headers` are complete lines. */
export function get(path = "/", headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
}

export function post(body: string, headers = "", path = "/"): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
}

/** What an origin answers. */
export function ok(body: string, headers = ""): string {
  return `HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
}

/** What the client gets of `ok(body)`. */
export function okRelayed(body: string): string {
  return `HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** An answer without a body. */
export function answer(status: number, headers = ""): string {
  return `HTTP/1.1 ${status} Status\r\nDate: now\r\nContent-Length: 0\r\n${headers}\r\n`;
}

export const endOfHead = "\r\n\r\n";
