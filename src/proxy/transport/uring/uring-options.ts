// SPDX-License-Identifier: Apache-2.0
// What the io_uring transport is built from: `createUringTransport(deps, options): Transport` in uring-transport.ts.

import type { Clock } from "../../../core/index.ts";

export interface UringDeps {
  readonly clock: Clock;
  /** Where the thread writes down its files, for whoever outlives it (`createLedgerMemory`); null = nobody does. */
  readonly ledger: SharedArrayBuffer | null;
}

export interface UringOptions {
  /** Memory for what is received and not yet looked at, per thread; at least 1 MiB. `--uring-buffers`. */
  readonly bufferBytes: number;
  /** Whether a busy thread lets what comes wait for more (`coalescing.ts`). `--uring-coalesce`. */
  readonly coalesces: boolean;
  /** Asserts the invariants of ownership and poisons memory that changes hands (NARU_URING_CHECK=1); slow. */
  readonly check: boolean;
}

export const defaultUringOptions: UringOptions = { bufferBytes: 8 * 1024 * 1024, coalesces: true, check: false };
