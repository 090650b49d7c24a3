// SPDX-License-Identifier: Apache-2.0
// What a data plane is built from and every limit it keeps, with the defaults and where they come from.

import type { Clock, Random } from "../core/index.ts";
import { automaticConnections, defaultTraffic, type ProxyIdentity, type TrafficOptions } from "../model/index.ts";
import type { AccessLog, Logger, RequestMetrics } from "../telemetry/port.ts";
import type { CoarseTime } from "./coarse-time.ts";
import type { MemoryDeps, Overload } from "./overload.ts";
import type { DataPlaneStats } from "./stats.ts";
import type { TracingDeps } from "./tracing.ts";
import type { Transport } from "./transport/transport.ts";
import type { UpstreamPoolParts } from "./upstream-pool.ts";
import type { SharedLimits } from "./usage.ts";

export interface DataPlaneDeps extends MemoryDeps {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RequestMetrics;
  /** null = off, and then nothing is spent on it. */
  readonly accessLog: AccessLog | null;
  /** null = off, and then trace headers pass through untouched. */
  readonly tracing: TracingDeps | null;
  /** All addresses of a host name; rejects when there are none. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  /** Limits of clusters and listeners that count for several threads; null = this thread has them to itself. */
  readonly sharedLimits: SharedLimits | null;
  /** Fills with bytes nobody can guess; for request ids and trace ids. */
  readonly fillRandom: (bytes: Uint8Array) => void;
}

/** What the stages of a data plane share. */
export interface DataPlaneParts extends UpstreamPoolParts {
  readonly coarse: CoarseTime;
  readonly stats: DataPlaneStats;
  readonly overload: Overload;
}

/** Limits and wire policies are explained in the table they come from, `model/limits.ts`. */
export interface DataPlaneOptions extends TrafficOptions {
  readonly identity: ProxyIdentity;
  /** Configured listener port → where it is really bound. Others bind as configured. */
  readonly portMap: ReadonlyMap<number, { readonly host: string; readonly port: number }>;
  /** Address of gateway listeners that name none; "" = all. */
  readonly defaultBind: string;
  /** Lets other threads, and other processes of this user that do the same, listen on the same addresses. */
  readonly reusePort: boolean;
  /** With `reusePort`: whether another process may listen already. Otherwise that is an error, as it is without. */
  readonly takeOver: boolean;
  /** Ports on which other threads of this process listen. */
  readonly siblingPorts: ReadonlySet<number>;
  /** By listener name: the port another thread was given where any free one was wanted. */
  readonly boundPorts: ReadonlyMap<string, number>;
  readonly backlog: number;
  /** Connections that file descriptors allow clients, of all listeners and threads, and upstreams as many. */
  readonly descriptorsPerSide: number;
  /** Idle upstream connections kept per endpoint. */
  readonly maxIdlePerEndpoint: number;
  /** Interval of DNS clusters (Istio dnsRefreshRate). */
  readonly dnsRefreshMs: number;
}

export const defaultDataPlaneOptions: Omit<DataPlaneOptions, "identity"> = {
  ...defaultTraffic,
  maxConnections: automaticConnections,
  portMap: new Map(),
  defaultBind: "",
  reusePort: false,
  takeOver: false,
  siblingPorts: new Set(),
  boundPorts: new Map(),
  backlog: 4096,
  descriptorsPerSide: Infinity,
  maxIdlePerEndpoint: 1_024,
  dnsRefreshMs: 60_000,
};
