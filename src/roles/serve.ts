// SPDX-License-Identifier: Apache-2.0
// The composition root of everything that serves: configuration flows into the data plane, the admin pages look at both.
// Owns what it starts and stops it in the reverse order. Signals are main.ts's.

import { CliError, exitCodes } from "../cli/index.ts";
import { createConfigLoop, createFileSource, type ConfigLoop, type FileSource } from "../config/index.ts";
import { messageOf, type Cancel } from "../core/index.ts";
import type { EndpointSnapshot, Problem, Resource, RoutingSnapshot } from "../model/index.ts";
import type { DataPlane, DrainResult } from "../proxy/index.ts";
import {
  createAdminServer,
  type AdminOptions,
  type AdminServer,
  type ConfigView,
  type Readiness,
  type RequestTotals,
  type RootLogger,
} from "../telemetry/index.ts";
import type { ListenerStatus, Logger } from "../telemetry/port.ts";
import { renderLiveVips, type LiveVips } from "./announce/live-vips.ts";
import type { GatewayAddresses } from "./gateway-addresses/gateway-addresses.ts";
import { MemoryRelease } from "./memory-release.ts";
import { ProblemLog, refuseUnreadablePaths } from "./problem-log.ts";
import { listRoutes, renderRoutes, routeData } from "./route-list.ts";
import type { ServeOptions } from "./serve-options.ts";
import { createParts, type Parts, type ServeDeps } from "./serve-parts.ts";
import { kernelMigratesConnections } from "./system-deps.ts";
import { versionInfo } from "./version.ts";

/** A process that serves. */
export interface Serving {
  readonly logger: RootLogger;
  readonly dataPlane: DataPlane;
  /** Where the admin pages, the readiness probe and the metrics really are. */
  readonly admin: AdminOptions;
  /** LIVE from the first configuration, with every listener bound, until draining begins. */
  readiness(): Readiness;
  /** As configured; listeners of a gateway with addresses of its own are elsewhere. */
  routing(): RoutingSnapshot;
  /** What is in force now. */
  placed(): RoutingSnapshot;
  /** Which addresses there are, and who announces them; null = that is not its matter. */
  vips(): LiveVips | null;
  endpoints(): EndpointSnapshot;
  problems(): readonly Problem[];
  /** Requests so far, by labels. */
  requestTotals(): readonly RequestTotals[];
  /** Opens log files again, after they were rotated. */
  reopenLogs(): void;
  /**
   * Says that it is not ready any more and serves as before for `delayMs`; then stops accepting, finishes what is in
   * flight for at most `deadlineMs` and stops everything. Call it once.
   */
  stopGracefully(delayMs: number, deadlineMs: number): Promise<DrainResult>;
  /** Stops everything at once. Harmless when it is stopped already. */
  stop(): Promise<void>;
}

const retryBindMs = 10_000;
const nothing: RoutingSnapshot = { version: "", listeners: [], routeTables: new Map(), clusters: new Map() };

/**
 * Starts all of it. Resolves when the first configuration is applied and every listener is bound; rejects with a
 * CliError that says what to do when that is not possible, and leaves nothing running then.
 */
export async function startServing(options: ServeOptions, deps: ServeDeps): Promise<Serving> {
  const serving = new Server(options, await createParts(options, deps), deps.onQuit);
  try {
    await serving.start();
  } catch (error) {
    await serving.stop();
    throw error;
  }
  return serving;
}

class Server implements Serving {
  readonly #options: ServeOptions;
  readonly #parts: Parts;
  readonly #configLogger: Logger;
  readonly #onQuit: () => void;
  readonly #memoryRelease: MemoryRelease;
  #addresses: GatewayAddresses | null = null;
  admin: AdminOptions;
  #adminServer: AdminServer | null = null;
  #loop: ConfigLoop | null = null;
  #source: FileSource | null = null;
  #routing: RoutingSnapshot = nothing;
  #placed: RoutingSnapshot = nothing;
  #endpoints: EndpointSnapshot = { version: "", endpoints: new Map() };
  readonly #problemLog: ProblemLog;
  /** Of the files and what was made of them. */
  #configProblems: readonly Problem[] = [];
  #applied: Promise<void> = Promise.resolve();
  #readiness: Readiness = { state: "INITIALIZING", reason: "the first configuration is not applied yet" };
  #drained: Promise<DrainResult> | null = null;
  #cancelRetry: Cancel | null = null;
  #cancelLoopWatch: Cancel | null = null;
  #stopped: Promise<void> | null = null;

  constructor(options: ServeOptions, parts: Parts, onQuit: () => void) {
    this.#options = options;
    this.#parts = parts;
    this.#configLogger = parts.logger.child("config");
    this.#problemLog = new ProblemLog(this.#configLogger);
    this.#onQuit = onQuit;
    this.#memoryRelease = new MemoryRelease({ ...parts, isBusy: () => parts.dataPlane.isBusy() });
    this.admin = options;
  }

  get logger(): RootLogger {
    return this.#parts.logger;
  }

  get dataPlane(): DataPlane {
    return this.#parts.dataPlane;
  }

  async start(): Promise<void> {
    this.#addresses = await this.#createAddresses();
    // First, so that whoever probes hears that we are not ready yet instead of nothing.
    await this.#startAdmin();
    await this.#startConfig();
    refuseUnreadablePaths(this.problems(), this.#options.paths);
    await this.#addresses?.start();
    for (const listener of this.dataPlane.listeners()) if (listener.error !== null) throw bindError(listener);
    if (this.#routing.listeners.length === 0) this.#warnOfNothing();
    this.#cancelLoopWatch = this.#parts.loopWatch?.start() ?? null;
    this.#cancelRetry = this.#parts.clock.every(retryBindMs, () => this.#retryListeners());
    if (this.#options.takeOver && !kernelMigratesConnections()) this.#warnOfResets();
    this.#memoryRelease.now();
    // Again after the first scrapes and probes, if they are all that happens.
    this.#memoryRelease.soon();
    this.#readiness = { state: "LIVE", reason: "" };
    this.logger.info("serving", { concurrency: this.#options.concurrency });
  }

  readiness(): Readiness {
    return this.#readiness;
  }

  routing(): RoutingSnapshot {
    return this.#routing;
  }

  placed(): RoutingSnapshot {
    return this.#placed;
  }

  vips(): LiveVips | null {
    return this.#addresses?.vips() ?? null;
  }

  endpoints(): EndpointSnapshot {
    return this.#endpoints;
  }

  problems(): readonly Problem[] {
    return this.#problemLog.problems;
  }

  requestTotals(): readonly RequestTotals[] {
    return this.#parts.metrics.totals();
  }

  reopenLogs(): void {
    this.#addresses?.reloadKeys();
    void this.#reopenLogs();
  }

  async #reopenLogs(): Promise<void> {
    await this.#parts.accessLog?.reopen();
    this.logger.info("log files reopened");
  }

  async stopGracefully(delayMs: number, deadlineMs: number): Promise<DrainResult> {
    if (delayMs > 0) await this.#awaitBalancers(delayMs);
    this.#readiness = { state: "DRAINING", reason: "stopping: others take over" };
    await this.#addresses?.withdraw();
    const result = await this.#drain(deadlineMs);
    await this.stop();
    return result;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  #drain(deadlineMs: number): Promise<DrainResult> {
    this.#drained ??= this.#drainOnce(deadlineMs);
    return this.#drained;
  }

  /** Configuration is still followed: others are being replaced at the same time as we are. */
  async #awaitBalancers(delayMs: number): Promise<void> {
    this.#readiness = { state: "DRAINING", reason: "stopping soon: send new connections elsewhere" };
    // Connections do not follow an address to the next node: clients must have left them when it goes.
    if (this.#addresses !== null) this.#applyRouting({ ...this.#placed, leaving: true });
    this.logger.info("stopping soon", { delay_ms: delayMs });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#parts.clock.after(delayMs, resolve);
    await promise;
  }

  async #drainOnce(deadlineMs: number): Promise<DrainResult> {
    this.#readiness = { state: "DRAINING", reason: "draining: no new connections are taken" };
    void this.#stopConfig();
    this.logger.info("draining", { deadline_ms: deadlineMs });
    const result = await this.dataPlane.drain(deadlineMs);
    if (result.abandoned > 0) this.logger.warning("drain deadline passed", { abandoned: result.abandoned });
    return result;
  }

  async #stopAll(): Promise<void> {
    this.#readiness = { state: "DRAINING", reason: "stopping" };
    this.#cancelLoopWatch?.();
    await this.#stopConfig();
    await this.dataPlane.stop();
    await this.#addresses?.stop();
    await this.#parts.spans?.close();
    await this.#adminServer?.close();
    await this.#parts.accessLog?.close();
    await this.#parts.closeTransport();
    this.logger.info("stopped");
  }

  async #startAdmin(): Promise<void> {
    const { clock, logger, registry, dataPlane, refresh } = this.#parts;
    const addresses = this.#addresses;
    const routes = () => listRoutes(this.#routing, { role: null, port: null });
    const deps = {
      clock,
      logger,
      registry,
      version: versionInfo().version,
      config: () => this.#configView(),
      listeners: () => dataPlane.listeners(),
      clusters: () => dataPlane.clusters(),
      routes: { text: () => renderRoutes(routes(), null, (title) => title), data: () => routes().map(routeData) },
      readiness: () => this.#readiness,
      vips: addresses && {
        text: () => renderLiveVips(addresses.vips(), null),
        data: () => addresses.vips(),
      },
      concurrency: this.#options.concurrency,
      refresh,
      quit: this.#onQuit,
      drainListeners: () => this.#drainOnRequest(),
    };
    this.#adminServer = createAdminServer(deps, this.#options);
    this.admin = await this.#adminServer.listen();
  }

  #configView(): ConfigView {
    const { name, reason } = this.#parts.transport;
    return {
      routing: this.#placed,
      endpoints: this.#endpoints,
      problems: this.problems(),
      transport: { name, reason },
      ...(this.#addresses === null ? {} : { announcing: this.#addresses.dump() }),
    };
  }

  #drainOnRequest(): void {
    const drained = (this.#addresses?.withdraw() ?? Promise.resolve()).then(() => this.#drain(this.#options.drainMs));
    drained.catch((error: unknown) => {
      this.logger.error("draining failed", { error: messageOf(error) });
    });
  }

  /** Resolves when the first configuration is applied. */
  async #startConfig(): Promise<void> {
    const { identity, mesh, paths } = this.#options;
    const addresses = this.#addresses;
    const deps = { clock: this.#parts.clock, logger: this.#configLogger };
    const loopOptions = { identity, gateway: true, mesh, holdOffMs: 100, maxHoldOffMs: 1000 };
    const loop = createConfigLoop(deps, loopOptions, {
      routing: (snapshot) => this.#takeRouting(snapshot),
      endpoints: (snapshot) => this.#applyEndpoints(snapshot),
      problems: (problems) => this.#takeProblems(problems),
      ...(addresses === null ? {} : { resources: (resources) => this.#takeResources(addresses, resources) }),
    });
    this.#loop = loop;
    this.#source = createFileSource(paths, deps, loop.onFiles);
    await this.#source.start();
    await this.#applied;
  }

  async #stopConfig(): Promise<void> {
    this.#cancelRetry?.();
    this.#memoryRelease.stop();
    this.#source?.stop();
    await this.#loop?.close();
  }

  #takeRouting(snapshot: RoutingSnapshot): void {
    this.#memoryRelease.soon();
    this.#routing = snapshot;
    // Routes do not change without the resources, and only those say where to listen.
    if (this.#addresses === null) this.#applyRouting(snapshot);
  }

  #takeProblems(problems: readonly Problem[]): void {
    this.#configProblems = problems;
    this.#addresses?.takeProblems(problems);
    this.#reportProblems();
  }

  #takeResources(addresses: GatewayAddresses, resources: readonly Resource[]): void {
    addresses.take(resources);
    this.#reportProblems();
    this.#place(addresses);
  }

  #reportProblems(): void {
    this.#problemLog.take([...this.#configProblems, ...(this.#addresses?.problems() ?? [])]);
  }

  #place(addresses: GatewayAddresses): void {
    const { leaving } = this.#placed;
    const placed = { ...addresses.place(this.#routing), ...(leaving && { leaving }) };
    if (placed.version !== this.#placed.version) this.#applyRouting(placed);
  }

  #applyRouting(placed: RoutingSnapshot): void {
    this.#placed = placed;
    this.#applied = this.dataPlane
      .applyRouting(placed)
      .then(() => this.#addresses?.takeListeners(placed, this.dataPlane.listeners()));
    // `start` waits for the first; later ones have nobody else to tell.
    this.#applied.catch((error: unknown) => this.logger.error("applying routes failed", { error: messageOf(error) }));
  }

  /** All about announcing is loaded here, and only where it is asked for. */
  async #createAddresses(): Promise<GatewayAddresses | null> {
    const { addresses: options, identity, portMap, defaultBind } = this.#options;
    if (options === null) return null;
    const { clock, logger, registry } = this.#parts;
    const onMoved = async (): Promise<void> => {
      this.#place(addresses);
      await Promise.allSettled([this.#applied]);
    };
    const fixedPorts = new Set([...portMap].filter(([, { host }]) => host !== "").map(([port]) => port));
    const placing = { identity, fixedPorts, keepsOwnBind: defaultBind !== "" };
    const loaded = await import("./gateway-addresses/gateway-addresses.ts");
    const addresses: GatewayAddresses = new loaded.GatewayAddresses(
      { clock, random: Math.random, logger, registry, onMoved },
      options,
      placing,
    );
    return addresses;
  }

  #applyEndpoints(snapshot: EndpointSnapshot): void {
    this.#memoryRelease.soon();
    this.#endpoints = snapshot;
    this.dataPlane.applyEndpoints(snapshot);
  }

  #warnOfNothing(): void {
    const labels = Object.entries(this.#options.identity.labels).map(([key, value]) => `${key}=${value}`);
    const advice = "a Gateway is served when its spec.selector is among --labels";
    const what = "no Gateway selects this process, so it listens on nothing yet";
    this.logger.warning(what, { labels: labels.join(","), advice });
  }

  #warnOfResets(): void {
    const setting = "net.ipv4.tcp_migrate_req=1";
    this.logger.warning("clients that connect while the old process closes its ports may be reset", { setting });
  }

  /** A port that was taken when the configuration asked for it may be free by now. */
  #retryListeners(): void {
    if (this.dataPlane.listeners().every(({ error }) => error === null)) return;
    this.#applyRouting(this.#placed);
  }
}

function bindError({ error, configuredPort, role }: ListenerStatus): CliError {
  const option =
    role === "mesh" ? "--mesh-port with another port" : `--listen ${configuredPort}=PORT with another port`;
  const text = error ?? "";
  let hint = `Use ${option}, or --bind with another address.`;
  if (/EADDRNOTAVAIL|ENOTFOUND/.test(text)) {
    hint = "This machine has no such address: name one of its own, with --bind or before the port in --listen.";
  }
  if (text.includes("EADDRINUSE")) {
    hint = `Another process has this port: stop it, use ${option}, or --take-over to replace a naru that runs.`;
  }
  if (text.includes("EACCES")) hint = `Low ports need the right to bind them (CAP_NET_BIND_SERVICE); or use ${option}.`;
  return new CliError(exitCodes.failure, text, hint);
}
