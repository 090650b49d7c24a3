// SPDX-License-Identifier: Apache-2.0
// Why a head was refused: constants, so that refusing allocates nothing.

import type { ErrorCode } from "../../core/index.ts";
import type { LimitName } from "../../model/index.ts";

export interface Fault {
  readonly code: ErrorCode;
  /** For logs; never contains anything the other side sent. */
  readonly reason: string;
  /** The limit that was reached, if that is why. */
  readonly limit?: LimitName;
}

export function badRequest(reason: string): Fault {
  return { code: "BAD_REQUEST", reason };
}
