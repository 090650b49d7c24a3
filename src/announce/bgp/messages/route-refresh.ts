// SPDX-License-Identifier: Apache-2.0
// ROUTE-REFRESH (RFC 2918): the peer asks for all routes of a family again.

import { Buffer } from "node:buffer";

import { frame } from "./framing.ts";
import { BgpError, errorCode } from "./errors.ts";
import { afiOf, familyOf, messageType, unicast, type Family } from "./protocol.ts";

const bodyBytes = 4;
const invalidLength = 1;

export function encodeRouteRefresh(family: Family): Buffer {
  return frame(messageType.routeRefresh, [Buffer.from([0, afiOf(family), 0, unicast])]);
}

/** The family to send again, or null: of another family, or a marker of enhanced refresh (RFC 7313), which is not offered. */
export function parseRouteRefresh(body: Buffer): Family | null {
  if (body.length !== bodyBytes) {
    // RFC 7313 §5: the data is the whole message.
    const whole = frame(messageType.routeRefresh, [body]);
    throw new BgpError("wrong length of ROUTE-REFRESH", errorCode.routeRefresh, invalidLength, whole);
  }
  return body[2] === 0 ? familyOf(body.readUInt16BE(0), body[3]!) : null;
}
