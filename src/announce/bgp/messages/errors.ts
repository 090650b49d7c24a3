// SPDX-License-Identifier: Apache-2.0
// Error codes of BGP (RFC 4271 §6 and later) and the one error that parsing throws.

import { Buffer } from "node:buffer";

/** Error codes (RFC 4271 §4.5, RFC 7313, RFC 9687). */
export const errorCode = {
  header: 1,
  open: 2,
  update: 3,
  holdTimerExpired: 4,
  fsm: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimerExpired: 8,
} as const;

export const headerError = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

export const openError = {
  unspecific: 0,
  version: 1,
  badPeerAs: 2,
  badRouterId: 3,
  optionalParameter: 4,
  holdTime: 6,
  capability: 7,
} as const;

export const updateError = {
  malformedList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  flags: 4,
  length: 5,
  origin: 6,
  nextHop: 8,
  optionalAttribute: 9,
  network: 10,
  asPath: 11,
} as const;

/** RFC 6608: in which state something came that must not come there. */
export const fsmError = { openSent: 1, openConfirm: 2, established: 3 } as const;

/** RFC 4486, RFC 8538, RFC 9384. */
export const cease = {
  maxPrefixes: 1,
  shutdown: 2,
  deconfigured: 3,
  reset: 4,
  rejected: 5,
  configChange: 6,
  collision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;

export interface Notification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Buffer;
}

/** The only error that parsing throws: what is wrong with a message, as the NOTIFICATION that answers it. */
export class BgpError extends Error implements Notification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Buffer;

  constructor(message: string, code: number, subcode: number, data: Buffer = Buffer.alloc(0)) {
    super(message);
    this.name = "BgpError";
    this.code = code;
    this.subcode = subcode;
    this.data = data;
  }
}
