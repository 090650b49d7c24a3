// SPDX-License-Identifier: Apache-2.0
// MetalLB BFDProfile: how fast a dead router is noticed (RFC 5880).

import type { BFDProfile } from "../../../model/index.ts";
import type { Kind } from "../kind.ts";
import { isOneOf, object, optional, silent, unserved } from "../schema.ts";
import { bool, int } from "../values.ts";
import { metallbDocumentWithDefaults, metallbGroup } from "./kind.ts";

const intervalMs = int(10, 60_000);
const defaults = {
  receiveIntervalMs: 300,
  transmitIntervalMs: 300,
  detectMultiplier: 3,
  passiveMode: false,
  minimumTtl: 254,
} as const;

const decodeSpec = metallbDocumentWithDefaults<Pick<BFDProfile, keyof typeof defaults>>(
  object(
    "kubernetes",
    {
      receiveInterval: optional(intervalMs),
      transmitInterval: optional(intervalMs),
      detectMultiplier: optional(int(2, 255)),
      // Means nothing unless echoMode is on.
      echoInterval: silent,
      echoMode: unserved("the peer is watched by control packets only", isOneOf(false)),
      passiveMode: optional(bool),
      minimumTtl: optional(int(1, 254)),
    },
    (fields) => ({
      receiveIntervalMs: fields.receiveInterval ?? defaults.receiveIntervalMs,
      transmitIntervalMs: fields.transmitInterval ?? defaults.transmitIntervalMs,
      detectMultiplier: fields.detectMultiplier ?? defaults.detectMultiplier,
      passiveMode: fields.passiveMode ?? defaults.passiveMode,
      minimumTtl: fields.minimumTtl ?? defaults.minimumTtl,
    }),
  ),
  defaults,
);

export const bfdProfile: Kind = {
  kind: "BFDProfile",
  group: metallbGroup,
  versions: ["v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): BFDProfile | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "BFDProfile", ...header, ...fields };
  },
};
