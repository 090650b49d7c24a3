// SPDX-License-Identifier: Apache-2.0
// MetalLB L2Advertisement and BGPAdvertisement: which pools are announced how, from which nodes.

import type {
  BGPAdvertisement,
  BGPCommunity,
  CommunityAlias,
  L2Advertisement,
  PreferredNodes,
} from "../../../model/index.ts";
import type { Kind } from "../kind.ts";
import type { Place } from "../place.ts";
import { object, optional, required } from "../schema.ts";
import { distinct, int, list, maxUint32, text } from "../values.ts";
import { bgpCommunity, formatCommunity } from "./community.ts";
import { metallbDocumentWithDefaults, metallbGroup, names, selector, selectors } from "./kind.ts";

const commonFields = {
  ipAddressPools: optional(names),
  ipAddressPoolSelectors: optional(selectors),
  nodeSelectors: optional(selectors),
  serviceSelectors: optional(selectors),
} as const;

const noCommon = { pools: [], poolSelectors: [], nodeSelectors: [], serviceSelectors: [] } as const;

/** One that says nothing: every address of every pool, from any node on all of its interfaces. */
export const defaultL2Advertisement = { ...noCommon, interfaces: [], preferredNodes: [] } as const;

const preferredNodes = object(
  "kubernetes",
  {
    weight: required(int(1, 100), "add a weight from 1 to 100"),
    preference: required(selector, "say which nodes are preferred"),
  },
  (fields): PreferredNodes => fields,
);

const decodeL2 = metallbDocumentWithDefaults(
  object(
    "kubernetes",
    {
      ...commonFields,
      interfaces: optional(names),
      preferredNodeSelectors: optional(list(preferredNodes)),
    },
    (fields) => ({
      pools: fields.ipAddressPools ?? [],
      poolSelectors: fields.ipAddressPoolSelectors ?? [],
      nodeSelectors: fields.nodeSelectors ?? [],
      serviceSelectors: fields.serviceSelectors ?? [],
      interfaces: fields.interfaces ?? [],
      preferredNodes: fields.preferredNodeSelectors ?? [],
    }),
  ),
  defaultL2Advertisement,
);

export const l2Advertisement: Kind = {
  kind: "L2Advertisement",
  group: metallbGroup,
  versions: ["v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): L2Advertisement | undefined {
    const fields = decodeL2(document);
    return fields === undefined ? undefined : { kind: "L2Advertisement", ...header, ...fields };
  },
};

/** A community, or the name of one, which only the other resources can tell. */
function communityOrAlias(place: Place): BGPCommunity | CommunityAlias | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  return value.includes(":") ? bgpCommunity(place) : { kind: "alias", name: value };
}

function communityKeys(community: BGPCommunity | CommunityAlias): readonly string[] {
  return [`the community ${community.kind === "alias" ? community.name : formatCommunity(community)}`];
}

export const communities = distinct(communityOrAlias, communityKeys);
export const aggregationLength = int(1, 32);
export const aggregationLengthV6 = int(1, 128);

const wholeAddress = { aggregationLength: 32, aggregationLengthV6: 128 } as const;

/** One that says nothing: every address of every pool to every peer. */
export const defaultBGPAdvertisement = {
  ...noCommon,
  ...wholeAddress,
  localPref: 0,
  communities: [],
  peers: [],
} as const;

const decodeBGP = metallbDocumentWithDefaults(
  object(
    "kubernetes",
    {
      ...commonFields,
      aggregationLength: optional(aggregationLength),
      aggregationLengthV6: optional(aggregationLengthV6),
      localPref: optional(int(0, maxUint32)),
      communities: optional(communities),
      peers: optional(names),
    },
    (fields, { at }) => {
      const { serviceSelectors = [] } = fields;
      const lengths = {
        aggregationLength: fields.aggregationLength ?? wholeAddress.aggregationLength,
        aggregationLengthV6: fields.aggregationLengthV6 ?? wholeAddress.aggregationLengthV6,
      };
      const isAggregated = lengths.aggregationLength !== 32 || lengths.aggregationLengthV6 !== 128;
      if (serviceSelectors.length > 0 && isAggregated) {
        const message = "an aggregate cannot be announced for some services only; remove it or the aggregation length";
        return at("serviceSelectors")?.reportKey("CONFLICT", "error", message);
      }
      return {
        pools: fields.ipAddressPools ?? [],
        poolSelectors: fields.ipAddressPoolSelectors ?? [],
        nodeSelectors: fields.nodeSelectors ?? [],
        serviceSelectors,
        ...lengths,
        localPref: fields.localPref ?? 0,
        communities: fields.communities ?? [],
        peers: fields.peers ?? [],
      };
    },
  ),
  defaultBGPAdvertisement,
);

export const bgpAdvertisement: Kind = {
  kind: "BGPAdvertisement",
  group: metallbGroup,
  versions: ["v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): BGPAdvertisement | undefined {
    const fields = decodeBGP(document);
    return fields === undefined ? undefined : { kind: "BGPAdvertisement", ...header, ...fields };
  },
};
