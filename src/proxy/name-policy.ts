// SPDX-License-Identifier: Apache-2.0
// Header names with underscores: applications that turn names into variables cannot tell `x_user` from `x-user`, and so
// neither from a header that naru strips or sets. As Envoy's headers_with_underscores_action.

import { underscore } from "./http1/bytes.ts";
import type { RequestHead } from "./http1/index.ts";

/** Marks all such lines as not to be forwarded or matched; returns how many there were. */
export function dropUnderscored(head: RequestHead): number {
  const { bytes, base, nameStart, nameEnd, drop } = head;
  let dropped = 0;
  for (let index = 0; index < head.headerCount; index++) {
    if (!bytes.subarray(base + nameStart[index]!, base + nameEnd[index]!).includes(underscore)) continue;
    drop[index] = 1;
    dropped++;
  }
  return dropped;
}
