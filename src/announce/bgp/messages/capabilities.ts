// SPDX-License-Identifier: Apache-2.0
// Capabilities (RFC 5492): what the two ends of a session may do with each other.

import { Buffer } from "node:buffer";

import { BgpError, errorCode, openError } from "./errors.ts";
import { afiOf, familyOf, unicast, type Family } from "./protocol.ts";

/** RFC 4724. */
export interface GracefulRestart {
  /** The sender has just restarted: nobody should wait for it before sending routes. */
  readonly restarting: boolean;
  /** RFC 8538: routes also survive a NOTIFICATION. */
  readonly notification: boolean;
  /** How long the peer should keep routes until the session is back; 0..4095. */
  readonly timeSeconds: number;
  readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
}

export interface Capabilities {
  /** Unicast families; IPv4 alone when the sender named none (RFC 4760 §8). */
  readonly families: readonly Family[];
  readonly routeRefresh: boolean;
  /** null = the sender knows 2-octet AS numbers only (RFC 6793). */
  readonly asn: number | null;
  readonly gracefulRestart: GracefulRestart | null;
}

const code = { multiprotocol: 1, routeRefresh: 2, gracefulRestart: 64, fourOctetAs: 65 } as const;
const maxRestartSeconds = 0xfff;
const restartFlag = { restarting: 0x80, notification: 0x40, forwarding: 0x80 } as const;

/** As one list of {code, length, value}. */
export function encodeCapabilities(capabilities: Capabilities): Buffer {
  const parts = capabilities.families.map((family) => tlv(code.multiprotocol, [0, afiOf(family), 0, unicast]));
  if (capabilities.routeRefresh) parts.push(tlv(code.routeRefresh, []));
  const { gracefulRestart, asn } = capabilities;
  if (gracefulRestart !== null) parts.push(tlv(code.gracefulRestart, restartBytes(gracefulRestart)));
  if (asn !== null)
    parts.push(tlv(code.fourOctetAs, [asn >>> 24, (asn >>> 16) & 0xff, (asn >>> 8) & 0xff, asn & 0xff]));
  return Buffer.concat(parts);
}

function restartBytes({ restarting, notification, timeSeconds, families }: GracefulRestart): number[] {
  const seconds = Math.min(timeSeconds, maxRestartSeconds);
  const flags = (restarting ? restartFlag.restarting : 0) | (notification ? restartFlag.notification : 0);
  return [
    flags | (seconds >> 8),
    seconds & 0xff,
    ...families.flatMap(({ family, forwarding }) => [
      0,
      afiOf(family),
      unicast,
      forwarding ? restartFlag.forwarding : 0,
    ]),
  ];
}

function tlv(type: number, value: readonly number[]): Buffer {
  return Buffer.from([type, value.length, ...value]);
}

/** Reads the lists of all capability parameters of an OPEN. Unknown ones are skipped. */
export class CapabilityReader {
  readonly #families: Family[] = [];
  #multiprotocol = false;
  #routeRefresh = false;
  #asn: number | null = null;
  #gracefulRestart: GracefulRestart | null = null;

  /** Throws BgpError. */
  read(list: Buffer): void {
    let at = 0;
    while (at < list.length) {
      const length = list[at + 1];
      if (length === undefined || at + 2 + length > list.length) throw malformed("a capability overruns its list");
      this.#take(list[at]!, list.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }

  result(): Capabilities {
    return {
      families: this.#multiprotocol ? this.#families : [4],
      routeRefresh: this.#routeRefresh,
      asn: this.#asn,
      gracefulRestart: this.#gracefulRestart,
    };
  }

  #take(type: number, value: Buffer): void {
    switch (type) {
      case code.multiprotocol: {
        if (value.length !== 4) throw malformed("a multiprotocol capability is not 4 bytes long");
        this.#multiprotocol = true;
        const family = familyOf(value.readUInt16BE(0), value[3]!);
        if (family !== null && !this.#families.includes(family)) this.#families.push(family);
        return;
      }
      case code.routeRefresh:
        this.#routeRefresh = true;
        return;
      case code.fourOctetAs:
        if (value.length !== 4) throw malformed("a capability of 4-octet AS numbers is not 4 bytes long");
        this.#asn = value.readUInt32BE(0);
        return;
      case code.gracefulRestart:
        // Of several the last one counts (RFC 4724 §3).
        this.#gracefulRestart = parseRestart(value);
        return;
      default:
    }
  }
}

function parseRestart(value: Buffer): GracefulRestart {
  if (value.length < 2 || (value.length - 2) % 4 !== 0) throw malformed("wrong length of graceful restart");
  const families: { family: Family; forwarding: boolean }[] = [];
  for (let at = 2; at < value.length; at += 4) {
    const family = familyOf(value.readUInt16BE(at), value[at + 2]!);
    if (family !== null) families.push({ family, forwarding: (value[at + 3]! & restartFlag.forwarding) !== 0 });
  }
  return {
    restarting: (value[0]! & restartFlag.restarting) !== 0,
    notification: (value[0]! & restartFlag.notification) !== 0,
    timeSeconds: value.readUInt16BE(0) & maxRestartSeconds,
    families,
  };
}

/** RFC 4271 §6.2: a recognised parameter that is malformed has no subcode of its own. */
function malformed(message: string): BgpError {
  return new BgpError(message, errorCode.open, openError.unspecific);
}
