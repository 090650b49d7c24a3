// SPDX-License-Identifier: Apache-2.0
// What the parts of the announcer do unless they are told otherwise.

import { defaultBgpOptions } from "./bgp/index.ts";
import { defaultLayer2Options } from "./layer2/index.ts";
import { membershipDefaults } from "./membership/membership.ts";

export const announceDefaults = {
  bgp: defaultBgpOptions,
  layer2: defaultLayer2Options,
  membership: membershipDefaults,
} as const;
