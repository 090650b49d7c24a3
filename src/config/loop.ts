// SPDX-License-Identifier: Apache-2.0
// The single writer of configuration: waits until a burst of changes is over, builds, and publishes what is different.
//
//   first files ──► build at once
//   change ──► hold off 100 ms ──► build        each further change starts the 100 ms anew,
//                  ▲────┘ change                 but 1 s after the first one a build is due

import { isDeepStrictEqual } from "node:util";
import { messageOf, type Cancel, type Clock } from "../core/index.ts";
import type { EndpointSnapshot, Problem, Resource, RoutingSnapshot } from "../model/index.ts";
import type { LogFields, Logger } from "../telemetry/port.ts";
import type { CompileOptions } from "./link/options.ts";
import type { OnFiles, SourceFile } from "./source/index.ts";
import { ScalingBuilder, type BuildResult } from "./scaling-builder.ts";

export interface ConfigLoopDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ConfigLoopOptions extends CompileOptions {
  /** Quiet time after a change before a build. */
  readonly holdOffMs: number;
  /** Longest time a change waits, however many follow it. */
  readonly maxHoldOffMs: number;
}

/**
 * Where results go. Called synchronously, routing first, and only with what differs from the last call; the first build
 * calls all, even for an empty configuration.
 */
export interface ConfigSink {
  routing(snapshot: RoutingSnapshot): void;
  endpoints(snapshot: EndpointSnapshot): void;
  /** All problems there are, not only new ones. */
  problems(problems: readonly Problem[]): void;
  /** For who works from the resources themselves: those in force now. Called after the others. */
  resources?(resources: readonly Resource[]): void;
}

export interface ConfigLoop {
  /**
   * For the source: everything there is now. The first call builds at once, resolves when the result is published, and
   * rejects with its errors; later ones only take note.
   */
  readonly onFiles: OnFiles;
  /** Ends it; nothing is published any more. Resolves when no process is left. */
  close(): Promise<void>;
}

/** Nothing runs until the first `onFiles`; `close` is the only thing to stop. */
export function createConfigLoop(deps: ConfigLoopDeps, options: ConfigLoopOptions, publish: ConfigSink): ConfigLoop {
  const loop = new HeldOffLoop(deps, options, publish);
  return {
    onFiles: (files, problems) => loop.onFiles(files, problems),
    close: () => loop.close(),
  };
}

/** Until a build that failed is tried again: there may be memory for it by then. */
const retryMs = 10_000;

interface SourceState {
  readonly files: readonly SourceFile[];
  readonly problems: readonly Problem[];
}

class HeldOffLoop {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: ConfigLoopOptions;
  readonly #publish: ConfigSink;
  readonly #builder: ScalingBuilder;
  #last: BuildResult | null = null;
  #isBuilding = false;
  /** The wait of what is waiting is over. */
  #isDue = false;
  /** INVARIANT: not null exactly while a build is due or will be, and then `#cancel` stops it. */
  #waiting: SourceState | null = null;
  #firstWaitMs = 0;
  #cancel: Cancel = () => undefined;
  #isClosed = false;

  constructor({ clock, logger }: ConfigLoopDeps, options: ConfigLoopOptions, publish: ConfigSink) {
    this.#clock = clock;
    this.#logger = logger;
    this.#options = options;
    this.#publish = publish;
    this.#builder = new ScalingBuilder(options, publish.resources !== undefined);
  }

  async onFiles(files: readonly SourceFile[], problems: readonly Problem[]): Promise<void> {
    if (this.#isClosed) return;
    const state = { files, problems };
    if (this.#last === null && !this.#isBuilding) {
      await this.#build(state);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (this.#waiting === null) this.#firstWaitMs = nowMs;
    this.#waiting = state;
    this.#isDue = false;
    this.#cancel();
    const latestMs = this.#firstWaitMs + this.#options.maxHoldOffMs;
    const delayMs = Math.max(0, Math.min(this.#options.holdOffMs, latestMs - nowMs));
    this.#cancel = this.#clock.after(delayMs, () => void this.#buildWaiting());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting = null;
    this.#cancel();
    await this.#builder.close();
  }

  async #buildWaiting(): Promise<void> {
    this.#isDue = true;
    if (this.#isBuilding) return;
    while (this.#isDue && this.#waiting !== null) {
      const state = this.#waiting;
      this.#waiting = null;
      this.#isDue = false;
      try {
        await this.#build(state);
      } catch (error) {
        if (!this.#isClosed) this.#takeFailure(error, state);
      }
    }
  }

  /** A bug of ours, but one that somebody's file may trigger, or want of memory: traffic goes on as it is. */
  #takeFailure(error: unknown, state: SourceState): void {
    this.#logger.error("building the configuration failed; the last one stays in force", { error: messageOf(error) });
    if (this.#waiting !== null) return;
    this.#waiting = state;
    this.#firstWaitMs = this.#clock.nowMs() + retryMs;
    this.#cancel = this.#clock.after(retryMs, () => void this.#buildWaiting());
  }

  /** Publishes before it returns where no process is needed. */
  async #build({ files, problems }: SourceState): Promise<void> {
    const startMs = this.#clock.nowMs();
    this.#isBuilding = true;
    try {
      const building = this.#builder.build(files, problems);
      const build = building instanceof Promise ? await building : building;
      if (!this.#isClosed) this.#publishChanges(build, files.length, startMs);
    } finally {
      this.#isBuilding = false;
    }
  }

  #publishChanges(build: BuildResult, files: number, startMs: number): void {
    const last = this.#last;
    const changed: string[] = [];
    if (build.routing !== last?.routing) {
      changed.push("routing");
      this.#publish.routing(build.routing);
    }
    if (build.endpoints !== last?.endpoints) {
      changed.push("endpoints");
      this.#publish.endpoints(build.endpoints);
    }
    if (last === null || !isDeepStrictEqual(build.problems, last.problems)) {
      changed.push("problems");
      this.#publish.problems(build.problems);
    }
    if (build.resources !== null && build.resources !== last?.resources) {
      changed.push("resources");
      this.#publish.resources?.(build.resources);
    }
    // Only now: what a consumer failed to take is published again by the next build.
    this.#last = build;
    this.#logger.info("configuration built", {
      changed: changed.length === 0 ? "nothing" : changed.join(","),
      compiled: build.compiled,
      files,
      ...countsOf(build),
      duration_ms: Math.round((this.#clock.nowMs() - startMs) * 10) / 10,
    });
  }
}

function countsOf({ resourceCount, routing, endpoints, problems, ignored }: BuildResult): LogFields {
  let routes = 0;
  for (const { hosts } of routing.routeTables.values()) for (const host of hosts) routes += host.routes.length;
  let endpointCount = 0;
  for (const list of endpoints.endpoints.values()) endpointCount += list.length;
  return {
    resources: resourceCount,
    listeners: routing.listeners.length,
    routes,
    clusters: routing.clusters.size,
    endpoints: endpointCount,
    errors: problems.filter(({ severity }) => severity === "error").length,
    warnings: problems.filter(({ severity }) => severity === "warning").length,
    ignored: ignored.map(({ kind, count }) => `${kind}:${count}`).join(","),
    routing_version: routing.version,
    endpoints_version: endpoints.version,
  };
}
