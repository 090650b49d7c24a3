// SPDX-License-Identifier: Apache-2.0
// MetalLB BGPPeer (metallb.io/v1beta2, and v1beta1, which has fewer fields of the same names): a router to talk BGP to.

import { ip, ipFamily } from "../../../core/index.ts";
import type { BGPPeer } from "../../../model/index.ts";
import { durationMs } from "../duration.ts";
import type { Kind } from "../kind.ts";
import { excerpt, type Place } from "../place.ts";
import { isOneOf, object, optional, required, refused, silent, unserved, type Fields } from "../schema.ts";
import { bool, int, maxUint32, oneOf, text } from "../values.ts";
import { metallbDocument, metallbGroup, selectors } from "./kind.ts";

const defaultPort = 179;
const defaultHoldMs = 90_000;
const defaultConnectMs = 120_000;
const asn = int(1, maxUint32);

const passwordSecret = object(
  "kubernetes",
  { name: required(text, "name the Secret with the password"), namespace: optional(text) },
  ({ name, namespace }, { place }) => ({ name, namespace: namespace ?? place.scope.namespace }),
);

const spec = object(
  "kubernetes",
  {
    myASN: required(asn, "write the number of your own autonomous system"),
    peerASN: optional(int(0, maxUint32)),
    dynamicASN: optional(oneOf(["internal", "external"])),
    localASN: refused("the session would be opened with another AS number", isOneOf(0)),
    peerAddress: optional(address),
    interface: refused("sessions without an address (unnumbered) are not opened", isOneOf("")),
    sourceAddress: optional(address),
    peerPort: optional(int(1, 16_384)),
    holdTime: optional(durationMs("zero-allowed")),
    keepaliveTime: optional(durationMs("zero-allowed")),
    connectTime: optional(durationMs("positive")),
    routerID: optional(routerID),
    nodeSelectors: optional(selectors),
    password: optional(secretText),
    passwordSecret: optional(passwordSecret),
    bfdProfile: optional(text),
    enableGracefulRestart: optional(bool),
    ebgpMultiHop: optional(bool),
    vrf: unserved("the session is opened in the default VRF", isOneOf("")),
    disableMP: silent,
    dualStackAddressFamily: optional(bool),
  },
  (fields, map) => {
    const peerASN = peerASNOf(fields.peerASN, fields.dynamicASN, map);
    const times = timesOf(fields.holdTime, fields.keepaliveTime, map);
    const isInternal = peerASN === "internal" || peerASN === fields.myASN;
    if (fields.ebgpMultiHop === true && isInternal) {
      map.at("ebgpMultiHop")?.reportKey("CONFLICT", "error", "the peer is in your own AS; remove ebgpMultiHop");
    }
    if (fields.password !== undefined && fields.passwordSecret !== undefined) {
      map.at("password")?.reportKey("CONFLICT", "error", "both password and passwordSecret are set; keep one of them");
    }
    if (fields.peerAddress === undefined && map.at("peerAddress") === undefined) {
      map.place.error("REQUIRED", "`peerAddress` is missing; write the IP address of the router");
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
  },
);

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
  return dynamic ?? place.error("REQUIRED", "`peerASN` is missing; write the number of the router's autonomous system");
}

/** Hold and keepalive time as RFC 4271 §4.2 and §4.4 allow them, whole seconds. */
function timesOf(
  hold: number | undefined,
  keepalive: number | undefined,
  { at }: Fields,
): Pick<BGPPeer, "holdTimeMs" | "keepaliveTimeMs"> | undefined {
  const derivedHold = keepalive === undefined ? defaultHoldMs : 3 * keepalive;
  const holdTimeMs = Math.floor((hold ?? derivedHold) / 1_000) * 1_000;
  if (holdTimeMs !== 0 && (holdTimeMs < 3_000 || holdTimeMs > 65_535_000)) {
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

function address(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  const parsed = ip.parse(value);
  return parsed === null ? place.error("VALUE", `${excerpt(value)} is no IP address`) : ip.format(parsed);
}

function routerID(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  if (ipFamily(value) === 4 && value !== "0.0.0.0") return value;
  return place.error("VALUE", `${excerpt(value)} is no router ID; write it like an IPv4 address, for example 10.0.0.1`);
}

/** TCP MD5 keys have at most 80 bytes (Linux). The value is never part of a message. */
function secretText(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "") return undefined;
  return Buffer.byteLength(value) <= 80 ? value : place.error("VALUE", "a password has at most 80 bytes");
}

const decodeSpec = metallbDocument(spec);

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
