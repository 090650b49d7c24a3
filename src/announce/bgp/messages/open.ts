// SPDX-License-Identifier: Apache-2.0
// OPEN (RFC 4271 §4.2, RFC 6793, RFC 9072): who is speaking, and what it can do.

import { Buffer } from "node:buffer";

import { CapabilityReader, encodeCapabilities, type Capabilities } from "./capabilities.ts";
import { frame } from "./framing.ts";
import { BgpError, errorCode, openError } from "./errors.ts";
import { asTrans, messageType } from "./protocol.ts";

export interface OpenMessage {
  /** The real one, also where it has four octets. */
  readonly asn: number;
  /** 0 = the session is never checked for life. */
  readonly holdTimeSeconds: number;
  /** BGP Identifier, never 0. */
  readonly routerId: number;
  readonly capabilities: Capabilities;
}

const version = 4;
const fixedBytes = 10;
const capabilityParameter = 2;
/** RFC 9072: as length and type of the first parameter, it announces lengths of two octets. */
const extended = 255;

/** The AS number goes into the fixed field too, or AS_TRANS where it does not fit. */
export function encodeOpen({ asn, holdTimeSeconds, routerId, capabilities }: OpenMessage): Buffer {
  const list = encodeCapabilities(capabilities);
  const fixed = Buffer.alloc(fixedBytes);
  fixed[0] = version;
  fixed.writeUInt16BE(asn > 0xffff ? asTrans : asn, 1);
  fixed.writeUInt16BE(holdTimeSeconds, 3);
  fixed.writeUInt32BE(routerId, 5);
  if (list.length === 0) return frame(messageType.open, [fixed]);
  fixed[9] = list.length + 2;
  return frame(messageType.open, [fixed, Buffer.from([capabilityParameter, list.length]), list]);
}

/** Checks everything that can be known without knowing the peer. Throws BgpError. */
export function parseOpen(body: Buffer): OpenMessage {
  if (body[0] !== version) {
    // RFC 4271 §6.2: the data is the largest version that is spoken.
    throw new BgpError("the peer speaks another version", errorCode.open, openError.version, Buffer.from([0, version]));
  }
  const holdTimeSeconds = body.readUInt16BE(3);
  const routerId = body.readUInt32BE(5);
  const capabilities = parseParameters(body);
  const asn = asnOf(body.readUInt16BE(1), capabilities.asn);
  if (holdTimeSeconds === 1 || holdTimeSeconds === 2) {
    throw new BgpError("a hold time of less than 3 seconds", errorCode.open, openError.holdTime);
  }
  if (routerId === 0) throw new BgpError("the BGP identifier is 0", errorCode.open, openError.badRouterId);
  return { asn, holdTimeSeconds, routerId, capabilities };
}

function asnOf(field: number, capability: number | null): number {
  const asn = capability ?? field;
  // RFC 7607: 0 is nobody's. AS_TRANS stands for a number that must be in the capability.
  const contradicts = capability !== null && field !== asTrans && field !== capability;
  if (asn === 0 || asn === asTrans || contradicts) {
    throw new BgpError("not an AS number of anybody", errorCode.open, openError.badPeerAs);
  }
  return asn;
}

function parseParameters(body: Buffer): Capabilities {
  const reader = new CapabilityReader();
  const isExtended = body[9] === extended && body[10] === extended;
  const lengthBytes = isExtended ? 2 : 1;
  if (isExtended && body.length < fixedBytes + 3) throw malformed();
  let at = isExtended ? fixedBytes + 3 : fixedBytes;
  const length = isExtended ? body.readUInt16BE(fixedBytes + 1) : body[9]!;
  if (at + length !== body.length) throw malformed();
  while (at < body.length) {
    if (at + 1 + lengthBytes > body.length) throw malformed();
    const type = body[at]!;
    const valueBytes = body.readUIntBE(at + 1, lengthBytes);
    const valueAt = at + 1 + lengthBytes;
    if (valueAt + valueBytes > body.length) throw malformed();
    if (type !== capabilityParameter) {
      throw new BgpError("an unknown optional parameter", errorCode.open, openError.optionalParameter);
    }
    reader.read(body.subarray(valueAt, valueAt + valueBytes));
    at = valueAt + valueBytes;
  }
  return reader.result();
}

function malformed(): BgpError {
  return new BgpError("malformed optional parameters", errorCode.open, openError.unspecific);
}
