// SPDX-License-Identifier: Apache-2.0
// Limits of a message head and the outcome of parsing one.

import { defaultTraffic, type TrafficOptions } from "../../model/index.ts";

/**
 * `maxHeadBytes` counts start line and field lines with all their line ends and is at most 65535, because offsets are 16
 * bits wide.
 */
export type HeadLimits = Pick<
  TrafficOptions,
  "maxHeadBytes" | "maxHeaders" | "maxTargetBytes" | "pathNormalization" | "escapedSlashes"
>;

export const headLimits: HeadLimits = defaultTraffic;

export const needMore = 0;
export const complete = 1;
export const failed = 2;
/** `needMore`: every byte so far is fine. `complete`: the head is whole. `failed`: the connection cannot be parsed on. */
export type ParseStatus = typeof needMore | typeof complete | typeof failed;
