// SPDX-License-Identifier: Apache-2.0
// Which pages there are on each of the three ports. What they show comes from callbacks, read at each request.

import type { Clock } from "../../core/index.ts";
import { formatProblem, type EndpointSnapshot, type Problem, type RoutingSnapshot } from "../../model/index.ts";
import type { RootLogger } from "../log/logger.ts";
import { readProcessMemory } from "../metrics/process-metrics.ts";
import type { MetricsRegistry } from "../metrics/registry.ts";
import type { ClusterStatus, ListenerStatus } from "../port.ts";
import { jsonReply, textReply, viewEndpoint, type AdminReply, type Endpoint, type View } from "./endpoint.ts";
import { loggingEndpoint } from "./logging.ts";
import { clustersView, listenersView } from "./status-views.ts";

/** What is in force. null before the first configuration. */
export interface ConfigView {
  readonly routing: RoutingSnapshot | null;
  readonly endpoints: EndpointSnapshot | null;
  readonly problems: readonly Problem[];
  /** What moves the bytes, and why. */
  readonly transport: { readonly name: string; readonly reason: string };
  /** Of a gateway that takes its addresses from pools: what is in force of those. */
  readonly announcing?: object;
}

/** Envoy's server states. Traffic may come exactly when LIVE. */
export interface Readiness {
  readonly state: "INITIALIZING" | "LIVE" | "DRAINING";
  /** Why not ready, for people; "" when LIVE. */
  readonly reason: string;
}

/** What every process shows and does. Callbacks must be cheap and must not throw. */
interface ProcessDeps {
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly version: string;
  readonly readiness: () => Readiness;
  /** Brings the numbers of other threads up to date before a page shows them; null = they always are. */
  readonly refresh: (() => Promise<void>) | null;
  /** `/quitquitquit`: drain and end the process. Called after the reply is sent. */
  readonly quit: () => void;
}

/** Of a process with a data plane. */
export interface GatewayDeps extends ProcessDeps {
  readonly config: () => ConfigView;
  readonly listeners: () => readonly ListenerStatus[];
  readonly clusters: () => readonly ClusterStatus[];
  /** The route tables as `naru routes` shows them. */
  readonly routes: View;
  /** Who announces what; null = its addresses are not its matter. */
  readonly vips: View | null;
  /** Data-plane threads. */
  readonly concurrency: number;
  /** `/drain_listeners`: stop accepting, finish what runs. */
  readonly drainListeners: () => void;
}

/** Of a process that announces addresses. */
export interface AnnouncerDeps extends ProcessDeps {
  /** Who announces what, as `naru vips --admin` shows it. */
  readonly vips: View;
  /** What is in force, and what is wrong with what is not. */
  readonly announcing: () => { readonly problems: readonly Problem[] };
}

export type AdminDeps = GatewayDeps | AnnouncerDeps;

/** Pages of the admin port, without its index. */
export function adminEndpoints(deps: AdminDeps, startedMs: number): readonly Endpoint[] {
  const { logger, readiness } = deps;
  return [
    ...("config" in deps ? gatewayEndpoints(deps) : announcerEndpoints(deps)),
    loggingEndpoint(logger),
    read("/memory", "Memory of the process, in bytes, as JSON", () => jsonReply(readProcessMemory())),
    act("/quitquitquit", "Drain and end the process", deps.quit),
    read("/ready", "200 when traffic may come, else 503 and why", () => readyReply(readiness())),
    read("/server_info", "Version, state and uptime, as JSON", () => jsonReply(serverInfo(deps, startedMs))),
    statsEndpoint(deps),
  ].toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

function gatewayEndpoints(deps: GatewayDeps): readonly Endpoint[] {
  const { config } = deps;
  return [
    viewEndpoint("/clusters", "Upstream clusters, their endpoints and counters", clustersView(deps.clusters)),
    read("/config_dump", "Routing, endpoints, problems and transport in force, as JSON", () => jsonReply(config())),
    act("/drain_listeners", "Stop accepting connections and finish what runs", deps.drainListeners),
    viewEndpoint("/listeners", "Where this process listens", listenersView(deps.listeners)),
    viewEndpoint("/problems", "What is wrong with the configuration", problemsView(config)),
    viewEndpoint("/routes", "Routes in the order they are tried, and where each was written", deps.routes),
    ...(deps.vips === null ? [] : [vipsEndpoint(deps.vips)]),
  ];
}

function announcerEndpoints({ vips, announcing }: AnnouncerDeps): readonly Endpoint[] {
  return [
    read("/config_dump", "Pools, services, advertisements and peers in force, as JSON", () => jsonReply(announcing())),
    viewEndpoint("/problems", "What is wrong with the configuration", problemsView(announcing)),
    vipsEndpoint(vips),
  ];
}

function vipsEndpoint(vips: View): Endpoint {
  return viewEndpoint("/vips", "Which Service has which address, and who announces it to whom", vips);
}

function serverInfo(deps: AdminDeps, startedMs: number): unknown {
  const uptime = `${Math.floor((deps.clock.nowMs() - startedMs) / 1000)}s`;
  const { state, reason } = deps.readiness();
  return {
    version: deps.version,
    state,
    reason,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    ...("concurrency" in deps ? { concurrency: deps.concurrency } : {}),
    pid: process.pid,
    node: process.version,
  };
}

/** The only page of the status port, for readiness probes. */
export function statusEndpoints(deps: AdminDeps): readonly Endpoint[] {
  return [read("/healthz/ready", "200 when traffic may come, else 503 and why", () => readyReply(deps.readiness()))];
}

/** The only page of the stats port, for Prometheus. */
export function statsEndpoints(deps: AdminDeps): readonly Endpoint[] {
  return [statsEndpoint(deps)];
}

/** Where Prometheus looks by the scrape configurations that there are: Istio's, and MetalLB's. */
function statsEndpoint(deps: AdminDeps): Endpoint {
  const { registry } = deps;
  return read("config" in deps ? "/stats/prometheus" : "/metrics", "Metrics for Prometheus", () => ({
    status: 200,
    contentType: registry.contentType,
    body: registry.expose(),
  }));
}

function readyReply({ state, reason }: Readiness): AdminReply {
  return state === "LIVE" ? textReply(200, "LIVE\n") : textReply(503, `${state}: ${reason}\n`);
}

function problemsView(config: () => { readonly problems: readonly Problem[] }): View {
  return {
    text: () => {
      const { problems } = config();
      if (problems.length === 0) return "no problems\n";
      return problems.map((problem) => `${problem.severity}: ${formatProblem(problem)}\n`).join("");
    },
    data: () => ({ problems: config().problems }),
  };
}

function read(path: string, summary: string, handle: () => AdminReply): Endpoint {
  return { path, methods: ["GET"], summary, handle };
}

function act(path: string, summary: string, action: () => void): Endpoint {
  return { path, methods: ["POST"], summary, handle: () => ({ ...textReply(200, "OK\n"), afterwards: action }) };
}
