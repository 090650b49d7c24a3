// SPDX-License-Identifier: Apache-2.0
// Which interfaces of this machine layer 2 may use, as the command line and their nature allow. Pure.

import { announceDefaults, usableLinks } from "../../announce/index.ts";
import type { LinkInfo } from "../../platform/index.ts";
import type { SpeakerOptions } from "./announce-options.ts";

/** Throws a SyntaxError for a pattern that is none. */
export function announceableLinks(
  links: readonly LinkInfo[],
  { interfaces, excludedInterfaces }: Pick<SpeakerOptions, "interfaces" | "excludedInterfaces">,
): readonly LinkInfo[] {
  const named = links.filter(({ name }) => interfaces.length === 0 || interfaces.includes(name));
  const excluded = excludedInterfaces ?? announceDefaults.layer2.excludedInterfaces;
  const usable = usableLinks(
    named,
    excluded.map((pattern) => new RegExp(pattern)),
  );
  return named.filter(({ index }) => usable.has(index));
}
