// SPDX-License-Identifier: Apache-2.0
// Fields of the configuration that MetalLB 0.8 to 0.12 read from a ConfigMap. Decoded into the resources of today, but
// for what only their document can tell.

import type {
  BFDProfile,
  BGPAdvertisement,
  BGPPeer,
  Community,
  IPAddressPool,
  ResourceBase,
} from "../../../model/index.ts";
import { durationMs } from "../duration.ts";
import { labels } from "../names.ts";
import type { Place } from "../place.ts";
import { isOneOf, object, optional, required, silent, unserved, type Decoder } from "../schema.ts";
import { bool, distinct, int, list, maxUint32, oneOf, record, text } from "../values.ts";
import { aggregationLength, aggregationLengthV6, communities, defaultBGPAdvertisement } from "./advertisements.ts";
import { defaultBFD, detectMultiplier, intervalMs, minimumTtl } from "./bfd-profile.ts";
import { asn, ipAddress, password, peerOf, peerPort, routerID } from "./bgp-peer.ts";
import { bgpCommunity } from "./community.ts";
import { addresses } from "./ip-address-pool.ts";
import { expressions, selectorKeys } from "./kind.ts";

/** A resource as it stands in the text; `name` is "" where the text has none. */
export type Entry<R extends ResourceBase> = Omit<R, Exclude<keyof ResourceBase, "name" | "position">>;

export interface PoolEntry extends Entry<IPAddressPool> {
  /** null = announced by layer 2. */
  readonly bgp: readonly Entry<BGPAdvertisement>[] | null;
}

const nodeSelector = object(
  "strict",
  { "match-labels": optional(labels), "match-expressions": optional(expressions) },
  (fields) => ({
    matchLabels: fields["match-labels"] ?? {},
    matchExpressions: fields["match-expressions"] ?? [],
  }),
);

/** Fields of a BGPPeer that have rules → what they were called. */
const peerFieldNames: Readonly<Record<string, string>> = {
  peerASN: "peer-asn",
  peerAddress: "peer-address",
  holdTime: "hold-time",
  keepaliveTime: "keepalive-time",
  ebgpMultiHop: "ebgp-multihop",
};

const peer: Decoder<Entry<BGPPeer>> = object(
  "strict",
  {
    "my-asn": required(asn, "write the number of your own autonomous system"),
    "peer-asn": required(asn, "write the number of the router's autonomous system"),
    "peer-address": required(ipAddress, "write the IP address of the router"),
    "peer-port": optional(peerPort),
    "source-address": optional(ipAddress),
    "hold-time": optional(durationMs("zero-allowed")),
    "keepalive-time": optional(durationMs("zero-allowed")),
    "router-id": optional(routerID),
    "node-selectors": optional(distinct(nodeSelector, selectorKeys)),
    password: optional(password),
    "bfd-profile": optional(text),
    "ebgp-multihop": optional(bool),
  },
  (fields, { place, at }) => {
    const decoded = peerOf(
      {
        myASN: fields["my-asn"],
        peerASN: fields["peer-asn"],
        peerAddress: fields["peer-address"],
        peerPort: fields["peer-port"],
        sourceAddress: fields["source-address"],
        holdTime: fields["hold-time"],
        keepaliveTime: fields["keepalive-time"],
        routerID: fields["router-id"],
        nodeSelectors: fields["node-selectors"],
        password: fields.password,
        bfdProfile: fields["bfd-profile"],
        ebgpMultiHop: fields["ebgp-multihop"],
        dynamicASN: undefined,
        connectTime: undefined,
        passwordSecret: undefined,
        enableGracefulRestart: undefined,
        dualStackAddressFamily: undefined,
      },
      { place, at: (name) => at(peerFieldNames[name] ?? name) },
    );
    return decoded === undefined ? undefined : { name: "", position: place.position, ...decoded };
  },
);

const bgpAdvertisement: Decoder<Entry<BGPAdvertisement>> = object(
  "strict",
  {
    "aggregation-length": optional(aggregationLength),
    "aggregation-length-v6": optional(aggregationLengthV6),
    localpref: optional(int(0, maxUint32)),
    communities: optional(communities),
  },
  (fields, { place }) => ({
    ...defaultBGPAdvertisement,
    name: "",
    position: place.position,
    aggregationLength: fields["aggregation-length"] ?? defaultBGPAdvertisement.aggregationLength,
    aggregationLengthV6: fields["aggregation-length-v6"] ?? defaultBGPAdvertisement.aggregationLengthV6,
    localPref: fields.localpref ?? defaultBGPAdvertisement.localPref,
    communities: fields.communities ?? defaultBGPAdvertisement.communities,
  }),
);

const pool: Decoder<PoolEntry> = object(
  "strict",
  {
    name: required(text, "write the name of the pool"),
    protocol: required(oneOf(["layer2", "bgp"]), "write layer2 or bgp"),
    addresses: required(addresses, "write prefixes such as 192.168.1.0/24, or ranges with a dash"),
    "avoid-buggy-ips": optional(bool),
    "auto-assign": optional(bool),
    "bgp-advertisements": optional(list(bgpAdvertisement)),
  },
  (fields, { place, at }) => {
    const { name, protocol, "bgp-advertisements": advertisements = [] } = fields;
    const { position } = place;
    if (protocol === "layer2" && advertisements.length > 0) {
      const message = "a pool of protocol layer2 has no bgp-advertisements; remove them";
      return at("bgp-advertisements")?.reportKey("CONFLICT", "error", message);
    }
    return {
      name,
      position,
      ranges: fields.addresses,
      autoAssign: fields["auto-assign"] ?? true,
      avoidBuggyIPs: fields["avoid-buggy-ips"] ?? false,
      serviceAllocation: null,
      bgp:
        protocol === "layer2"
          ? null
          : advertisements.length > 0
            ? advertisements
            : [{ ...defaultBGPAdvertisement, name: "", position }],
    };
  },
);

const bfdProfile: Decoder<Entry<BFDProfile>> = object(
  "strict",
  {
    name: required(text, "write the name that peers use"),
    "receive-interval": optional(intervalMs),
    "transmit-interval": optional(intervalMs),
    "detect-multiplier": optional(detectMultiplier),
    "echo-interval": silent,
    "echo-mode": unserved("the peer is watched by control packets only", isOneOf(false)),
    "passive-mode": optional(bool),
    "minimum-ttl": optional(minimumTtl),
  },
  (fields, { place }) => ({
    name: fields.name,
    position: place.position,
    receiveIntervalMs: fields["receive-interval"] ?? defaultBFD.receiveIntervalMs,
    transmitIntervalMs: fields["transmit-interval"] ?? defaultBFD.transmitIntervalMs,
    detectMultiplier: fields["detect-multiplier"] ?? defaultBFD.detectMultiplier,
    passiveMode: fields["passive-mode"] ?? defaultBFD.passiveMode,
    minimumTtl: fields["minimum-ttl"] ?? defaultBFD.minimumTtl,
  }),
);

type Alias = Community["communities"][number];

function alias(place: Place): Omit<Alias, "name"> | undefined {
  const value = bgpCommunity(place);
  return value === undefined ? undefined : { position: place.position, value };
}

const aliases = record(alias, (key) => key);

function nameKeys({ name }: { readonly name: string }): readonly string[] {
  return [`the name ${name}`];
}

/** The whole text. */
export const configMapSettings = object(
  "strict",
  {
    peers: optional(list(peer)),
    "bgp-communities": optional(aliases),
    "address-pools": optional(distinct(pool, nameKeys)),
    "bfd-profiles": optional(distinct(bfdProfile, nameKeys)),
  },
  (fields) => ({
    peers: fields.peers ?? [],
    communities: Object.entries(fields["bgp-communities"] ?? {}).map(([name, value]): Alias => ({ name, ...value })),
    pools: fields["address-pools"] ?? [],
    bfdProfiles: fields["bfd-profiles"] ?? [],
  }),
);
