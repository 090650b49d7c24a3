// SPDX-License-Identifier: Apache-2.0
// The life of a serving command: start, say so, wait for a reason to stop, let balancers notice, drain, exit code.

import { exitCodes, type CommandContext } from "../cli/index.ts";
import type { ServeOptions } from "./serve-options.ts";
import { startServing, type Serving } from "./serve.ts";
import { awaitEnd, isOrderly } from "./stop-reason.ts";

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
  const reason = await awaitEnd(control, quitRequested, serving.logger);
  // Balancers follow the readiness of whom an orchestrator stops; a person at a terminal does not want to wait.
  const isAnnounced = reason !== "quit" && reason.kind === "signal" && reason.signal === "SIGTERM";
  const { abandoned } = await serving.stopGracefully(isAnnounced ? options.drainDelayMs : 0, options.drainMs);
  return isOrderly(reason) && abandoned === 0 ? exitCodes.ok : exitCodes.failure;
}
