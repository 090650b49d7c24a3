// SPDX-License-Identifier: Apache-2.0
// Why a process that serves has to end: waits for the first reason, and says it in the log.

import type { ProcessControl, StopReason } from "../cli/index.ts";
import { messageOf } from "../core/index.ts";
import type { Logger } from "../telemetry/port.ts";

/** "quit" = somebody asked over the admin port. */
export type EndReason = StopReason | "quit";

export async function awaitEnd(
  { stopRequested }: ProcessControl,
  quitRequested: Promise<void>,
  logger: Logger,
): Promise<EndReason> {
  const reason = await Promise.race([stopRequested, quitRequested.then(() => "quit" as const)]);
  if (reason === "quit") {
    logger.info("asked to quit over the admin port");
  } else if (reason.kind === "signal") {
    logger.info("signal received", { signal: reason.signal });
  } else {
    logger.error("uncaught exception: finishing what is in flight, then exiting", { error: messageOf(reason.error) });
    if (reason.error instanceof Error) logger.debug("stack of the uncaught exception", { stack: reason.error.stack });
  }
  return reason;
}

/** Somebody wanted it to end; otherwise it is a bug that ends it. */
export function isOrderly(reason: EndReason): boolean {
  return reason === "quit" || reason.kind === "signal";
}
