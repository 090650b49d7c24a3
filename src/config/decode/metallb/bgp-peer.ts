// SPDX-License-Identifier: Apache-2.0
// MetalLB BGPPeer (metallb.io/v1beta2, and v1beta1, which has fewer fields of the same names): a router to talk BGP to.

import { ip, ipFamily } from "../../../core/index.ts";
import type { BGPPeer, ResourceBase } from "../../../model/index.ts";
import { durationMs } from "../duration.ts";
import type { Kind } from "../kind.ts";
import { excerpt, type Place } from "../place.ts";
import {
  isOneOf,
  object,
  optional,
  required,
  refused,
  silent,
  unserved,
  type Decoded,
  type Fields,
} from "../schema.ts";
import { bool, int, maxUint32, oneOf, text } from "../values.ts";
import { metallbDocument, metallbGroup, selectors } from "./kind.ts";

const defaultPort = 179;
const defaultHoldMs = 90_000;
const defaultConnectMs = 120_000;
export const asn = int(1, maxUint32);
export const peerPort = int(1, 16_384);

/** null for `{}`, which is how MetalLB's API writes that there is none. */
const passwordSecret = object(
  "kubernetes",
  { name: optional(text), namespace: optional(text) },
  ({ name = "", namespace = "" }, { place }) => {
    if (name !== "") return { name, namespace: namespace === "" ? place.scope.namespace : namespace };
    return namespace === "" ? null : place.error("REQUIRED", "`name` is missing; name the Secret with the password");
  },
);

const peerFields = {
  myASN: required(asn, "write the number of your own autonomous system"),
  peerASN: optional(int(0, maxUint32)),
  dynamicASN: optional(oneOf(["internal", "external"])),
  localASN: refused("the session would be opened with another AS number", isOneOf(0)),
  peerAddress: optional(ipAddress),
  interface: refused("sessions without an address (unnumbered) are not opened", isOneOf("")),
  sourceAddress: optional(ipAddress),
  peerPort: optional(peerPort),
  holdTime: optional(durationMs("zero-allowed")),
  keepaliveTime: optional(durationMs("zero-allowed")),
  connectTime: optional(connectTimeMs),
  routerID: optional(routerID),
  nodeSelectors: optional(selectors),
  password: optional(password),
  passwordSecret: optional(passwordSecret),
  bfdProfile: optional(text),
  enableGracefulRestart: optional(bool),
  ebgpMultiHop: optional(bool),
  vrf: unserved("the session is opened in the default VRF", isOneOf("")),
  disableMP: silent,
  dualStackAddressFamily: optional(bool),
} as const;

/** Puts the fields of a peer together; `map` is asked for them by these names. */
export function peerOf(fields: Decoded<typeof peerFields>, map: Fields): Omit<BGPPeer, keyof ResourceBase> | undefined {
  const peerASN = peerASNOf(fields.peerASN, fields.dynamicASN, map);
  const times = timesOf(fields.holdTime, fields.keepaliveTime, map);
  const isInternal = peerASN === "internal" || peerASN === fields.myASN;
  if (fields.ebgpMultiHop === true && isInternal) {
    map
      .at("ebgpMultiHop")
      ?.reportKey("CONFLICT", "error", "the peer is in your own AS, where this does not exist; remove it");
  }
  const hasSecret = fields.passwordSecret !== undefined && fields.passwordSecret !== null;
  if (fields.password !== undefined && hasSecret) {
    map.at("password")?.reportKey("CONFLICT", "error", "both password and passwordSecret are set; keep one of them");
  }
  const address = map.at("peerAddress");
  if (address === undefined || isEmptyText(address)) {
    (address ?? map.place).error("REQUIRED", "`peerAddress` is missing; write the IP address of the router");
  }
  if (peerASN === undefined || times === undefined || fields.peerAddress === undefined) return undefined;
  return {
    myASN: fields.myASN,
    peerASN,
    peerAddress: fields.peerAddress,
    peerPort: fields.peerPort ?? defaultPort,
    sourceAddress: fields.sourceAddress ?? "",
    routerID: fields.routerID ?? "",
    ...times,
    connectTimeMs: fields.connectTime ?? defaultConnectMs,
    nodeSelectors: fields.nodeSelectors ?? [],
    password: fields.password ?? null,
    passwordSecret: fields.passwordSecret ?? null,
    bfdProfile: fields.bfdProfile ?? "",
    enableGracefulRestart: fields.enableGracefulRestart ?? false,
    ebgpMultiHop: fields.ebgpMultiHop ?? false,
    dualStackAddressFamily: fields.dualStackAddressFamily ?? false,
  };
}

function isEmptyText({ value }: Place): boolean {
  return value.kind === "scalar" && value.value === "";
}

function peerASNOf(
  number: number | undefined,
  dynamic: "internal" | "external" | undefined,
  { place, at }: Fields,
): BGPPeer["peerASN"] | undefined {
  const isSet = number !== undefined && number !== 0;
  if (isSet && dynamic !== undefined) {
    return at("dynamicASN")?.reportKey("CONFLICT", "error", "both peerASN and dynamicASN are set; keep one of them");
  }
  if (isSet) return number;
  // Why it could not be read is said already.
  if (number === undefined && dynamic === undefined && (at("peerASN") ?? at("dynamicASN")) !== undefined) {
    return undefined;
  }
  return dynamic ?? place.error("REQUIRED", "`peerASN` is missing; write the number of the router's autonomous system");
}

/** Whole seconds, as FRR takes them. */
function connectTimeMs(place: Place): number | undefined {
  const ms = durationMs("positive")(place);
  if (ms === undefined || (ms % 1_000 === 0 && ms >= 1_000 && ms <= 65_535_000)) return ms;
  return place.error("VALUE", "the connect time must be whole seconds, from 1s to 65535s");
}

/** Hold and keepalive time as RFC 4271 §4.2 and §4.4 allow them, whole seconds. */
function timesOf(
  hold: number | undefined,
  keepalive: number | undefined,
  { at }: Fields,
): Pick<BGPPeer, "holdTimeMs" | "keepaliveTimeMs"> | undefined {
  const derivedHold = keepalive === undefined ? defaultHoldMs : 3 * keepalive;
  const wantedMs = hold ?? derivedHold;
  const holdTimeMs = Math.floor(wantedMs / 1_000) * 1_000;
  if (wantedMs !== 0 && (holdTimeMs < 3_000 || holdTimeMs > 65_535_000)) {
    return (at("holdTime") ?? at("keepaliveTime"))?.error(
      "VALUE",
      "the hold time must be 0 or from 3s to 65535s; a keepalive time alone makes three times as much of it",
    );
  }
  const keepaliveTimeMs = keepalive ?? holdTimeMs / 3;
  if (keepaliveTimeMs > holdTimeMs) {
    return at("keepaliveTime")?.error("VALUE", "the keepalive time must not be longer than the hold time");
  }
  return { holdTimeMs, keepaliveTimeMs };
}

export function ipAddress(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  const parsed = ip.parse(value);
  return parsed === null ? place.error("VALUE", `${excerpt(value)} is no IP address`) : ip.format(parsed);
}

export function routerID(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  if (ipFamily(value) === 4 && value !== "0.0.0.0") return value;
  return place.error("VALUE", `${excerpt(value)} is no router ID; write it like an IPv4 address, for example 10.0.0.1`);
}

/** TCP MD5 keys have at most 80 bytes (Linux). The value is never part of a message. */
export function password(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  return Buffer.byteLength(value) <= 80 ? value : place.error("VALUE", "a password has at most 80 bytes");
}

const decodeSpec = metallbDocument(object("kubernetes", peerFields, peerOf));

export const bgpPeer: Kind = {
  kind: "BGPPeer",
  group: metallbGroup,
  versions: ["v1beta2", "v1beta1"],
  namespaced: true,
  dottedName: true,
  decode(document, header): BGPPeer | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "BGPPeer", ...header, ...fields };
  },
};
