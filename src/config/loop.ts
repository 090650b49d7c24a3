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
import { createBuilder, type Build, type Builder } from "./build.ts";
import type { CompileOptions } from "./link/options.ts";
import type { OnFiles, SourceFile } from "./source/index.ts";

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
  /** For the source: everything there is now. The first call builds at once and lets its errors out. */
  readonly onFiles: OnFiles;
  /** Ends it; nothing is published any more. */
  close(): void;
}

/** Nothing runs until the first `onFiles`; `close` is the only thing to stop. */
export function createConfigLoop(deps: ConfigLoopDeps, options: ConfigLoopOptions, publish: ConfigSink): ConfigLoop {
  const loop = new HeldOffLoop(deps, options, publish);
  return {
    onFiles: (files, problems) => loop.onFiles(files, problems),
    close: () => loop.close(),
  };
}

interface SourceState {
  readonly files: readonly SourceFile[];
  readonly problems: readonly Problem[];
}

class HeldOffLoop {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: ConfigLoopOptions;
  readonly #publish: ConfigSink;
  readonly #builder: Builder;
  #last: Build | null = null;
  /** INVARIANT: not null exactly while a build is due, and then `#cancel` stops it. */
  #waiting: SourceState | null = null;
  #firstWaitMs = 0;
  #cancel: Cancel = () => undefined;
  #isClosed = false;

  constructor({ clock, logger }: ConfigLoopDeps, options: ConfigLoopOptions, publish: ConfigSink) {
    this.#clock = clock;
    this.#logger = logger;
    this.#options = options;
    this.#publish = publish;
    this.#builder = createBuilder(options);
  }

  onFiles(files: readonly SourceFile[], problems: readonly Problem[]): void {
    if (this.#isClosed) return;
    const state = { files, problems };
    if (this.#last === null) {
      this.#build(state);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (this.#waiting === null) this.#firstWaitMs = nowMs;
    this.#waiting = state;
    this.#cancel();
    const latestMs = this.#firstWaitMs + this.#options.maxHoldOffMs;
    const delayMs = Math.max(0, Math.min(this.#options.holdOffMs, latestMs - nowMs));
    this.#cancel = this.#clock.after(delayMs, () => this.#buildWaiting());
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = null;
    this.#cancel();
  }

  #buildWaiting(): void {
    const state = this.#waiting;
    this.#waiting = null;
    if (state === null) return;
    try {
      this.#build(state);
    } catch (error) {
      // A bug of ours, but one that somebody's file may trigger: traffic goes on under the last configuration.
      this.#logger.error("building the configuration failed; the last one stays in force", { error: messageOf(error) });
    }
  }

  #build({ files, problems }: SourceState): void {
    const startMs = this.#clock.nowMs();
    const last = this.#last;
    const build = this.#builder.build(files, problems);
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
    if (build.resources !== last?.resources && this.#publish.resources !== undefined) {
      changed.push("resources");
      this.#publish.resources(build.resources);
    }
    // Only now: what a consumer failed to take is published again by the next build.
    this.#last = build;
    this.#logger.info("configuration built", {
      changed: changed.length === 0 ? "nothing" : changed.join(","),
      compiled: build.compiled,
      files: files.length,
      ...countsOf(build),
      duration_ms: Math.round((this.#clock.nowMs() - startMs) * 10) / 10,
    });
  }
}

function countsOf({ resources, routing, endpoints, problems, ignored }: Build): LogFields {
  let routes = 0;
  for (const { hosts } of routing.routeTables.values()) for (const host of hosts) routes += host.routes.length;
  let endpointCount = 0;
  for (const list of endpoints.endpoints.values()) endpointCount += list.length;
  return {
    resources: resources.length,
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
