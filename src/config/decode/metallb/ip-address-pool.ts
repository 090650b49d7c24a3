// SPDX-License-Identifier: Apache-2.0
// MetalLB IPAddressPool: addresses that may be handed out, and to whom.

import { ip } from "../../../core/index.ts";
import type { AddressRange, IPAddressPool, ServiceAllocation } from "../../../model/index.ts";
import type { Kind } from "../kind.ts";
import { object, optional, required, type Decoder } from "../schema.ts";
import { bool, int, list, maxInt32 } from "../values.ts";
import { addressRange, metallbDocument, metallbGroup, names, selectors } from "./kind.ts";

const serviceAllocation: Decoder<ServiceAllocation> = object(
  "kubernetes",
  {
    priority: optional(int(0, maxInt32)),
    namespaces: optional(names),
    namespaceSelectors: optional(selectors),
    serviceSelectors: optional(selectors),
  },
  (fields) => ({
    priority: fields.priority ?? 0,
    namespaces: fields.namespaces ?? [],
    namespaceSelectors: fields.namespaceSelectors ?? [],
    serviceSelectors: fields.serviceSelectors ?? [],
  }),
);

/** Ranges that have no address in common. */
export const addresses: Decoder<readonly AddressRange[]> = (place) => {
  const taken = new ip.RangeMap<AddressRange>();
  const disjoint: Decoder<AddressRange> = (item) => {
    const decoded = addressRange(item);
    if (decoded === undefined) return undefined;
    const range = ip.rangeOf(decoded);
    const other = taken.overlapping(range);
    if (other !== undefined) {
      return item.error("CONFLICT", `${decoded.text} overlaps ${other.text}; write ranges without a common address`);
    }
    taken.add(range, decoded);
    return decoded;
  };
  return list(disjoint)(place);
};

const decodeSpec = metallbDocument(
  object(
    "kubernetes",
    {
      addresses: required(addresses, "write prefixes such as 192.168.1.0/24, or ranges with a dash"),
      autoAssign: optional(bool),
      avoidBuggyIPs: optional(bool),
      serviceAllocation: optional(serviceAllocation),
    },
    (fields) => ({
      ranges: fields.addresses,
      autoAssign: fields.autoAssign ?? true,
      avoidBuggyIPs: fields.avoidBuggyIPs ?? false,
      serviceAllocation: fields.serviceAllocation ?? null,
    }),
  ),
);

export const ipAddressPool: Kind = {
  kind: "IPAddressPool",
  group: metallbGroup,
  versions: ["v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): IPAddressPool | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "IPAddressPool", ...header, ...fields };
  },
};
