// SPDX-License-Identifier: Apache-2.0
// NOTIFICATION: what ends a session and says why, to the peer (RFC 4271 §6, RFC 9003) and to people.

import { Buffer } from "node:buffer";

import { cease, errorCode, type Notification } from "./errors.ts";
import { frame } from "./framing.ts";
import { messageType } from "./protocol.ts";

/** RFC 9003 §2: one octet of length allows 255. */
const maxTextBytes = 255;
const maxDataBytes = 4_096 - 21;

export function encodeNotification({ code, subcode, data }: Notification): Buffer {
  return frame(messageType.notification, [Buffer.from([code, subcode]), data.subarray(0, maxDataBytes)]);
}

/** `body` is at least two bytes long: the framing has seen to it. */
export function parseNotification(body: Buffer): Notification {
  return { code: body[0]!, subcode: body[1]!, data: Buffer.from(body.subarray(2)) };
}

/** A Cease that tells people why (RFC 9003); the text is cut at a character where it is longer than 255 bytes. */
export function ceaseWithText(subcode: typeof cease.shutdown | typeof cease.reset, text: string): Notification {
  let bytes = Buffer.from(text);
  if (bytes.length > maxTextBytes) {
    let end = maxTextBytes;
    // Not inside of a character: its further bytes are 10xxxxxx.
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    bytes = bytes.subarray(0, end);
  }
  return { code: errorCode.cease, subcode, data: Buffer.concat([Buffer.from([bytes.length]), bytes]) };
}

export function ceaseWith(subcode: (typeof cease)[keyof typeof cease]): Notification {
  return { code: errorCode.cease, subcode, data: Buffer.alloc(0) };
}

/** The peer's words with its Cease, or null. They are foreign: control characters are replaced. */
export function textOf({ code, subcode, data }: Notification): string | null {
  if (code !== errorCode.cease || (subcode !== cease.shutdown && subcode !== cease.reset)) return null;
  const length = data[0];
  if (length === undefined || length === 0 || length > data.length - 1) return null;
  return data
    .subarray(1, 1 + length)
    .toString()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}

/** For logs and status: `Cease / Administrative Shutdown (6/2): maintenance`. */
export function describeNotification(notification: Notification): string {
  const { code, subcode } = notification;
  const [name, subcodes] = names[code] ?? ["Error", {}];
  const detail = subcodes[subcode];
  const text = textOf(notification);
  return `${name}${detail === undefined ? "" : ` / ${detail}`} (${code}/${subcode})${text === null ? "" : `: ${text}`}`;
}

/** Names of the IANA registry of BGP error codes. */
const names: Readonly<Record<number, readonly [string, Readonly<Record<number, string>>]>> = {
  1: ["Message Header Error", { 1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type" }],
  2: [
    "OPEN Message Error",
    {
      1: "Unsupported Version Number",
      2: "Bad Peer AS",
      3: "Bad BGP Identifier",
      4: "Unsupported Optional Parameter",
      6: "Unacceptable Hold Time",
      7: "Unsupported Capability",
      11: "Role Mismatch",
    },
  ],
  3: [
    "UPDATE Message Error",
    {
      1: "Malformed Attribute List",
      2: "Unrecognized Well-known Attribute",
      3: "Missing Well-known Attribute",
      4: "Attribute Flags Error",
      5: "Attribute Length Error",
      6: "Invalid ORIGIN Attribute",
      8: "Invalid NEXT_HOP Attribute",
      9: "Optional Attribute Error",
      10: "Invalid Network Field",
      11: "Malformed AS_PATH",
    },
  ],
  4: ["Hold Timer Expired", {}],
  5: [
    "Finite State Machine Error",
    {
      1: "Unexpected Message in OpenSent",
      2: "Unexpected Message in OpenConfirm",
      3: "Unexpected Message in Established",
    },
  ],
  6: [
    "Cease",
    {
      1: "Maximum Number of Prefixes Reached",
      2: "Administrative Shutdown",
      3: "Peer De-configured",
      4: "Administrative Reset",
      5: "Connection Rejected",
      6: "Other Configuration Change",
      7: "Connection Collision Resolution",
      8: "Out of Resources",
      9: "Hard Reset",
      10: "BFD Down",
    },
  ],
  7: ["ROUTE-REFRESH Message Error", { 1: "Invalid Message Length" }],
  8: ["Send Hold Timer Expired", {}],
};
