// SPDX-License-Identifier: Apache-2.0
// `naru announce`: the life of an announcing process: follow files, say so, wait for a reason to stop, hand over, exit code.

import { exitCodes, type CommandContext, type OptionValues } from "../cli/index.ts";
import { createConfigLoop, createFileSource } from "../config/index.ts";
import { systemClock, type Clock } from "../core/index.ts";
import {
  createAdminServer,
  createLogger,
  MetricsRegistry,
  processSamples,
  type RootLogger,
} from "../telemetry/index.ts";
import { announceOptionsFrom } from "./announce/announce-options.ts";
import { announcingDump, liveVips } from "./announce/announcer-views.ts";
import { Announcer } from "./announce/announcer.ts";
import { BoundAddresses } from "./announce/bound-addresses.ts";
import { renderLiveVips } from "./announce/live-vips.ts";
import { ProblemLog, refuseUnreadablePaths } from "./problem-log.ts";
import { noRoutes } from "./read-config.ts";
import { awaitEnd, isOrderly } from "./stop-reason.ts";
import { versionInfo } from "./version.ts";

/** The command. */
export async function runAnnounce(values: OptionValues, context: CommandContext): Promise<number> {
  const options = announceOptionsFrom(values);
  const { terminal } = context;
  const { logLevel: level, logFormat: format, node } = options;
  const clock = systemClock;
  const write = (line: string) => terminal.err(`${line}\n`);
  const logger = createLogger({ level, format, colour: terminal.errColour, write, clock });
  const registry = new MetricsRegistry();
  registry.addSource(processSamples(versionInfo().version));
  const { promise: quitRequested, resolve: quit } = Promise.withResolvers<void>();
  const bound = options.bindVip ? new BoundAddresses(clock, logger, false) : null;
  const announcer = new Announcer({ clock, random: Math.random, logger, registry, holder: bound }, options);
  const live = () => liveVips(announcer, node);
  const admin = createAdminServer(
    {
      clock,
      logger,
      registry,
      version: versionInfo().version,
      readiness: () => announcer.readiness(),
      refresh: null,
      quit,
      vips: { text: () => renderLiveVips(live(), null), data: live },
      announcing: () => announcingDump(announcer),
    },
    options,
  );
  const control = context.takeControl();
  control.onReopen(() => announcer.group.reloadKeys());
  // First, so that whoever probes hears that we are not ready yet instead of nothing.
  await admin.listen();
  const following = followFiles(announcer, options.paths, clock, logger);
  try {
    await following.start();
    await announcer.start();
    const isAlone = options.heartbeats === null;
    logger.info("announcing", { node, alone: isAlone, services: announcer.state().decision?.services.length });
    const reason = await awaitEnd(control, quitRequested, logger);
    following.stop();
    // An orchestrator that says SIGTERM restarts us, as a rule; a person who says stop means it.
    await announcer.stopGracefully(reason !== "quit" && reason.kind === "signal" && reason.signal === "SIGTERM");
    return isOrderly(reason) ? exitCodes.ok : exitCodes.failure;
  } finally {
    bound?.close();
    await following.close();
    logger.info("stopped");
    await admin.close();
  }
}

/** Gives the announcer what the files say, and logs what is wrong with it. */
function followFiles(announcer: Announcer, paths: readonly string[], clock: Clock, root: RootLogger) {
  const deps = { clock, logger: root.child("config") };
  const log = new ProblemLog(deps.logger);
  const loop = createConfigLoop(
    deps,
    { ...noRoutes, holdOffMs: 100, maxHoldOffMs: 1000 },
    {
      routing: () => undefined,
      endpoints: () => undefined,
      problems(problems) {
        announcer.takeProblems(problems);
        log.take(announcer.problems());
      },
      resources(resources) {
        announcer.take(resources);
        log.take(announcer.problems());
      },
    },
  );
  const source = createFileSource(paths, deps, loop.onFiles);
  return {
    async start() {
      await source.start();
      refuseUnreadablePaths(announcer.problems(), paths);
    },
    stop: () => source.stop(),
    async close() {
      source.stop();
      await loop.close();
    },
  };
}
