// SPDX-License-Identifier: Apache-2.0
// MetalLB BFDProfile: how fast a dead router is noticed (RFC 5880).

import type { BFDProfile } from "../../../model/index.ts";
import type { Kind } from "../kind.ts";
import { isOneOf, object, optional, silent, unserved } from "../schema.ts";
import { bool, int } from "../values.ts";
import { metallbDocumentWithDefaults, metallbGroup } from "./kind.ts";

export const intervalMs = int(10, 60_000);
export const detectMultiplier = int(2, 255);
export const minimumTtl = int(1, 254);

export const defaultBFD = {
  receiveIntervalMs: 300,
  transmitIntervalMs: 300,
  detectMultiplier: 3,
  passiveMode: false,
  minimumTtl: 254,
} as const;

const decodeSpec = metallbDocumentWithDefaults<Pick<BFDProfile, keyof typeof defaultBFD>>(
  object(
    "kubernetes",
    {
      receiveInterval: optional(intervalMs),
      transmitInterval: optional(intervalMs),
      detectMultiplier: optional(detectMultiplier),
      // Means nothing unless echoMode is on.
      echoInterval: silent,
      echoMode: unserved("the peer is watched by control packets only", isOneOf(false)),
      passiveMode: optional(bool),
      minimumTtl: optional(minimumTtl),
    },
    (fields) => ({
      receiveIntervalMs: fields.receiveInterval ?? defaultBFD.receiveIntervalMs,
      transmitIntervalMs: fields.transmitInterval ?? defaultBFD.transmitIntervalMs,
      detectMultiplier: fields.detectMultiplier ?? defaultBFD.detectMultiplier,
      passiveMode: fields.passiveMode ?? defaultBFD.passiveMode,
      minimumTtl: fields.minimumTtl ?? defaultBFD.minimumTtl,
    }),
  ),
  defaultBFD,
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
