// SPDX-License-Identifier: Apache-2.0
// Limits of a message head and the outcome of parsing one.

export interface HeadLimits {
  /** Start line and field lines with all their line ends; at most 65535, because offsets are 16 bits wide. */
  readonly maxHeadBytes: number;
  /** Field lines. */
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
}

/** Envoy's defaults for size and count (60 KiB, 100 fields). */
export const headLimits: HeadLimits = { maxHeadBytes: 60 * 1024, maxHeaders: 100, maxTargetBytes: 16 * 1024 };

export const needMore = 0;
export const complete = 1;
export const failed = 2;
/** `needMore`: every byte so far is fine. `complete`: the head is whole. `failed`: the connection cannot be parsed on. */
export type ParseStatus = typeof needMore | typeof complete | typeof failed;
