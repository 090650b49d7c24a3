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
}

/** Envoy's server states. Traffic may come exactly when LIVE. */
export interface Readiness {
  readonly state: "INITIALIZING" | "LIVE" | "DRAINING";
  /** Why not ready, for people; "" when LIVE. */
  readonly reason: string;
}

/** Everything the pages show and do. Callbacks must be cheap and must not throw. */
export interface AdminDeps {
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  readonly version: string;
  readonly config: () => ConfigView;
  readonly listeners: () => readonly ListenerStatus[];
  readonly clusters: () => readonly ClusterStatus[];
  /** The route tables as `naru routes` shows them. */
  readonly routes: View;
  readonly readiness: () => Readiness;
  /** Data-plane threads. */
  readonly concurrency: number;
  /** Brings the numbers of other threads up to date before a page shows them; null = they always are. */
  readonly refresh: (() => Promise<void>) | null;
  /** `/quitquitquit`: drain and end the process. Called after the reply is sent. */
  readonly quit: () => void;
  /** `/drain_listeners`: stop accepting, finish what runs. */
  readonly drainListeners: () => void;
}

/** Pages of the admin port, without its index. */
export function adminEndpoints(deps: AdminDeps, startedMs: number): readonly Endpoint[] {
  const { clock, version, config, readiness } = deps;
  return [
    viewEndpoint("/clusters", "Upstream clusters, their endpoints and counters", clustersView(deps.clusters)),
    read("/config_dump", "Routing, endpoints, problems and transport in force, as JSON", () => jsonReply(config())),
    act("/drain_listeners", "Stop accepting connections and finish what runs", deps.drainListeners),
    viewEndpoint("/listeners", "Where this process listens", listenersView(deps.listeners)),
    loggingEndpoint(deps.logger),
    read("/memory", "Memory of the process, in bytes, as JSON", () => jsonReply(readProcessMemory())),
    viewEndpoint("/problems", "What is wrong with the configuration", problemsView(config)),
    act("/quitquitquit", "Drain and end the process", deps.quit),
    read("/ready", "200 when traffic may come, else 503 and why", () => readyReply(readiness())),
    viewEndpoint("/routes", "Routes in the order they are tried, and where each was written", deps.routes),
    read("/server_info", "Version, state and uptime, as JSON", () => {
      const uptime = `${Math.floor((clock.nowMs() - startedMs) / 1000)}s`;
      const { state, reason } = readiness();
      return jsonReply({
        version,
        state,
        reason,
        uptime_current_epoch: uptime,
        uptime_all_epochs: uptime,
        concurrency: deps.concurrency,
        pid: process.pid,
        node: process.version,
      });
    }),
    statsEndpoint(deps),
  ];
}

/** The only page of the status port, for readiness probes. */
export function statusEndpoints(deps: AdminDeps): readonly Endpoint[] {
  return [read("/healthz/ready", "200 when traffic may come, else 503 and why", () => readyReply(deps.readiness()))];
}

/** The only page of the stats port, for Prometheus. */
export function statsEndpoints(deps: AdminDeps): readonly Endpoint[] {
  return [statsEndpoint(deps)];
}

function statsEndpoint({ registry }: AdminDeps): Endpoint {
  return read("/stats/prometheus", "Metrics for Prometheus", () => ({
    status: 200,
    contentType: registry.contentType,
    body: registry.expose(),
  }));
}

function readyReply({ state, reason }: Readiness): AdminReply {
  return state === "LIVE" ? textReply(200, "LIVE\n") : textReply(503, `${state}: ${reason}\n`);
}

function problemsView(config: () => ConfigView): View {
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
