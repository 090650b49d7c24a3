// SPDX-License-Identifier: Apache-2.0
// What `naru demo` is told, and the ports it settles for.

import { createServer } from "node:net";

import { CliError, exitCodes, usageError, type OptionValues } from "../../cli/index.ts";
import { messageOf } from "../../core/index.ts";
import { defaultTraffic, unknownWorkload, type ProxyIdentity } from "../../model/index.ts";
import type { LogLevel } from "../../telemetry/port.ts";
import type { ServeOptions } from "../serve-options.ts";
import { transportOptionsFrom, type TransportOptions } from "../transport-choice.ts";

/** A demo is for this machine: none of its ports is open to the network. */
const bindHost = "127.0.0.1";
/** Port of the Gateway in the example's manifests. */
const gatewayPort = 8080;
const drainMs = 5000;

export interface DemoPorts {
  readonly gateway: number;
  readonly mesh: number;
  readonly admin: number;
  readonly status: number;
  readonly stats: number;
}

export interface DemoOptions {
  /** A file in place of the example's routing.yaml; null = that one. */
  readonly routing: string | null;
  /** Page views of our own; 0 = none. */
  readonly requestsPerSecond: number;
  /** null = until somebody ends it. */
  readonly exitAfterMs: number | null;
  readonly quiet: boolean;
  readonly logLevel: LogLevel;
  readonly transport: TransportOptions;
}

const maxRequestsPerSecond = 1000;

/** Throws CliError for a rate that is none. */
export function demoOptionsFrom(values: OptionValues): DemoOptions {
  const rate = values.text("traffic");
  const requestsPerSecond = Number(rate);
  if (!/^\d{1,4}(?:\.\d{1,3})?$/.test(rate) || requestsPerSecond > maxRequestsPerSecond) {
    throw usageError(`--traffic ${rate}: must be 0 to ${maxRequestsPerSecond} page views per second`, "demo");
  }
  const exitAfter = values.optionalText("exit-after");
  return {
    routing: values.optionalText("routing"),
    requestsPerSecond,
    exitAfterMs: exitAfter === null ? null : Number(exitAfter) * 1000,
    quiet: values.flag("quiet"),
    logLevel: values.text("log-level") as LogLevel,
    transport: transportOptionsFrom(values, process.env),
  };
}

interface PortOption {
  readonly name: string;
  readonly what: string;
  /** Whether another one does when the default is taken; the gateway's is the one people type into a browser. */
  readonly replaceable: boolean;
}

const portOptions: Readonly<Record<keyof DemoPorts, PortOption>> = {
  gateway: { name: "port", what: "the gateway", replaceable: false },
  mesh: { name: "mesh-port", what: "the mesh", replaceable: true },
  admin: { name: "admin-port", what: "the admin pages", replaceable: true },
  status: { name: "status-port", what: "the readiness probe", replaceable: true },
  stats: { name: "stats-port", what: "the metrics", replaceable: true },
};

/**
 * Ports to bind; 0 where any free one is wanted, or where a default is taken, which `tellTaken` hears about. Throws
 * CliError when a port that was asked for, or the gateway's, cannot be had.
 */
export async function choosePorts(values: OptionValues, tellTaken: (text: string) => void): Promise<DemoPorts> {
  const choose = async (key: keyof DemoPorts): Promise<number> => {
    const { name, what, replaceable } = portOptions[key];
    const port = values.number(name);
    const fault = await whyNotBound(port);
    if (fault === null) return port;
    if (!replaceable || values.given(name)) throw portError(port, name, what, fault);
    tellTaken(`port ${port} is taken, so ${what} will be on another one`);
    return 0;
  };
  return {
    gateway: await choose("gateway"),
    mesh: await choose("mesh"),
    admin: await choose("admin"),
    status: await choose("status"),
    stats: await choose("stats"),
  };
}

/** The example's configuration on these ports. */
export function demoServeOptions(
  paths: readonly string[],
  ports: DemoPorts,
  { logLevel, transport }: DemoOptions,
): ServeOptions {
  return {
    paths,
    concurrency: 1,
    identity,
    mesh: { bind: bindHost, port: ports.mesh },
    portMap: new Map([[gatewayPort, { host: bindHost, port: ports.gateway }]]),
    defaultBind: bindHost,
    addresses: null,
    admin: { host: bindHost, port: ports.admin },
    status: { host: bindHost, port: ports.status },
    stats: { host: bindHost, port: ports.stats },
    accessLog: null,
    tracing: null,
    logLevel,
    logFormat: "text",
    takeOver: false,
    drainDelayMs: 0,
    drainMs,
    traffic: defaultTraffic,
    transport,
  };
}

/** Istio's ingress gateway, whom the example's Gateway selects. */
const identity: ProxyIdentity = {
  workload: {
    ...unknownWorkload,
    workload: "istio-ingressgateway",
    namespace: "default",
    app: "istio-ingressgateway",
    cluster: "Kubernetes",
    canonicalService: "istio-ingressgateway",
  },
  labels: { istio: "ingressgateway" },
  namespace: "default",
  clusterDomain: "cluster.local",
};

/** The system's error for a port that cannot be bound, or null. */
function whyNotBound(port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", resolve);
    probe.listen(port, bindHost, () => probe.close(() => resolve(null)));
  });
}

function portError(port: number, option: string, what: string, fault: NodeJS.ErrnoException): CliError {
  const hint =
    option === "port"
      ? `Choose another one, e.g. naru demo --port ${port === 9090 ? 9091 : 9090}; --port 0 takes any that is free.`
      : `Choose another --${option}, or leave it out.`;
  const reason = fault.code === "EADDRINUSE" ? "another process has it" : messageOf(fault);
  return new CliError(exitCodes.failure, `port ${port} for ${what} cannot be used: ${reason}`, hint, { cause: fault });
}
