// SPDX-License-Identifier: Apache-2.0
// Kubernetes Secret (core/v1) of type kubernetes.io/basic-auth: the passwords of BGP sessions. No other Secret is
// read. No value enters a message.

import { isUtf8 } from "node:buffer";
import type { Secret } from "../../model/index.ts";
import { documentFields, type Kind } from "./kind.ts";
import type { Place } from "./place.ts";
import { object, optional, silent } from "./schema.ts";
import { anywhere, text } from "./values.ts";

const decodeSecret = object(
  "kubernetes",
  { ...documentFields, type: silent, immutable: silent, data: optional(anywhere), stringData: optional(anywhere) },
  // Other keys are somebody else's business. What is written as text wins, as in Kubernetes.
  ({ data, stringData }): Pick<Secret, "password"> => {
    const plain = stringData?.child("password") ?? null;
    const encoded = data?.child("password") ?? null;
    const password = plain !== null ? text(plain) : encoded === null ? undefined : base64(encoded);
    return { password: password ?? null };
  },
);

/** Of UTF-8 text, padded as RFC 4648 §4 wants it. */
function base64(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const compact = value.replace(/\s/g, "");
  const bytes = Buffer.from(compact, "base64");
  if (bytes.toString("base64") === compact && isUtf8(bytes)) return bytes.toString();
  return place.error("VALUE", "this must be base64 of UTF-8 text; put plain text under `stringData`");
}

export const secret: Kind = {
  kind: "Secret",
  group: "",
  versions: ["v1"],
  namespaced: true,
  dottedName: true,
  isRead: (document) => document.text("type") === "kubernetes.io/basic-auth",
  decode(document, header): Secret | undefined {
    const fields = decodeSecret(document);
    return fields === undefined ? undefined : { kind: "Secret", ...header, ...fields };
  },
};
