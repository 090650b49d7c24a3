// SPDX-License-Identifier: Apache-2.0
// Layer 2: addresses announced by ARP (IPv4) and neighbor discovery (IPv6).

export {
  createLayer2,
  defaultLayer2Options,
  type L2Status,
  type Layer2,
  type Layer2Announcement,
  type Layer2Deps,
  type Layer2Options,
} from "./layer2.ts";
export type { Layer2Conflict } from "./conflicts.ts";
export { usableLinks, type UsableLink } from "./usable-links.ts";
