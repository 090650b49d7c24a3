// SPDX-License-Identifier: Apache-2.0
// What a data plane is built from and every limit it keeps, with the defaults and where they come from.

import type { Clock, Random } from "../core/index.ts";
import type { ProxyIdentity } from "../model/index.ts";
import type { AccessLog, Logger, RequestMetrics } from "../telemetry/port.ts";
import type { Transport } from "./transport/transport.ts";
import type { SharedLimits } from "./usage.ts";

export interface DataPlaneDeps {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  /** null = off, and then nothing is spent on it. */
  readonly accessLog: AccessLog | null;
  /** All addresses of a host name; rejects when there are none. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  /** Limits of clusters that count for several threads; null = this thread has them to itself. */
  readonly sharedLimits: SharedLimits | null;
  /** Fills with bytes nobody can guess; for request ids. */
  readonly fillRandom: (bytes: Uint8Array) => void;
}

export interface DataPlaneOptions {
  readonly identity: ProxyIdentity;
  /** Configured listener port → where it is really bound. Others bind as configured. */
  readonly portMap: ReadonlyMap<number, { readonly host: string; readonly port: number }>;
  /** Address of gateway listeners that name none; "" = all. */
  readonly defaultBind: string;
  /** Lets other threads, and other processes of this user, listen on the same addresses. */
  readonly reusePort: boolean;
  /** By listener name: the port another thread was given where any free one was wanted. */
  readonly boundPorts: ReadonlyMap<string, number>;
  readonly backlog: number;
  /** Request and response heads (Envoy: 60 KiB, 100 fields). */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  /** From the first byte of a request to the end of its head (Istio EDGE profile: 60 s). */
  readonly requestHeaderTimeoutMs: number;
  /** Nothing moves in either direction of an exchange (Envoy: 5 min). */
  readonly streamIdleTimeoutMs: number;
  /** Between exchanges (Envoy: 1 h). */
  readonly downstreamIdleTimeoutMs: number;
  /** Body bytes kept so that an idempotent request can be sent again. */
  readonly retryBufferBytes: number;
  /** After a reply that leaves a request unread: how long and how much is still read, so that the reply arrives. */
  readonly lingerMs: number;
  readonly lingerBytes: number;
  /** Idle upstream connections kept per endpoint. */
  readonly maxIdlePerEndpoint: number;
  /** Interval of DNS clusters (Istio dnsRefreshRate). */
  readonly dnsRefreshMs: number;
}

export const defaultDataPlaneOptions: Omit<DataPlaneOptions, "identity"> = {
  portMap: new Map(),
  defaultBind: "",
  reusePort: false,
  boundPorts: new Map(),
  backlog: 4096,
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  maxTargetBytes: 16 * 1024,
  requestHeaderTimeoutMs: 60_000,
  streamIdleTimeoutMs: 300_000,
  downstreamIdleTimeoutMs: 3_600_000,
  retryBufferBytes: 64 * 1024,
  lingerMs: 1_000,
  lingerBytes: 1024 * 1024,
  maxIdlePerEndpoint: 1_024,
  dnsRefreshMs: 60_000,
};
