// SPDX-License-Identifier: Apache-2.0
// Istio Gateway (istio.io/latest/docs/reference/config/networking/gateway). Servers that this version cannot serve are
// reported and left out; the others stay.

import { ipFamily } from "../../core/index.ts";
import type { Gateway, GatewayHost, GatewayServer } from "../../model/index.ts";
import { istioDocument, istioGroup, istioVersions, type Kind } from "./kind.ts";
import { isDnsLabel, labels, normalizeHost } from "./names.ts";
import { excerpt, type Place } from "./place.ts";
import { object, optional, required, unserved, type Decoder, type Fields } from "./schema.ts";
import { anywhere, list, port, text } from "./values.ts";

/** Istio's names of protocols; compared without regard to case. */
const protocols: ReadonlySet<string> = new Set([
  "HTTP",
  "HTTPS",
  "GRPC",
  "GRPC-WEB",
  "HTTP2",
  "MONGO",
  "TCP",
  "TLS",
  "MYSQL",
  "REDIS",
  "UDP",
]);

const serverPort = object(
  "istio",
  {
    number: required(port, "write the port to listen on"),
    protocol: required(protocol, "write the protocol, for example HTTP"),
    name: required(text, "give the port a name, for example http"),
    targetPort: unserved("the listener's own port is used, as in Istio"),
  },
  (fields) => fields,
);

/** null = reported as unserved and left out. */
const server: Decoder<GatewayServer | null> = object(
  "istio",
  {
    port: required(serverPort, "write number, name and protocol of the port"),
    bind: optional(bind),
    hosts: required(list(gatewayHost), 'name the hosts to serve, "*" for all'),
    tls: optional(anywhere),
    name: optional(text),
    defaultEndpoint: unserved("requests are routed by the VirtualServices only"),
  },
  (fields, map): GatewayServer | null => {
    const reason = unservedReason(fields.port.protocol, fields.bind ?? "", map);
    if (reason !== null) {
      map.place.warn("UNSERVED_FIELD", `${reason}: the server is left out`);
      return null;
    }
    return {
      position: map.place.position,
      port: fields.port.number,
      portName: fields.port.name,
      protocol: "HTTP",
      bind: fields.bind ?? "",
      hosts: fields.hosts,
    };
  },
);

/** Why a server is left out, or null. */
function unservedReason(protocolName: string, bindTo: string, map: Fields): string | null {
  if (protocolName !== "HTTP") return `protocol ${protocolName} is not served yet`;
  if (bindTo.startsWith("unix:")) return "listening on a Unix socket is not served yet";
  const tls = map.at("tls");
  return tls !== undefined && !isPlain(tls) ? "`tls` is not served yet (neither TLS nor httpsRedirect)" : null;
}

/** `tls: {}` and `httpsRedirect: false` change nothing. */
function isPlain({ value }: Place): boolean {
  if (value.kind !== "map") return false;
  return [...value.entries].every(
    ([key, entry]) => /^https_?[Rr]edirect$/.test(key) && entry.value.kind === "scalar" && entry.value.value === false,
  );
}

function protocol(place: Place): string | undefined {
  const value = text(place)?.toUpperCase();
  if (value === undefined || protocols.has(value)) return value;
  return place.error("VALUE", `${excerpt(value)} is no protocol that Istio knows; write for example HTTP`);
}

function bind(place: Place): string | undefined {
  const value = text(place);
  if (value === undefined || value === "" || ipFamily(value) !== 0 || value.startsWith("unix:")) return value;
  return place.error("VALUE", `${excerpt(value)} is no IP address; write one, or remove the field to listen on all`);
}

/** `host`, `namespace/host`, `./host` or `*` + `/host`. */
function gatewayHost(place: Place): GatewayHost | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const slash = value.indexOf("/");
  const written = slash < 0 ? "*" : value.slice(0, slash);
  const namespace = written === "." ? place.scope.namespace : written;
  const host = normalizeHost(value.slice(slash + 1), true);
  if (host !== null && (namespace === "*" || isDnsLabel(namespace))) return { namespace, host };
  return place.error(
    "VALUE",
    `${excerpt(value)} is not a valid host; write a DNS name, *.suffix or *, with namespace/ before it if you like`,
  );
}

const decodeSpec = istioDocument(
  object(
    "istio",
    {
      selector: optional(labels),
      servers: required(list(server), "write at least one server"),
    },
    (fields) => ({
      selector: fields.selector ?? {},
      servers: fields.servers.filter((item) => item !== null),
    }),
  ),
);

export const gateway: Kind = {
  kind: "Gateway",
  group: istioGroup,
  versions: istioVersions,
  namespaced: true,
  dottedName: true,
  decode(document, header): Gateway | undefined {
    const fields = decodeSpec(document);
    return fields === undefined ? undefined : { kind: "Gateway", ...header, ...fields };
  },
};
