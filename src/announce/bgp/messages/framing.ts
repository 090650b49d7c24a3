// SPDX-License-Identifier: Apache-2.0
// Where messages begin and end in the byte stream: the header of RFC 4271 §4.1 and its checks of §6.1.

import { Buffer } from "node:buffer";

import { BgpError, errorCode, headerError } from "./errors.ts";
import { headerBytes, maxMessageBytes, messageType } from "./protocol.ts";

export interface Frame {
  readonly type: number;
  /** Without the header. A view of what was received. */
  readonly body: Buffer;
}

const markerBytes = 16;

/** Least whole lengths, by type; ROUTE-REFRESH has an error of its own for its length (RFC 7313 §5). */
const leastBytes: Readonly<Record<number, number>> = {
  [messageType.open]: 29,
  [messageType.update]: 23,
  [messageType.notification]: 21,
  [messageType.keepalive]: headerBytes,
  [messageType.routeRefresh]: headerBytes,
};

/** Cuts a stream into messages. Holds at most one incomplete message besides what was pushed last. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
  }

  /** The next complete message, or null until more is pushed. Throws BgpError; the stream is lost then. */
  next(): Frame | null {
    const bytes = this.#pending;
    if (bytes.length < headerBytes) return null;
    const length = checkHeader(bytes);
    if (bytes.length < length) return null;
    this.#pending = bytes.subarray(length);
    return { type: bytes[18]!, body: bytes.subarray(headerBytes, length) };
  }
}

function checkHeader(bytes: Buffer): number {
  for (let index = 0; index < markerBytes; index++) {
    if (bytes[index] !== 0xff) {
      throw new BgpError("the marker is not all ones", errorCode.header, headerError.notSynchronized);
    }
  }
  const length = bytes.readUInt16BE(markerBytes);
  const type = bytes[18]!;
  const least = leastBytes[type];
  if (length >= headerBytes && length <= maxMessageBytes && least === undefined) {
    throw new BgpError("unknown message type", errorCode.header, headerError.badType, Buffer.from([type]));
  }
  const wrong = length < (least ?? headerBytes) || length > maxMessageBytes;
  if (wrong || (type === messageType.keepalive && length !== headerBytes)) {
    const field = Buffer.from(bytes.subarray(markerBytes, markerBytes + 2));
    throw new BgpError("wrong length of a message", errorCode.header, headerError.badLength, field);
  }
  return length;
}

/** A whole message. The caller has seen to it that the parts fit. */
export function frame(type: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, headerBytes);
  const header = Buffer.alloc(headerBytes, 0xff);
  header.writeUInt16BE(length, markerBytes);
  header[18] = type;
  return Buffer.concat([header, ...parts], length);
}

export function encodeKeepalive(): Buffer {
  return frame(messageType.keepalive, []);
}
