// SPDX-License-Identifier: Apache-2.0
// MetalLB Community: names for BGP communities (RFC 1997) and large communities (RFC 8092).

import type { BGPCommunity, Community } from "../../../model/index.ts";
import type { Kind } from "../kind.ts";
import { excerpt, type Place } from "../place.ts";
import { object, required } from "../schema.ts";
import { distinct, maxUint32, text } from "../values.ts";
import { metallbDocument, metallbGroup } from "./kind.ts";

/** `65535:65282` or `large:4200000000:1:2`. */
export function bgpCommunity(place: Place): BGPCommunity | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const parts = value.split(":");
  const isLarge = parts[0] === "large";
  const numbers = isLarge ? parts.slice(1) : parts;
  const max = isLarge ? maxUint32 : 65_535;
  if (
    numbers.length !== (isLarge ? 3 : 2) ||
    !numbers.every((part) => /^\d{1,10}$/.test(part) && Number(part) <= max)
  ) {
    const advice = "write two numbers up to 65535 as in 64512:100, or large: and three up to 4294967295";
    return place.error("VALUE", `${excerpt(value)} is no community; ${advice}`);
  }
  const [first = 0, second = 0, third = 0] = numbers.map(Number);
  return isLarge
    ? { kind: "large", value: [first, second, third] }
    : { kind: "standard", value: first * 65_536 + second };
}

/** As `bgpCommunity` reads it. */
export function formatCommunity({ kind, value }: BGPCommunity): string {
  return kind === "large" ? `large:${value.join(":")}` : `${Math.floor(value / 65_536)}:${value % 65_536}`;
}

const alias = object(
  "kubernetes",
  {
    name: required(text, "write the name that advertisements use"),
    value: required(bgpCommunity, "write the community, for example 65535:65282"),
  },
  ({ name, value }, { place }) => ({ position: place.position, name, value }),
);

const decodeSpec = metallbDocument(
  object(
    "kubernetes",
    {
      communities: required(
        distinct(alias, ({ name }) => [`the name ${name}`]),
        "write at least one name and value",
      ),
    },
    ({ communities }) => ({ communities }),
  ),
);

export const community: Kind = {
  kind: "Community",
  group: metallbGroup,
  versions: ["v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): Community | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "Community", ...header, ...fields };
  },
};
