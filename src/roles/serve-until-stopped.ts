// SPDX-License-Identifier: Apache-2.0
// The life of a serving command: start, say so, wait for a reason to stop, drain, exit code.

import { exitCodes, type CommandContext, type ProcessControl } from "../cli/index.ts";
import { messageOf } from "../core/index.ts";
import type { ServeOptions } from "./serve-options.ts";
import { startServing, type Serving } from "./serve.ts";

/**
 * Serves until a signal comes. 0 when all requests in flight could finish within `drainMs`, else 1. `onReady` is called
 * once everything is served.
 */
export async function serveUntilStopped(
  options: ServeOptions,
  drainMs: number,
  context: CommandContext,
  onReady: (serving: Serving) => void,
): Promise<number> {
  const { terminal } = context;
  const control = context.takeControl();
  const deps = { writeLog: (line: string) => terminal.err(`${line}\n`), colour: terminal.errColour };
  const serving = await startServing(options, deps);
  control.onReopen(() => serving.reopenLogs());
  onReady(serving);
  return await waitAndDrain(serving, control, drainMs);
}

async function waitAndDrain(serving: Serving, control: ProcessControl, drainMs: number): Promise<number> {
  const reason = await control.stopRequested;
  const { logger } = serving;
  if (reason.kind === "signal") {
    logger.info("signal received", { signal: reason.signal });
  } else {
    logger.error("uncaught exception: finishing what is in flight, then exiting", { error: messageOf(reason.error) });
    if (logger.enabled("debug") && reason.error instanceof Error) logger.debug("stack", { stack: reason.error.stack });
  }
  const { abandoned } = await serving.stopGracefully(drainMs);
  return abandoned === 0 && reason.kind === "signal" ? exitCodes.ok : exitCodes.failure;
}
