// SPDX-License-Identifier: Apache-2.0
// What the data plane bounds and what it makes of ambiguous names and paths: one table, from which the command line, its
// help, the documents and the defaults are made. Data only.

/** The limits as the data plane has them. Infinity = no limit. */
export interface LimitOptions {
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  readonly requestHeaderTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly downstreamIdleTimeoutMs: number;
  /** Per listener, all threads together. 0 = `automaticConnections`, or what file descriptors allow. */
  readonly maxConnections: number;
  /** Per listener, all threads together. */
  readonly maxConnectionsPerSource: number;
  readonly maxRequestsPerConnection: number;
  /** Per client's connection; one read may go beyond it. */
  readonly maxBufferedBytes: number;
  readonly retryBufferBytes: number;
  readonly lingerMs: number;
  readonly lingerBytes: number;
  /** 0 = as much as the container, else the machine, has. */
  readonly memoryBytes: number;
}

export interface LimitSpec {
  readonly option: keyof LimitOptions;
  readonly unit: "bytes" | "count" | "seconds";
  /** In its unit. */
  readonly default: number;
  /** Smallest value beside the 0 that `zero` explains. */
  readonly min: number;
  readonly max: number;
  /** What 0 means, or "" when 0 is a value like any other. */
  readonly zero: "no limit" | "automatic" | "";
  /** What is bounded. */
  readonly meaning: string;
  /** What happens to whoever reaches it. */
  readonly hit: string;
  readonly source: string;
}

const maxCount = 2 ** 31 - 1;
const maxBytes = 2 ** 40;
/** Ten days: longer waits than that are meant to be none. */
const maxSeconds = 864_000;

/** Clients' connections per listener, where descriptors are plenty (Envoy's advice for an edge proxy). */
export const automaticConnections = 50_000;

/** By the name that `--limit` and the label of `naru_limit_hits_total` have. In the order of the help text. */
export const limitTable = {
  "header-bytes": {
    option: "maxHeadBytes",
    unit: "bytes",
    default: 61_440,
    min: 1_024,
    max: 65_535,
    zero: "",
    meaning: "Request line and header lines, line ends included; also of answers",
    hit: "431, connection closed; an answer beyond it is 502",
    source: "Envoy: 60 KiB",
  },
  "header-count": {
    option: "maxHeaders",
    unit: "count",
    default: 100,
    min: 8,
    max: 1_000,
    zero: "",
    meaning: "Header lines; also of answers",
    hit: "431, connection closed; an answer beyond it is 502",
    source: "Envoy: 100",
  },
  "target-bytes": {
    option: "maxTargetBytes",
    unit: "bytes",
    default: 16_384,
    min: 256,
    max: 65_535,
    zero: "",
    meaning: "Path and query",
    hit: "414, connection closed",
    source: "naru: twice what common servers take",
  },
  "header-timeout": {
    option: "requestHeaderTimeoutMs",
    unit: "seconds",
    default: 60,
    min: 1,
    max: maxSeconds,
    zero: "no limit",
    meaning: "From the first byte of a request to the end of its headers",
    hit: "408, connection closed",
    source: "Istio, EDGE profile: 60 s",
  },
  "request-timeout": {
    option: "requestTimeoutMs",
    unit: "seconds",
    default: 300,
    min: 1,
    max: maxSeconds,
    zero: "no limit",
    meaning: "From the first byte of a request to its last, while no answer has begun",
    hit: "408, connection closed",
    source: "Istio, EDGE profile: 5 min",
  },
  "stream-idle-timeout": {
    option: "streamIdleTimeoutMs",
    unit: "seconds",
    default: 300,
    min: 1,
    max: maxSeconds,
    zero: "no limit",
    meaning: "Nothing moves between client and naru during a request",
    hit: "408 with flag SI, 504 when the request was complete, or the connection is reset once an answer has begun",
    source: "Envoy: 5 min",
  },
  "idle-timeout": {
    option: "downstreamIdleTimeoutMs",
    unit: "seconds",
    default: 3_600,
    min: 1,
    max: maxSeconds,
    zero: "no limit",
    meaning: "A client's connection between two requests",
    hit: "connection closed",
    source: "Envoy: 1 h",
  },
  connections: {
    option: "maxConnections",
    unit: "count",
    default: 0,
    min: 1,
    max: maxCount,
    zero: "automatic",
    meaning:
      "Clients' connections per listener. Of all listeners no more than half of the file descriptors; automatic: 50,000",
    hit: "connection reset at once",
    source: "Envoy's advice for an edge; nginx, which counts both sides",
  },
  "connections-per-source": {
    option: "maxConnectionsPerSource",
    unit: "count",
    default: 0,
    min: 1,
    max: maxCount,
    zero: "no limit",
    meaning: "The same from one address; behind a load balancer all come from one",
    hit: "connection reset at once",
    source: "naru: off, as in Envoy and nginx",
  },
  "requests-per-connection": {
    option: "maxRequestsPerConnection",
    unit: "count",
    default: 0,
    min: 1,
    max: maxCount,
    zero: "no limit",
    meaning: "Requests on one client's connection",
    hit: "the last one is answered with connection: close",
    source: "Envoy: no limit",
  },
  "buffered-bytes": {
    option: "maxBufferedBytes",
    unit: "bytes",
    default: 65_536,
    min: 0,
    max: 67_108_864,
    zero: "",
    meaning:
      "What a client sent ahead of its upstream, or behind the request in progress; one read of 128 KiB may go beyond",
    hit: "the client is not read from until what is held can be used",
    source: "naru: one read; Envoy, per connection buffer: 1 MiB",
  },
  "retry-buffer": {
    option: "retryBufferBytes",
    unit: "bytes",
    default: 65_536,
    min: 0,
    max: 67_108_864,
    zero: "",
    meaning: "Request body kept so that the request can be sent again",
    hit: "a longer request is not retried once its body was sent",
    source: "Envoy: 1 MiB per connection; an EDGE profile has 32 KiB",
  },
  "linger-timeout": {
    option: "lingerMs",
    unit: "seconds",
    default: 1,
    min: 0,
    max: 600,
    zero: "",
    meaning: "After an answer that leaves a request unread: how long what still arrives is read and dropped",
    hit: "connection closed",
    source: "Envoy, delayed close: 1 s",
  },
  "linger-bytes": {
    option: "lingerBytes",
    unit: "bytes",
    default: 1_048_576,
    min: 0,
    max: maxBytes,
    zero: "",
    meaning: "The same in bytes",
    hit: "connection reset",
    source: "Envoy, per connection buffer: 1 MiB",
  },
  memory: {
    option: "memoryBytes",
    unit: "bytes",
    default: 0,
    min: 67_108_864,
    max: maxBytes,
    zero: "automatic",
    meaning:
      "Private memory of the process; automatic: of the container, else of the machine. Node's heap limit always counts, too",
    hit: "from 95 % until below 90 % new requests are answered 503 overload, connection closed",
    source: "Envoy, overload manager",
  },
} as const satisfies Readonly<Record<string, LimitSpec>>;

export type LimitName = keyof typeof limitTable;

export const limitNames = Object.keys(limitTable) as readonly LimitName[];

/** The limits with the values given, in their units, and the defaults for all others. */
export function limitOptions(given: ReadonlyMap<LimitName, number> = new Map()): LimitOptions {
  const entries = limitNames.map((name) => {
    const spec: LimitSpec = limitTable[name];
    const value = given.get(name) ?? spec.default;
    if (value === 0 && spec.zero === "no limit") return [spec.option, Infinity];
    return [spec.option, spec.unit === "seconds" ? value * 1_000 : value];
  });
  return Object.fromEntries(entries) as LimitOptions;
}

/** What becomes of header names with `_`, which some applications cannot tell from `-`. In the order of the help text. */
export const underscoreActions = ["allow", "drop", "reject"] as const;
export type UnderscoreAction = (typeof underscoreActions)[number];

/** How far a path is normalised before it is matched and forwarded; names as in Istio's meshConfig. */
export const pathNormalizations = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const;
export type PathNormalization = (typeof pathNormalizations)[number];

/** What becomes of `%2F` and `%5C` in a path, which many applications take for slashes (Envoy's action for them). */
export const escapedSlashActions = ["keep", "reject", "decode"] as const;
export type EscapedSlashAction = (typeof escapedSlashActions)[number];

/** Everything an operator says about traffic as such. */
export interface TrafficOptions extends LimitOptions {
  readonly underscores: UnderscoreAction;
  readonly pathNormalization: PathNormalization;
  /** `DECODE_AND_MERGE_SLASHES` decodes what is kept here. */
  readonly escapedSlashes: EscapedSlashAction;
}

/** Istio's defaults. */
export const defaultTraffic: TrafficOptions = {
  ...limitOptions(),
  underscores: "allow",
  pathNormalization: "BASE",
  escapedSlashes: "keep",
};
