// SPDX-License-Identifier: Apache-2.0
// TrafficPolicy of a DestinationRule: load balancer and connection pool, for the host and for single ports.

import type { ConnectionPool, LoadBalancer, PortTrafficPolicy, TrafficPolicy } from "../../model/index.ts";
import { durationMs } from "./duration.ts";
import type { Place } from "./place.ts";
import { isOneOf, object, optional, required, unserved, type Decoder } from "./schema.ts";
import { anywhere, distinct, int, maxInt32, oneOf, port } from "./values.ts";

const simple = oneOf(["UNSPECIFIED", "LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "LEAST_CONN", "PASSTHROUGH"]);

const loadBalancer: Decoder<LoadBalancer> = object(
  "istio",
  {
    simple: optional(simple),
    consistentHash: optional(anywhere),
    localityLbSetting: unserved("endpoints of all localities are used alike"),
    zoneAwareLbSetting: unserved("endpoints of all zones are used alike"),
    warmup: unserved("a new endpoint gets its full share at once"),
    warmupDurationSecs: unserved("a new endpoint gets its full share at once"),
  },
  (fields, { at }): LoadBalancer => {
    if (fields.consistentHash !== undefined) {
      if (at("simple") !== undefined) {
        fields.consistentHash.error("CONFLICT", "`simple` and `consistentHash` cannot both be set; keep one of them");
      }
      fields.consistentHash.reportKey(
        "UNSERVED_FIELD",
        "warning",
        "`consistentHash` is not served yet: LEAST_REQUEST is used, so a client has no endpoint of its own",
      );
      return "LEAST_REQUEST";
    }
    if (fields.simple === "ROUND_ROBIN" || fields.simple === "RANDOM") return fields.simple;
    if (fields.simple === "PASSTHROUGH") {
      at("simple")?.warn("UNSERVED_FIELD", "PASSTHROUGH is not served yet: LEAST_REQUEST is used");
    }
    return "LEAST_REQUEST";
  },
);

/** protobuf cannot tell 0 from absent; both mean Istio's default. */
const limit: Decoder<number | null> = (place) => {
  const value = int(0, maxInt32)(place);
  return value === 0 ? null : value;
};

const tcpSettings = object(
  "istio",
  {
    maxConnections: optional(limit),
    connectTimeout: optional(durationMs("positive")),
    tcpKeepalive: unserved("the system's keep-alive settings hold"),
    maxConnectionDuration: unserved("connections are kept as long as they are used"),
    idleTimeout: unserved("it acts on TCP routes only; for HTTP set connectionPool.http.idleTimeout"),
  },
  (fields) => fields,
);

const httpSettings = object(
  "istio",
  {
    http1MaxPendingRequests: optional(limit),
    http2MaxRequests: optional(limit),
    maxRequestsPerConnection: optional(int(0, maxInt32)),
    maxRetries: optional(limit),
    idleTimeout: optional(durationMs("zero-allowed")),
    h2UpgradePolicy: unserved("HTTP/1.1 is spoken to the service", isOneOf("DEFAULT", "DO_NOT_UPGRADE")),
    useClientProtocol: unserved("HTTP/1.1 is spoken to the service", isOneOf(false)),
    maxConcurrentStreams: unserved("it acts on HTTP/2 only, and HTTP/1.1 is spoken to the service"),
    http2KeepAlive: unserved("it acts on HTTP/2 only, and HTTP/1.1 is spoken to the service"),
  },
  (fields) => fields,
);

const connectionPool: Decoder<ConnectionPool> = object(
  "istio",
  { tcp: optional(tcpSettings), http: optional(httpSettings) },
  ({ tcp, http }) => ({
    connectTimeoutMs: tcp?.connectTimeout ?? null,
    maxConnections: tcp?.maxConnections ?? null,
    maxPendingRequests: http?.http1MaxPendingRequests ?? null,
    maxRequests: http?.http2MaxRequests ?? null,
    maxRequestsPerConnection: http?.maxRequestsPerConnection ?? null,
    maxRetries: http?.maxRetries ?? null,
    idleTimeoutMs: http?.idleTimeout ?? null,
  }),
);

/** What a policy has both for the whole host and for one port. */
const commonFields = {
  loadBalancer: optional(loadBalancer),
  connectionPool: optional(connectionPool),
  outlierDetection: unserved("endpoints that fail are not taken out"),
  tls: unserved("traffic to the service is sent in plain text, not encrypted", isDisabledTls),
} as const;

/** `mode: DISABLE`, also by default, is plain text anyway. */
function isDisabledTls({ value }: Place): boolean {
  if (value.kind !== "map") return false;
  const mode = value.entries.get("mode")?.value;
  return mode === undefined
    ? value.entries.size === 0
    : mode.kind === "scalar" && (mode.value === "DISABLE" || mode.value === null);
}

const portSelector: Decoder<number> = object(
  "istio",
  { number: required(port, "write the port number") },
  (fields) => fields.number,
);

const portPolicy: Decoder<PortTrafficPolicy> = object(
  "istio",
  { port: required(portSelector, "say which port the settings are for"), ...commonFields },
  (fields) => ({
    port: fields.port,
    loadBalancer: fields.loadBalancer ?? null,
    connectionPool: fields.connectionPool ?? null,
  }),
);

export const trafficPolicy: Decoder<TrafficPolicy> = object(
  "istio",
  {
    ...commonFields,
    portLevelSettings: optional(distinct(portPolicy, (policy) => [`port ${policy.port}`])),
    tunnel: unserved("connections are made directly, without a tunnel"),
    proxyProtocol: unserved("no PROXY protocol header is sent"),
    retryBudget: unserved("retries are limited by connectionPool.http.maxRetries only"),
  },
  (fields) => ({
    loadBalancer: fields.loadBalancer ?? null,
    connectionPool: fields.connectionPool ?? null,
    portLevel: fields.portLevelSettings ?? [],
  }),
);
