// SPDX-License-Identifier: Apache-2.0
// The life of a serving command: start, say so, wait for a reason to stop, let balancers notice, drain, exit code.

import { exitCodes, type CommandContext, type StopReason } from "../cli/index.ts";
import { messageOf } from "../core/index.ts";
import type { Logger } from "../telemetry/port.ts";
import type { ServeOptions } from "./serve-options.ts";
import { startServing, type Serving } from "./serve.ts";

/**
 * Serves until a signal comes. 0 when all requests in flight could finish within `options.drainMs`, else 1. `onReady`
 * is called once everything is served.
 */
export async function serveUntilStopped(
  options: ServeOptions,
  context: CommandContext,
  onReady: (serving: Serving) => void,
): Promise<number> {
  const { terminal } = context;
  const control = context.takeControl();
  const { promise: quitRequested, resolve: onQuit } = Promise.withResolvers<void>();
  const writeLog = (line: string) => terminal.err(`${line}\n`);
  const serving = await startServing(options, { writeLog, colour: terminal.errColour, onQuit });
  control.onReopen(() => serving.reopenLogs());
  onReady(serving);
  const reason = await Promise.race([control.stopRequested, quitRequested.then(() => "quit" as const)]);
  logReason(reason, serving.logger);
  // Balancers follow the readiness of whom an orchestrator stops; a person at a terminal does not want to wait.
  const isAnnounced = reason !== "quit" && reason.kind === "signal" && reason.signal === "SIGTERM";
  const { abandoned } = await serving.stopGracefully(isAnnounced ? options.drainDelayMs : 0, options.drainMs);
  const isOrderly = reason === "quit" || reason.kind === "signal";
  return isOrderly && abandoned === 0 ? exitCodes.ok : exitCodes.failure;
}

function logReason(reason: StopReason | "quit", logger: Logger): void {
  if (reason === "quit") {
    logger.info("asked to quit over the admin port");
  } else if (reason.kind === "signal") {
    logger.info("signal received", { signal: reason.signal });
  } else {
    logger.error("uncaught exception: finishing what is in flight, then exiting", { error: messageOf(reason.error) });
    if (reason.error instanceof Error) logger.debug("stack of the uncaught exception", { stack: reason.error.stack });
  }
}
